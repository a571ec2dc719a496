/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How memory errors are encoded in the machine-check registers of an Intel
 * processor. No QEMU headers: this part is tested on the host.
 *
 * Numbers are those of the Intel SDM, volume 3B, chapters 16 ("Machine-Check
 * Architecture") and 17 ("Interpreting Machine Check Error Codes"), edition of
 * 2023.
 */
#ifndef MMRIG_MCE_CODES_H
#define MMRIG_MCE_CODES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* IA32_MCG_CAP, section 16.3.1.1. */
#define MCG_CAP_COUNT UINT64_C(0xff)
#define MCG_CAP_CTL_P (UINT64_C(1) << 8)
#define MCG_CAP_SER_P (UINT64_C(1) << 24)

/* IA32_MCG_STATUS, section 16.3.1.2. */
#define MCG_STATUS_RIPV (UINT64_C(1) << 0) /* the program can go on */
#define MCG_STATUS_EIPV (UINT64_C(1) << 1) /* it is the program's error */
#define MCG_STATUS_MCIP (UINT64_C(1) << 2) /* a machine check in progress */
#define MCG_STATUS_LMCE (UINT64_C(1) << 3) /* no other processor was told */

/* IA32_MCi_STATUS, section 16.3.2.2. */
#define MCI_STATUS_VAL (UINT64_C(1) << 63)
#define MCI_STATUS_OVER (UINT64_C(1) << 62)
#define MCI_STATUS_UC (UINT64_C(1) << 61)
#define MCI_STATUS_EN (UINT64_C(1) << 60)
#define MCI_STATUS_MISCV (UINT64_C(1) << 59)
#define MCI_STATUS_ADDRV (UINT64_C(1) << 58)
#define MCI_STATUS_PCC (UINT64_C(1) << 57)
#define MCI_STATUS_S (UINT64_C(1) << 56)
#define MCI_STATUS_AR (UINT64_C(1) << 55)
/* Bits 52:38, corrected errors so far. */
#define MCI_STATUS_COUNT(n) ((uint64_t)(n) << 38)
#define MCI_STATUS_COUNT_MAX 0x7fff
/* Bits 15:0. */
#define MCI_STATUS_MCACOD(status) ((unsigned)((status)&0xffff))

/* IA32_MCi_MISC, section 16.3.2.4: bits 8:6 address mode, 5:0 its last bit. */
#define MCI_MISC_PHYSICAL(lsb) ((UINT64_C(2) << 6) | (lsb))

/*
 * Banks. The core's two have the numbers that Intel gives them; a Xeon of the
 * model that the scenarios use (143) has its memory controllers' at 13 and on,
 * and QEMU gives each processor ten: i10nm_edac does not decode what is here.
 */
enum {
    MCE_BANK_FETCH = 0,
    MCE_BANK_LOAD = 1,
    MCE_BANK_MEMORY = 7,
    MCE_BANK_CACHE = 9,
    MCE_BANKS = 10,
};

/* What one bank of one processor is to hold: the MSRs' values. */
typedef struct MmrigMce {
    unsigned bank;
    uint64_t status;
    uint64_t addr;
    uint64_t misc;
    uint64_t mcg_status; /* of the processor; only with exception */
    bool exception;      /* raise #MC; else it waits to be polled */
} MmrigMce;

typedef enum MmrigMceKind {
    MMRIG_MCE_SRAR,       /* data load */
    MMRIG_MCE_SRAR_FETCH, /* instruction fetch */
    MMRIG_MCE_SRAO,       /* memory scrubbing */
    MMRIG_MCE_SRAO_CACHE, /* explicit write-back from the last-level cache */
    MMRIG_MCE_UCNA,
    MMRIG_MCE_CE,
    MMRIG_MCE_FATAL,
    MMRIG_MCE_KINDS,
} MmrigMceKind;

/* Its name in "kind=", and what it is in one sentence. */
const char *mmrig_mce_kind_name(MmrigMceKind kind);
const char *mmrig_mce_kind_text(MmrigMceKind kind);
/* By name; MMRIG_MCE_KINDS if there is none. */
MmrigMceKind mmrig_mce_kind_find(const char *name);

/*
 * The error of a kind at an address. local: the only processor of several that
 * is told. count: how many there were, for MMRIG_MCE_CE.
 */
MmrigMce mmrig_mce_make(MmrigMceKind kind, uint64_t gpa, bool local,
                        unsigned count);
/* What the other processors get when one is told of an error by broadcast. */
MmrigMce mmrig_mce_make_bystander(void);

/*
 * What KVM_X86_SET_MCE takes (Linux Documentation/virt/kvm/api.rst). Kernel
 * headers have had it in different files, so that some mixtures lack it.
 */
typedef struct MmrigKvmMce {
    uint64_t status;
    uint64_t addr;
    uint64_t misc;
    uint64_t mcg_status;
    uint8_t bank;
    uint8_t unused1[7];
    uint64_t unused2[3];
} MmrigKvmMce;
#define MMRIG_KVM_SET_MCE _IOW(0xae, 0x9e, MmrigKvmMce)

MmrigKvmMce mmrig_mce_for_kvm(const MmrigMce *mce);

#endif
