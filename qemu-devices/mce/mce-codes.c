/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mce-codes.h"

#include <stddef.h>
#include <string.h>

#define RECOVERABLE                                                            \
    (MCI_STATUS_VAL | MCI_STATUS_UC | MCI_STATUS_EN | MCI_STATUS_MISCV |       \
     MCI_STATUS_ADDRV)

enum { LSB_LINE = 6, LSB_PAGE = 12 };

static const struct {
    const char *name;
    const char *text;
    unsigned bank;
    unsigned mcacod;
    unsigned lsb;
    uint64_t status;
    uint64_t mcg_status; /* 0: no exception */
} kinds[MMRIG_MCE_KINDS] = {
    /* Section 16.9.3.2, "Architecturally Defined SRAR Errors". */
    [MMRIG_MCE_SRAR] = {"srar",
                        "a processor was about to use bad data, and must not"
                        " go on without something being done",
                        MCE_BANK_LOAD, 0x0134, LSB_LINE,
                        RECOVERABLE | MCI_STATUS_S | MCI_STATUS_AR,
                        MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP},
    [MMRIG_MCE_SRAR_FETCH] = {"srar-fetch",
                              "the same of an instruction that it was about"
                              " to execute",
                              MCE_BANK_FETCH, 0x0150, LSB_LINE,
                              RECOVERABLE | MCI_STATUS_S | MCI_STATUS_AR,
                              MCG_STATUS_RIPV | MCG_STATUS_EIPV |
                                  MCG_STATUS_MCIP},
    /* Section 16.9.3.1, "Architecturally Defined SRAO Errors". */
    [MMRIG_MCE_SRAO] = {"srao",
                        "the memory's scrubber found bad data that nobody has"
                        " used yet",
                        MCE_BANK_MEMORY, 0x00c0, LSB_PAGE,
                        RECOVERABLE | MCI_STATUS_S,
                        MCG_STATUS_RIPV | MCG_STATUS_MCIP},
    [MMRIG_MCE_SRAO_CACHE] = {"srao-cache",
                              "the last-level cache wrote bad data back that"
                              " nobody has used yet",
                              MCE_BANK_CACHE, 0x017a, LSB_LINE,
                              RECOVERABLE | MCI_STATUS_S,
                              MCG_STATUS_RIPV | MCG_STATUS_MCIP},
    /* Table 16-6: UC without S and AR. MCACOD: memory controller, read. */
    [MMRIG_MCE_UCNA] = {"ucna",
                        "bad data was met that nobody has used yet, and it is"
                        " only logged",
                        MCE_BANK_MEMORY, 0x0090, LSB_LINE, RECOVERABLE, 0},
    [MMRIG_MCE_CE] = {"ce", "the memory controller corrected an error",
                      MCE_BANK_MEMORY, 0x0090, LSB_LINE,
                      MCI_STATUS_VAL | MCI_STATUS_EN | MCI_STATUS_MISCV |
                          MCI_STATUS_ADDRV,
                      0},
    /* Table 16-6: UC with PCC. MCACOD: memory controller, read. */
    [MMRIG_MCE_FATAL] = {"fatal",
                         "the processor's own state is lost, and nothing can"
                         " go on",
                         MCE_BANK_MEMORY, 0x0090, LSB_LINE,
                         RECOVERABLE | MCI_STATUS_PCC, MCG_STATUS_MCIP},
};

const char *mmrig_mce_kind_name(MmrigMceKind kind)
{
    return kinds[kind].name;
}

const char *mmrig_mce_kind_text(MmrigMceKind kind)
{
    return kinds[kind].text;
}

MmrigMceKind mmrig_mce_kind_find(const char *name)
{
    MmrigMceKind kind = 0;

    while (kind < MMRIG_MCE_KINDS && strcmp(kinds[kind].name, name) != 0) {
        kind++;
    }
    return kind;
}

MmrigMce mmrig_mce_make(MmrigMceKind kind, uint64_t gpa, bool local,
                        unsigned count)
{
    MmrigMce mce = {
        .bank = kinds[kind].bank,
        .status = kinds[kind].status | kinds[kind].mcacod,
        .addr = gpa,
        .misc = MCI_MISC_PHYSICAL(kinds[kind].lsb),
        .mcg_status = kinds[kind].mcg_status,
        .exception = kinds[kind].mcg_status != 0,
    };

    if (mce.exception && local) {
        mce.mcg_status |= MCG_STATUS_LMCE;
    }
    if (kind == MMRIG_MCE_CE) {
        mce.status |= MCI_STATUS_COUNT(
            count < MCI_STATUS_COUNT_MAX ? count : MCI_STATUS_COUNT_MAX);
    }
    return mce;
}

MmrigMce mmrig_mce_make_bystander(void)
{
    return (MmrigMce){
        .mcg_status = MCG_STATUS_RIPV | MCG_STATUS_MCIP,
        .exception = true,
    };
}

MmrigKvmMce mmrig_mce_for_kvm(const MmrigMce *mce)
{
    return (MmrigKvmMce){
        .status = mce->status,
        .addr = mce->addr,
        .misc = mce->misc,
        .mcg_status = mce->mcg_status,
        .bank = (uint8_t)mce->bank,
    };
}
