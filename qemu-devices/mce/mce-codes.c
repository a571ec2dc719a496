/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mce-codes.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
} kinds[MMRIG_MCE_KINDS] = {
    [MMRIG_MCE_SRAR] = {"srar", "a processor was about to use bad data, and"
                                " must not go on without something being done"},
    [MMRIG_MCE_SRAR_FETCH] = {"srar-fetch",
                              "the same of an instruction that it was about"
                              " to execute"},
    [MMRIG_MCE_SRAO] = {"srao", "the memory's scrubber found bad data that"
                                " nobody has used yet"},
    [MMRIG_MCE_SRAO_CACHE] = {"srao-cache",
                              "the last-level cache wrote bad data back that"
                              " nobody has used yet"},
    [MMRIG_MCE_UCNA] = {"ucna", "bad data was met that nobody has used yet, and"
                                " it is only logged"},
    [MMRIG_MCE_CE] = {"ce", "the memory controller corrected an error"},
    [MMRIG_MCE_FATAL] = {"fatal", "the processor's own state is lost, and"
                                  " nothing can go on"},
};

static const struct {
    const char *name;
    const MmrigMceCode *codes;
} vendors[MMRIG_MCE_VENDORS] = {
    [MMRIG_MCE_INTEL] = {"GenuineIntel", mmrig_mce_codes_intel},
    [MMRIG_MCE_AMD] = {"AuthenticAMD", mmrig_mce_codes_amd},
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

MmrigMceVendor mmrig_mce_vendor_find(const char *name)
{
    MmrigMceVendor vendor = 0;

    while (vendor < MMRIG_MCE_VENDORS &&
           strcmp(vendors[vendor].name, name) != 0) {
        vendor++;
    }
    return vendor;
}

MmrigMce mmrig_mce_make(MmrigMceVendor vendor, MmrigMceKind kind, uint64_t gpa,
                        bool local, unsigned count)
{
    const MmrigMceCode *code = &vendors[vendor].codes[kind];
    MmrigMce mce = {
        .vendor = vendor,
        .bank = code->bank,
        .status = code->status,
        .addr = gpa,
        .misc = code->misc,
        .mcg_status = code->mcg_status,
        .exception = code->mcg_status != 0,
    };

    if (mce.exception && local && vendor == MMRIG_MCE_INTEL) {
        mce.mcg_status |= MCG_STATUS_LMCE;
    }
    if (kind != MMRIG_MCE_CE) {
        return mce;
    }
    if (vendor == MMRIG_MCE_INTEL) {
        mce.status |= MCI_STATUS_COUNT(
            count < MCI_STATUS_COUNT_MAX ? count : MCI_STATUS_COUNT_MAX);
    } else if (count > 1) {
        /* Without a threshold's counter there is one bit for all the others. */
        mce.status |= MCI_STATUS_OVER;
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
