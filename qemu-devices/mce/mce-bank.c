/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second error in a bank that still holds a first one: the Intel SDM, volume
 * 3B, sections 16.3.2.2 and 16.3.2.2.1 ("Overwrite Rules for Machine Check
 * Overflow"), and the AMD64 APM, volume 2, section 9.3.
 */
#include "mce-codes.h"

/* How much an error matters: the one that matters more is kept. */
enum { WEIGHT_CORRECTED, WEIGHT_DEFERRED, WEIGHT_UNCORRECTED, WEIGHT_CORRUPT };
/* One that software had turned on matters more than any that it had not. */
#define WEIGHT_ENABLED 8

static unsigned mce_bank_weight(MmrigMceVendor vendor, uint64_t status)
{
    unsigned enabled = status & MCI_STATUS_EN ? WEIGHT_ENABLED : 0;

    if (status & MCI_STATUS_UC) {
        return enabled + (vendor == MMRIG_MCE_INTEL && status & MCI_STATUS_PCC
                              ? WEIGHT_CORRUPT
                              : WEIGHT_UNCORRECTED);
    }
    return enabled + (vendor == MMRIG_MCE_AMD && status & MCI_STATUS_DEFERRED
                          ? WEIGHT_DEFERRED
                          : WEIGHT_CORRECTED);
}

/* Corrected errors, both together. The topmost bit stays once it is set. */
static uint64_t mce_bank_count(uint64_t first, uint64_t second)
{
    uint64_t sum = MCI_STATUS_COUNT_OF(first) + MCI_STATUS_COUNT_OF(second);

    return sum < MCI_STATUS_COUNT_MAX ? sum : MCI_STATUS_COUNT_MAX;
}

static bool mce_bank_second_stays(const MmrigMce *mce, uint64_t old)
{
    unsigned first = mce_bank_weight(mce->vendor, old);
    unsigned second = mce_bank_weight(mce->vendor, mce->status);

    return second > first ||
           (second == first && second % WEIGHT_ENABLED == WEIGHT_CORRECTED);
}

/* The status of both together, of which the first one's record is kept. */
static uint64_t mce_bank_keep(const MmrigMce *mce, uint64_t old)
{
    /* What software must do of the two is what either of them asks for. */
    if (mce->vendor == MMRIG_MCE_INTEL && old & MCI_STATUS_UC &&
        mce->status & MCI_STATUS_UC) {
        return old | (mce->status & (MCI_STATUS_S | MCI_STATUS_AR));
    }
    return old;
}

void mmrig_mce_log(uint64_t *bank, const MmrigMce *mce)
{
    const uint64_t counter = MCI_STATUS_COUNT(MCI_STATUS_COUNT_MAX);
    uint64_t old = bank[MCE_BANK_STATUS];
    bool replaces = !(old & MCI_STATUS_VAL) || mce_bank_second_stays(mce, old);
    uint64_t status = replaces ? mce->status : mce_bank_keep(mce, old);

    if (old & MCI_STATUS_VAL) {
        status |= MCI_STATUS_OVER;
        if (mce->vendor == MMRIG_MCE_INTEL) {
            status = (status & ~counter) |
                     MCI_STATUS_COUNT(mce_bank_count(old, mce->status));
        }
    }
    bank[MCE_BANK_STATUS] = status;
    if (replaces && status & MCI_STATUS_ADDRV) {
        bank[MCE_BANK_ADDR] = mce->addr;
    }
    if (replaces && status & MCI_STATUS_MISCV) {
        bank[MCE_BANK_MISC] = mce->misc;
    }
}

void mmrig_mce_disable(MmrigMce *mce)
{
    mce->status &= ~MCI_STATUS_EN;
    if (mce->vendor == MMRIG_MCE_INTEL) {
        /* Nothing is signalled, so nothing can be asked for. */
        mce->status &= ~(MCI_STATUS_S | MCI_STATUS_AR);
    }
    mce->exception = false;
}
