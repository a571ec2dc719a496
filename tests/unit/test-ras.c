/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How mmrig-ras is asked for errors: its parts without QEMU. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "mce/mce-codes.h"
#include "mmrig-ras-regs.h"
#include "poison/poison-backing.h"
#include "ras/ras-request.h"

static void test_requests(void)
{
    static const struct {
        const char *text;
        RasRequest request;
    } rows[] = {
        {"kind=poison,gpa=0x1000", {TRUE, FALSE, 0, 0x1000, 64, 0, FALSE, 1}},
        {"gpa=4096,len=8192,kind=poison", {TRUE, FALSE, 0, 0x1000, 8192, 0, FALSE, 1}},
        {"kind=srar,gpa=1", {FALSE, TRUE, MMRIG_MCE_SRAR, 1, 64, 0, FALSE, 1}},
        {"kind=srar,gpa=1,poison=on", {TRUE, TRUE, MMRIG_MCE_SRAR, 1, 64, 0, FALSE, 1}},
        {"kind=srao,gpa=1,cpu=3", {TRUE, TRUE, MMRIG_MCE_SRAO, 1, 64, 3, FALSE, 1}},
        {"kind=srao,gpa=1,poison=off,broadcast=on",
         {FALSE, TRUE, MMRIG_MCE_SRAO, 1, 64, 0, TRUE, 1}},
        {"kind=ucna,gpa=1", {TRUE, TRUE, MMRIG_MCE_UCNA, 1, 64, 0, FALSE, 1}},
        {"kind=ce,gpa=1,count=1", {FALSE, TRUE, MMRIG_MCE_CE, 1, 64, 0, FALSE, 1}},
        {"kind=ce,gpa=1,count=32767", {FALSE, TRUE, MMRIG_MCE_CE, 1, 64, 0, FALSE, 32767}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const RasRequest *wanted = &rows[i].request;
        RasRequest request;

        g_assert_cmpstr(mmrig_ras_request_parse(rows[i].text, 4, &request), ==, NULL);
        g_assert_cmpint(request.poison, ==, wanted->poison);
        g_assert_cmpint(request.event, ==, wanted->event);
        g_assert_cmpint(request.kind, ==, wanted->kind);
        g_assert_cmphex(request.gpa, ==, wanted->gpa);
        g_assert_cmphex(request.length, ==, wanted->length);
        g_assert_cmpuint(request.cpu, ==, wanted->cpu);
        g_assert_cmpint(request.broadcast, ==, wanted->broadcast);
        g_assert_cmpuint(request.count, ==, wanted->count);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "kind= is missing"},
        {"kind=poison", "gpa= is missing"},
        {"kind=poison,,gpa=1", "'' is not KEY=VALUE"},
        {"kind=poison,gpa=1,=", "there is no key ''"},
        {"kind=nmi,gpa=1", "there are poison, srar, srar-fetch, srao"},
        {"kind=srao,gpa=1,cpu=4", "cpu=4 is not a number from 0 to 3"},
        {"kind=poison,gpa=18446744073709551616", "is not a number"},
        {"kind=poison,gpa=0xffffffffffffffff,len=2", "beyond"},
        {"kind=poison,gpa=1,gp=1", "there is no key 'gp'"},
        {"kind=poison,gpa=1,gpaa=1", "there is no key 'gpaa'"},
        {"kind=poison,gpa=1,gpa=1", "gpa is given twice"},
        {"kind=ucna,gpa=1,broadcast=on", "no exception"},
        {"kind=srao,gpa=1,broadcast=yes", "broadcast=yes is neither on nor off"},
        {"kind=srao,gpa=1,poison=", "poison= is neither on nor off"},
        {"kind=poison, gpa=1", "plain ASCII without blanks"},
        {"kind=poison,gpa=1,cpu=0", "not told to a processor"},
        {"kind=poison,gpa=1,broadcast=off", "not told to a processor"},
        {"kind=poison,gpa=1,count=1", "not told to a processor"},
        {"kind=poison,gpa=1,poison=on", "says nothing"},
        {"kind=ce,gpa=1,count=0", "count=0 is not a number from 1 to"},
    };
    RasRequest request;

    /* The longest, with zeroes before its address, and one byte more. */
    for (gsize more = 0; more < 2; more++) {
        g_autofree char *zeroes = g_strnfill(MMRIG_RAS_REQUEST_MAX - 18 + more, '0');
        g_autofree char *longest = g_strdup_printf("kind=poison,gpa=%s1", zeroes);
        g_autofree char *why = mmrig_ras_request_parse(longest, 4, &request);

        g_assert_cmpuint(strlen(longest), ==, MMRIG_RAS_REQUEST_MAX - 1 + more);
        g_assert_cmpint(why != NULL && strstr(why, "less than") != NULL, ==, more == 1);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *why = mmrig_ras_request_parse(rows[i].text, 4, &request);

        g_assert_nonnull(why);
        if (!strstr(why, rows[i].why))
            g_error("'%s': '%s', not '%s'", rows[i].text, why, rows[i].why);
    }
}

