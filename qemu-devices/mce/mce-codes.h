/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How memory errors are encoded in the machine-check registers of a processor.
 * No QEMU headers: this part is tested on the host.
 *
 * Intel: numbers are those of the SDM, volume 3B, chapters 16 ("Machine-Check
 * Architecture") and 17 ("Interpreting Machine Check Error Codes"), edition of
 * 2023. AMD: those of the AMD64 APM, volume 2, chapter 9 ("Machine Check
 * Architecture"), in its legacy form: TCG has no registers of the scalable one.
 */
#ifndef MMRIG_MCE_CODES_H
#define MMRIG_MCE_CODES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* IA32_MCG_CAP, SDM 16.3.1.1. */
#define MCG_CAP_COUNT UINT64_C(0xff)
#define MCG_CAP_CTL_P (UINT64_C(1) << 8)
#define MCG_CAP_SER_P (UINT64_C(1) << 24)
#define MCG_CAP_LMCE_P (UINT64_C(1) << 27)

/* IA32_MCG_EXT_CTL, SDM 16.3.1.4, and IA32_FEATURE_CONTROL, volume 4. */
#define MCG_EXT_CTL_LMCE_EN (UINT64_C(1) << 0)
#define FEATURE_CONTROL_LOCKED (UINT64_C(1) << 0)
#define FEATURE_CONTROL_LMCE (UINT64_C(1) << 20)

/* IA32_MCG_STATUS, SDM 16.3.1.2; APM 9.3, which has no LMCE. */
#define MCG_STATUS_RIPV (UINT64_C(1) << 0) /* the program can go on */
#define MCG_STATUS_EIPV (UINT64_C(1) << 1) /* it is the program's error */
#define MCG_STATUS_MCIP (UINT64_C(1) << 2) /* a machine check in progress */
#define MCG_STATUS_LMCE (UINT64_C(1) << 3) /* no other processor was told */

/* MCi_STATUS of both, SDM 16.3.2.2, APM 9.3. */
#define MCI_STATUS_VAL (UINT64_C(1) << 63)
#define MCI_STATUS_OVER (UINT64_C(1) << 62)
#define MCI_STATUS_UC (UINT64_C(1) << 61)
#define MCI_STATUS_EN (UINT64_C(1) << 60)
#define MCI_STATUS_MISCV (UINT64_C(1) << 59)
#define MCI_STATUS_ADDRV (UINT64_C(1) << 58)
#define MCI_STATUS_PCC (UINT64_C(1) << 57)
/* Intel's. */
#define MCI_STATUS_S (UINT64_C(1) << 56)
#define MCI_STATUS_AR (UINT64_C(1) << 55)
/* Bits 52:38, corrected errors so far. */
#define MCI_STATUS_COUNT(n) ((uint64_t)(n) << 38)
#define MCI_STATUS_COUNT_MAX 0x7fff
#define MCI_STATUS_COUNT_OF(status) ((status) >> 38 & MCI_STATUS_COUNT_MAX)
/* AMD's. */
#define MCI_STATUS_CECC (UINT64_C(1) << 46)     /* corrected by the ECC */
#define MCI_STATUS_UECC (UINT64_C(1) << 45)     /* too much for the ECC */
#define MCI_STATUS_DEFERRED (UINT64_C(1) << 44) /* nobody has used it yet */
#define MCI_STATUS_POISON (UINT64_C(1) << 43)   /* data known to be bad */
#define MCI_STATUS_SCRUB (UINT64_C(1) << 40)    /* met by the scrubber */
/* Bits 15:0. */
#define MCI_STATUS_MCACOD(status) ((unsigned)((status)&0xffff))

/* MCi_MISC of Intel's, SDM 16.3.2.4: bits 8:6 address mode, 5:0 last bit. */
#define MCI_MISC_PHYSICAL(lsb) ((UINT64_C(2) << 6) | (lsb))

/* Registers of a bank, SDM 16.3.2. */
enum {
    MCE_BANK_CTL,
    MCE_BANK_STATUS,
    MCE_BANK_ADDR,
    MCE_BANK_MISC,
    MCE_BANK_REGISTERS,
};

#define MCE_BANKS 10 /* QEMU gives each processor so many */

typedef enum MmrigMceVendor {
    MMRIG_MCE_INTEL,
    MMRIG_MCE_AMD,
    MMRIG_MCE_VENDORS,
} MmrigMceVendor;

/* What one bank of one processor is to hold: the MSRs' values. */
typedef struct MmrigMce {
    MmrigMceVendor vendor;
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

/* How a vendor encodes a kind of error. */
typedef struct MmrigMceCode {
    unsigned bank;
    uint64_t status;
    uint64_t misc;       /* with MISCV in status */
    uint64_t mcg_status; /* 0: no exception */
} MmrigMceCode;

extern const MmrigMceCode mmrig_mce_codes_intel[MMRIG_MCE_KINDS];
extern const MmrigMceCode mmrig_mce_codes_amd[MMRIG_MCE_KINDS];

/* Its name in "kind=", and what it is in one sentence. */
const char *mmrig_mce_kind_name(MmrigMceKind kind);
const char *mmrig_mce_kind_text(MmrigMceKind kind);
/* By name; MMRIG_MCE_KINDS if there is none. */
MmrigMceKind mmrig_mce_kind_find(const char *name);

/* By what CPUID says of itself; MMRIG_MCE_VENDORS if its errors are unknown. */
MmrigMceVendor mmrig_mce_vendor_find(const char *name);

/*
 * The error of a kind at an address. local: no other processor is told, and the
 * register says so; AMD's machine checks are never told to others, and no
 * register says so. count: how many there were, for MMRIG_MCE_CE.
 */
MmrigMce mmrig_mce_make(MmrigMceVendor vendor, MmrigMceKind kind, uint64_t gpa,
                        bool local, unsigned count);
/* What the other processors get when one is told of an error by broadcast. */
MmrigMce mmrig_mce_make_bystander(void);

/* Software has turned such errors off: they are logged, and not signalled. */
void mmrig_mce_disable(MmrigMce *mce);

/*
 * Puts it into the bank's registers (MCE_BANK_REGISTERS of them), which may
 * hold an earlier one: one of the two stays, by the vendor's rules.
 */
void mmrig_mce_log(uint64_t *bank, const MmrigMce *mce);

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
