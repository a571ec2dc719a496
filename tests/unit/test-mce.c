/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How errors are encoded, and which of two stays in a bank. */
#include <glib.h>
#include <string.h>

#include "mce/mce-codes.h"

typedef struct {
    MmrigMceKind kind;
    const char *name;
    unsigned bank;
    guint64 status, misc, mcg_status;
} Code;

/* The SDM's numbers, written down once more. */
static const Code intel[] = {
    {MMRIG_MCE_SRAR, "srar", 1, 0xbd80000000000134, 0x86, 7},
    {MMRIG_MCE_SRAR_FETCH, "srar-fetch", 0, 0xbd80000000000150, 0x86, 7},
    {MMRIG_MCE_SRAO, "srao", 7, 0xbd000000000000c0, 0x8c, 5},
    {MMRIG_MCE_SRAO_CACHE, "srao-cache", 9, 0xbd0000000000017a, 0x86, 5},
    {MMRIG_MCE_UCNA, "ucna", 7, 0xbc00000000000090, 0x86, 0},
    {MMRIG_MCE_CE, "ce", 7, 0x9c00004000000090, 0x86, 0},
    {MMRIG_MCE_FATAL, "fatal", 7, 0xbe00000000000090, 0x86, 4},
};

/* The APM's. */
static const Code amd[] = {
    {MMRIG_MCE_SRAR, "srar", 0, 0xb400080000000135, 0, 7},
    {MMRIG_MCE_SRAR_FETCH, "srar-fetch", 1, 0xb400080000000151, 0, 7},
    {MMRIG_MCE_SRAO, "srao", 4, 0x9400310000080a13, 0, 0},
    {MMRIG_MCE_SRAO_CACHE, "srao-cache", 2, 0x940018000000017a, 0, 0},
    {MMRIG_MCE_UCNA, "ucna", 4, 0x9400300000080a13, 0, 0},
    {MMRIG_MCE_CE, "ce", 4, 0x9400400000080a13, 0, 0},
    {MMRIG_MCE_FATAL, "fatal", 4, 0xb600200000080a13, 0, 4},
};
G_STATIC_ASSERT(G_N_ELEMENTS(intel) == MMRIG_MCE_KINDS);
G_STATIC_ASSERT(G_N_ELEMENTS(amd) == MMRIG_MCE_KINDS);

static void check_codes(MmrigMceVendor vendor, const Code *rows)
{
    /* Intel's have a bit that says that no other processor was told. */
    guint64 alone = vendor == MMRIG_MCE_INTEL ? 8 : 0;

    for (gsize i = 0; i < MMRIG_MCE_KINDS; i++) {
        MmrigMce mce = mmrig_mce_make(vendor, rows[i].kind, 0x1234567, FALSE, 1);
        MmrigMce local = mmrig_mce_make(vendor, rows[i].kind, 0x1234567, TRUE, 1);

        g_assert_cmpstr(mmrig_mce_kind_name(rows[i].kind), ==, rows[i].name);
        g_assert_cmpint(mmrig_mce_kind_find(rows[i].name), ==, rows[i].kind);
        g_assert_cmpuint(strlen(mmrig_mce_kind_text(rows[i].kind)), >, 20);
        g_assert_cmpuint(mce.bank, ==, rows[i].bank);
        g_assert_cmpuint(mce.bank, <, MCE_BANKS);
        g_assert_cmphex(mce.status, ==, rows[i].status);
        g_assert_cmphex(mce.misc, ==, rows[i].misc);
        g_assert_cmpint(mce.misc != 0, ==, (mce.status & MCI_STATUS_MISCV) != 0);
        g_assert_cmphex(mce.addr, ==, 0x1234567);
        g_assert_cmphex(mce.mcg_status, ==, rows[i].mcg_status);
        g_assert_cmpint(mce.exception, ==, rows[i].mcg_status != 0);
        g_assert_cmphex(local.mcg_status, ==,
                        rows[i].mcg_status ? rows[i].mcg_status | alone : 0);
        g_assert_cmphex(local.status, ==, rows[i].status);
    }
}

static void test_codes(void)
{
    check_codes(MMRIG_MCE_INTEL, intel);
    check_codes(MMRIG_MCE_AMD, amd);
    g_assert_cmpint(mmrig_mce_kind_find("sraO"), ==, MMRIG_MCE_KINDS);
    g_assert_cmpint(mmrig_mce_vendor_find("GenuineIntel"), ==, MMRIG_MCE_INTEL);
    g_assert_cmpint(mmrig_mce_vendor_find("AuthenticAMD"), ==, MMRIG_MCE_AMD);
    g_assert_cmpint(mmrig_mce_vendor_find("CentaurHauls"), ==, MMRIG_MCE_VENDORS);
}