static void test_clear(void)
{
    RasClear clear;

    g_assert_cmpstr(mmrig_ras_clear_parse("all", &clear), ==, NULL);
    g_assert_true(clear.all);
    g_assert_cmphex(clear.gpa, ==, 0);
    g_assert_cmphex(clear.length, ==, G_MAXUINT64);
    g_assert_cmpstr(mmrig_ras_clear_parse("gpa=0x40", &clear), ==, NULL);
    g_assert_false(clear.all);
    g_assert_cmphex(clear.length, ==, MMRIG_RAS_GRANULE);
    g_assert_cmpstr(mmrig_ras_clear_parse("gpa=0,len=0x100000000,source=all", &clear), ==,
                    NULL);
    g_assert_true(clear.all);
    for (const char *const *bad =
             (const char *const[]){"", "al", "gpa=0,len=0", "gpa=1,len=0xffffffffffffffff,x=",
                                   "gpa=2,len=0xffffffffffffffff", "source=ras", NULL};
         *bad; bad++) {
        g_autofree char *why = mmrig_ras_clear_parse(*bad, &clear);

        g_assert_nonnull(why);
    }
}

/* ---- The host's page -------------------------------------------------------------------- */

static int advise_errno, advised;
static void *advised_page;

/* Stands for madvise(), which would really do it. */
static int fake_advise(void *address, size_t length, int advice)
{
    advised++;
    advised_page = address;
    g_assert_cmpuint(length, ==, 4096);
    g_assert_cmpint(advice, ==, MADV_HWPOISON);
    errno = advise_errno;
    return advise_errno ? -1 : 0;
}

static void test_backing(void)
{
    static const struct {
        int error;
        const char *why;
    } rows[] = {
        {EPERM, "CAP_SYS_ADMIN"},
        {EINVAL, "CONFIG_MEMORY_FAILURE"},
        {EBUSY, "try another one"},
        {ENOMEM, "Cannot allocate memory"},
    };
    g_autofree char *memory = g_malloc(2 * 4096);
    char *page = memory + (-(guintptr)memory & 4095);
    void *kept = NULL;

    memset(page, 0x5a, 4096);
    advise_errno = 0;
    g_assert_cmpstr(mmrig_poison_backing_spoil(page, 4096, fake_advise, &kept), ==, NULL);
    g_assert_true(advised_page == page);
    /* What was in it is what a new page gets. */
    g_assert_cmpmem(kept, 4096, page, 4096);
    g_free(kept);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        advise_errno = rows[i].error;
        g_autofree char *why = mmrig_poison_backing_spoil(page, 4096, fake_advise, &kept);

        g_assert_nonnull(strstr(why, rows[i].why));
        g_assert_null(kept);
    }
    g_assert_cmpint(advised, ==, 1 + (int)G_N_ELEMENTS(rows));
    g_autofree char *why = mmrig_poison_backing_spoil(page + 64, 4096, fake_advise, &kept);
    g_assert_nonnull(strstr(why, "not the start of a page"));
    g_assert_cmpint(advised, ==, 1 + (int)G_N_ELEMENTS(rows));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ras/requests", test_requests);
    g_test_add_func("/ras/refused", test_refused);
    g_test_add_func("/ras/clear", test_clear);
    g_test_add_func("/ras/backing", test_backing);
    return g_test_run();
}
