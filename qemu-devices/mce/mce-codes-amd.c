/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors as AMD's processors tell of them: load/store unit, instruction fetch,
 * the cache behind them, and the northbridge with its memory controllers. What
 * nobody has used yet is deferred: logged, with no machine check. Error codes
 * are those of APM volume 2, chapter 9 ("Machine Check Error Codes"; bits
 * 15:0). MISC is of thresholds, and none is counted here.
 */
#include "mce-codes.h"

#define RECORD (MCI_STATUS_VAL | MCI_STATUS_EN | MCI_STATUS_ADDRV)
#define CONSUMED (RECORD | MCI_STATUS_UC | MCI_STATUS_POISON)
#define DEFERRED (RECORD | MCI_STATUS_DEFERRED)

enum { BANK_LOAD = 0, BANK_FETCH = 1, BANK_CACHE = 2, BANK_NORTHBRIDGE = 4 };

/* Memory hierarchy: 0000 0001 RRRR TTLL. */
#define CODE_LOAD 0x0135  /* data read, data, level 1 */
#define CODE_FETCH 0x0151 /* instruction fetch, instruction, level 1 */
#define CODE_EVICT 0x017a /* eviction, generic, level 2 */
/*
 * Bus: 0000 1PPT RRRR IILL, a read that the node answers from memory; in bits
 * 20:16 the northbridge's extended code of an ECC error in DRAM, by which Linux
 * knows a memory error of bank 4.
 */
#define CODE_DRAM 0x080a13

#define CONSUMED_MCG (MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP)

const MmrigMceCode mmrig_mce_codes_amd[MMRIG_MCE_KINDS] = {
    [MMRIG_MCE_SRAR] = {BANK_LOAD, CONSUMED | CODE_LOAD, 0, CONSUMED_MCG},
    [MMRIG_MCE_SRAR_FETCH] = {BANK_FETCH, CONSUMED | CODE_FETCH, 0,
                              CONSUMED_MCG},
    [MMRIG_MCE_SRAO] = {BANK_NORTHBRIDGE,
                        DEFERRED | MCI_STATUS_UECC | MCI_STATUS_SCRUB |
                            CODE_DRAM,
                        0, 0},
    [MMRIG_MCE_SRAO_CACHE] = {BANK_CACHE,
                              DEFERRED | MCI_STATUS_POISON | CODE_EVICT, 0, 0},
    [MMRIG_MCE_UCNA] = {BANK_NORTHBRIDGE,
                        DEFERRED | MCI_STATUS_UECC | CODE_DRAM, 0, 0},
    [MMRIG_MCE_CE] = {BANK_NORTHBRIDGE, RECORD | MCI_STATUS_CECC | CODE_DRAM, 0,
                      0},
    [MMRIG_MCE_FATAL] = {BANK_NORTHBRIDGE,
                         RECORD | MCI_STATUS_UC | MCI_STATUS_PCC |
                             MCI_STATUS_UECC | CODE_DRAM,
                         0, MCG_STATUS_MCIP},
};