static guint64 corrected(MmrigMceVendor vendor, unsigned count)
{
    return mmrig_mce_make(vendor, MMRIG_MCE_CE, 0, FALSE, count).status;
}

static void test_counts(void)
{
    g_assert_cmphex(corrected(MMRIG_MCE_INTEL, 5), ==, 0x9c00014000000090);
    g_assert_cmphex(corrected(MMRIG_MCE_INTEL, 100000), ==, 0x9c1fffc000000090);
    g_assert_cmphex(corrected(MMRIG_MCE_AMD, 1), ==, 0x9400400000080a13);
    g_assert_cmphex(corrected(MMRIG_MCE_AMD, 5), ==, 0xd400400000080a13);
}

/* ---- Two errors in one bank ------------------------------------------------------------- */

typedef struct {
    MmrigMceVendor vendor;
    MmrigMceKind first, second;
    gboolean off; /* the first is of a kind that software has turned off */
    guint64 status;
    guint stays; /* whose address is left */
} Pair;

#define I       MMRIG_MCE_INTEL
#define A       MMRIG_MCE_AMD
#define K(kind) MMRIG_MCE_##kind

/* Table "Overwrite Rules for UC, CE, and UCR Errors" of the SDM's section 16.3.2.2.1. */
static const Pair pairs[] = {
    {I, K(CE), K(CE), FALSE, 0xdc00008000000090, 2},
    {I, K(CE), K(UCNA), FALSE, 0xfc00004000000090, 2},
    {I, K(CE), K(SRAR), FALSE, 0xfd80004000000134, 2},
    {I, K(UCNA), K(CE), FALSE, 0xfc00004000000090, 1},
    {I, K(UCNA), K(UCNA), FALSE, 0xfc00000000000090, 1},
    {I, K(UCNA), K(SRAO), FALSE, 0xfd00000000000090, 1},
    {I, K(UCNA), K(SRAR), FALSE, 0xfd80000000000090, 1},
    {I, K(SRAO), K(UCNA), FALSE, 0xfd000000000000c0, 1},
    {I, K(SRAO), K(SRAR), FALSE, 0xfd800000000000c0, 1},
    {I, K(SRAR), K(SRAR), FALSE, 0xfd80000000000134, 1},
    {I, K(SRAR), K(SRAO), FALSE, 0xfd80000000000134, 1},
    {I, K(SRAR), K(FATAL), FALSE, 0xfe00000000000090, 2},
    {I, K(FATAL), K(SRAR), FALSE, 0xff80000000000090, 1},
    /* What was turned on goes before what was not. */
    {I, K(SRAR), K(CE), TRUE, 0xdc00004000000090, 2},
    {I, K(SRAR), K(SRAR), TRUE, 0xfd80000000000134, 2},
    /* AMD's have no count, and a kind in between. */
    {A, K(CE), K(CE), FALSE, 0xd400400000080a13, 2},
    {A, K(CE), K(SRAO), FALSE, 0xd400310000080a13, 2},
    {A, K(SRAO), K(CE), FALSE, 0xd400310000080a13, 1},
    {A, K(UCNA), K(SRAO), FALSE, 0xd400300000080a13, 1},
    {A, K(SRAO), K(SRAR), FALSE, 0xf400080000000135, 2},
    {A, K(SRAR), K(SRAR), FALSE, 0xf400080000000135, 1},
    {A, K(SRAR), K(FATAL), FALSE, 0xf400080000000135, 1},
};

static void test_pairs(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const Pair *pair = &pairs[i];
        guint64 bank[MCE_BANK_REGISTERS] = {G_MAXUINT64, 0, 77, 88};
        MmrigMce first = mmrig_mce_make(pair->vendor, pair->first, 1, FALSE, 1);
        MmrigMce second = mmrig_mce_make(pair->vendor, pair->second, 2, FALSE, 1);

        if (pair->off)
            mmrig_mce_disable(&first);
        mmrig_mce_log(bank, &first);
        g_assert_cmphex(bank[MCE_BANK_STATUS], ==, first.status);
        g_assert_cmphex(bank[MCE_BANK_ADDR], ==, 1);
        /* AMD's register of thresholds is not touched. */
        g_assert_cmphex(bank[MCE_BANK_MISC], ==, first.misc ? first.misc : 88);
        mmrig_mce_log(bank, &second);
        g_test_message("pair %" G_GSIZE_FORMAT, i);
        g_assert_cmphex(bank[MCE_BANK_STATUS], ==, pair->status);
        g_assert_cmphex(bank[MCE_BANK_ADDR], ==, pair->stays);
        if (first.misc)
            g_assert_cmphex(bank[MCE_BANK_MISC], ==,
                            pair->stays == 1 ? first.misc : second.misc);
        g_assert_cmphex(bank[MCE_BANK_CTL], ==, G_MAXUINT64);
    }
}

