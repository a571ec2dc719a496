/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors as Intel's processors tell of them. */
#include "mce-codes.h"

#define RECOVERABLE                                                            \
    (MCI_STATUS_VAL | MCI_STATUS_UC | MCI_STATUS_EN | MCI_STATUS_MISCV |       \
     MCI_STATUS_ADDRV)

#define MISC_LINE MCI_MISC_PHYSICAL(6)
#define MISC_PAGE MCI_MISC_PHYSICAL(12)

/*
 * Banks. The core's two have the numbers that Intel gives them; a Xeon of the
 * model that the scenarios use (143) has its memory controllers' at 13 and on,
 * and QEMU gives each processor ten: i10nm_edac does not decode what is here.
 */
enum { BANK_FETCH = 0, BANK_LOAD = 1, BANK_MEMORY = 7, BANK_CACHE = 9 };

const MmrigMceCode mmrig_mce_codes_intel[MMRIG_MCE_KINDS] = {
    /* Section 16.9.3.2, "Architecturally Defined SRAR Errors". */
    [MMRIG_MCE_SRAR] = {BANK_LOAD,
                        RECOVERABLE | MCI_STATUS_S | MCI_STATUS_AR | 0x0134,
                        MISC_LINE,
                        MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP},
    [MMRIG_MCE_SRAR_FETCH] =
        {BANK_FETCH, RECOVERABLE | MCI_STATUS_S | MCI_STATUS_AR | 0x0150,
         MISC_LINE, MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP},
    /* Section 16.9.3.1, "Architecturally Defined SRAO Errors". */
    [MMRIG_MCE_SRAO] = {BANK_MEMORY, RECOVERABLE | MCI_STATUS_S | 0x00c0,
                        MISC_PAGE, MCG_STATUS_RIPV | MCG_STATUS_MCIP},
    [MMRIG_MCE_SRAO_CACHE] = {BANK_CACHE, RECOVERABLE | MCI_STATUS_S | 0x017a,
                              MISC_LINE, MCG_STATUS_RIPV | MCG_STATUS_MCIP},
    /* Table 16-6: UC without S and AR. MCACOD: memory controller, read. */
    [MMRIG_MCE_UCNA] = {BANK_MEMORY, RECOVERABLE | 0x0090, MISC_LINE, 0},
    [MMRIG_MCE_CE] = {BANK_MEMORY,
                      MCI_STATUS_VAL | MCI_STATUS_EN | MCI_STATUS_MISCV |
                          MCI_STATUS_ADDRV | 0x0090,
                      MISC_LINE, 0},
    /* Table 16-6: UC with PCC. MCACOD: memory controller, read. */
    [MMRIG_MCE_FATAL] = {BANK_MEMORY, RECOVERABLE | MCI_STATUS_PCC | 0x0090,
                         MISC_LINE, MCG_STATUS_MCIP},
};