/* Three of them, and the counter's end: it stays there. */
static void test_accumulation(void)
{
    guint64 bank[MCE_BANK_REGISTERS] = {G_MAXUINT64, 0, 0, 0};
    MmrigMce one = mmrig_mce_make(MMRIG_MCE_INTEL, MMRIG_MCE_CE, 1, FALSE, 1);
    MmrigMce many = mmrig_mce_make(MMRIG_MCE_INTEL, MMRIG_MCE_CE, 1, FALSE, 0x7ffd);

    for (int i = 0; i < 3; i++)
        mmrig_mce_log(bank, &one);
    g_assert_cmphex(MCI_STATUS_COUNT_OF(bank[MCE_BANK_STATUS]), ==, 3);
    mmrig_mce_log(bank, &many);
    g_assert_cmphex(MCI_STATUS_COUNT_OF(bank[MCE_BANK_STATUS]), ==, 0x7fff);
    g_assert_cmphex(bank[MCE_BANK_STATUS], ==, 0xdc1fffc000000090);
}

static void test_disabled(void)
{
    MmrigMce mce = mmrig_mce_make(MMRIG_MCE_INTEL, MMRIG_MCE_SRAR, 1, FALSE, 1);

    mmrig_mce_disable(&mce);
    g_assert_cmphex(mce.status, ==, 0xac00000000000134);
    g_assert_false(mce.exception);
    mce = mmrig_mce_make(MMRIG_MCE_AMD, MMRIG_MCE_SRAR, 1, FALSE, 1);
    mmrig_mce_disable(&mce);
    g_assert_cmphex(mce.status, ==, 0xa400080000000135);
}

/* Of two corrected errors that software had turned off the second stays, as of others. */
static void test_disabled_pair(void)
{
    guint64 bank[MCE_BANK_REGISTERS] = {G_MAXUINT64, 0, 0, 0};

    for (guint64 address = 1; address <= 2; address++) {
        MmrigMce mce = mmrig_mce_make(MMRIG_MCE_INTEL, MMRIG_MCE_CE, address, FALSE, 1);

        mmrig_mce_disable(&mce);
        mmrig_mce_log(bank, &mce);
        g_assert_cmphex(bank[MCE_BANK_ADDR], ==, address);
    }
}

/* As Linux has it: struct kvm_x86_mce is 64 bytes, the bank behind four 64-bit words. */
static void test_kvm(void)
{
    MmrigMce mce = mmrig_mce_make(MMRIG_MCE_INTEL, MMRIG_MCE_SRAR, 0x5000, TRUE, 0);
    MmrigKvmMce kvm = mmrig_mce_for_kvm(&mce);
    guint64 words[8];

    g_assert_cmpuint(sizeof(kvm), ==, 64);
    g_assert_cmphex(MMRIG_KVM_SET_MCE, ==, 0x4040ae9e);
    memcpy(words, &kvm, sizeof(words));
    g_assert_cmphex(words[0], ==, 0xbd80000000000134);
    g_assert_cmphex(words[1], ==, 0x5000);
    g_assert_cmphex(words[2], ==, 0x86);
    g_assert_cmphex(words[3], ==, 0xf);
    g_assert_cmphex(words[4], ==, 1);
    for (gsize i = 5; i < 8; i++)
        g_assert_cmphex(words[i], ==, 0);
}

static void test_bystander(void)
{
    MmrigMce mce = mmrig_mce_make_bystander();

    g_assert_true(mce.exception);
    g_assert_cmphex(mce.mcg_status, ==, 5);
    g_assert_cmphex(mce.status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mce/codes", test_codes);
    g_test_add_func("/mce/counts", test_counts);
    g_test_add_func("/mce/pairs", test_pairs);
    g_test_add_func("/mce/accumulation", test_accumulation);
    g_test_add_func("/mce/disabled", test_disabled);
    g_test_add_func("/mce/disabled-pair", test_disabled_pair);
    g_test_add_func("/mce/kvm", test_kvm);
    g_test_add_func("/mce/bystander", test_bystander);
    return g_test_run();
}
