/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-ras on a bare machine, against docs/devices/ras.md. Its processors do not run: what
 * reads memory here is a device, and what a processor is told is seen in its registers only by
 * guests (scenarios/poison-*.ini).
 */
#include <string.h>

#include "mmrig-ras-regs.h"
#include "ras-check.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define PAGE  0x1234000ull

static QTest *start(const char *properties, const char *more)
{
    g_autofree char *device = g_strconcat("mmrig-ras,id=ras0", properties, NULL);

    return qtest_start("-cpu", INTEL, "-m", "256M", "-smp", "2", "-device", device,
                       more ? "-incoming" : NULL, more, NULL);
}

/* NULL if the property took the value, else why it did not. */
static char *try_set(QTest *q, const char *property, const char *value)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
    g_autofree char *quoted = NULL;

    json_node_set_string(node, value);
    quoted = json_to_string(node, FALSE);
    return qtest_qmp_error(q,
                           "{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"ras0\", "
                           "\"property\": \"%s\", \"value\": %s}}",
                           property, quoted);
}

static void set(QTest *q, const char *property, const char *value)
{
    g_autofree char *why = try_set(q, property, value);

    g_assert_cmpstr(why, ==, NULL);
}

static void G_GNUC_PRINTF(2, 3) inject(QTest *q, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    set(q, "inject", text);
}

static JsonNode *get_node(QTest *q, const char *property)
{
    return qtest_qmp(q,
                     "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"ras0\", "
                     "\"property\": \"%s\"}}",
                     property);
}

static uint64_t get(QTest *q, const char *property)
{
    g_autoptr(JsonNode) node = get_node(q, property);

    return (uint64_t)json_node_get_int(node);
}

static void assert_text(QTest *q, const char *property, const char *text)
{
    g_autoptr(JsonNode) node = get_node(q, property);

    g_assert_cmpstr(json_node_get_string(node), ==, text);
}

/* A device's read of poison ends in an error; what is around it is as it was. */
static void test_lay(void)
{
    QTest *q = start("", NULL);

    fill(q, PAGE - 4096, 3 * 4096);
    inject(q, "kind=poison,gpa=0x1234040,len=64");
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    g_assert_cmpuint(get(q, "pages"), ==, 1);
    assert_text(q, "last", "");
    assert_filled(q, PAGE - 4096, 3 * 4096, PAGE + 0x40, 0x40);
    g_assert_cmpuint(get(q, "consumed-dma"), ==, 0);
    g_assert_cmphex(qtest_readq(q, PAGE + 0x48), !=, word(PAGE + 0x48));
    g_assert_cmpuint(get(q, "consumed-dma"), ==, 1);
    assert_text(q, "last", "access=dma,gpa=0x1234048,size=8,cpu=-1");
    qtest_readb(q, PAGE + 0x7f);
    assert_text(q, "last", "access=dma,gpa=0x123407f,size=1,cpu=-1");
    g_assert_cmpuint(get(q, "consumed-loads"), ==, 0);

    set(q, "clear", "gpa=0x1234040");
    g_assert_cmpuint(get(q, "poisoned"), ==, 0);
    g_assert_cmpuint(get(q, "pages"), ==, 0);
    assert_filled(q, PAGE - 4096, 3 * 4096, 0, 0);
    g_assert_cmpuint(get(q, "consumed-dma"), ==, 2);
    qtest_stop(q);
}

/* Ranges are widened to whole lines, joined, and cut. */
static void test_ranges(void)
{
    QTest *q = start("", NULL);

    fill(q, PAGE, 3 * 4096);
    assert_list(q, "");
    inject(q, "kind=poison,gpa=0x1234fff,len=2");
    assert_list(q, "1234fc0+80 ras");
    g_assert_cmpuint(get(q, "pages"), ==, 2);
    inject(q, "kind=poison,gpa=0x1235001,len=1");
    assert_list(q, "1234fc0+80 ras");
    inject(q, "kind=poison,gpa=19083392"); /* 0x1233080: len=64 */
    assert_list(q, "1233080+40 ras;1234fc0+80 ras");
    inject(q, "kind=poison,gpa=0x1234000,len=8192");
    assert_list(q, "1233080+40 ras;1234000+2000 ras");
    set(q, "clear", "gpa=0x1234040,len=0x1000");
    assert_list(q, "1233080+40 ras;1234000+40 ras;1235040+fc0 ras");
    assert_filled(q, PAGE + 0x40, 0x1000, 0, 0);
    /* Of nobody else's. */
    set(q, "clear", "gpa=0,len=0xffffffffffffffff,source=ras");
    assert_list(q, "");
    set(q, "clear", "all");
    assert_filled(q, PAGE, 3 * 4096, 0, 0);
    qtest_stop(q);
}

static void test_store_full_line(void)
{
    QTest *q = start("", NULL);

    fill(q, PAGE, 4096);
    inject(q, "kind=poison,gpa=0x1234040");
    for (unsigned i = 0; i < 56; i += 8)
        qtest_writeq(q, PAGE + 0x40 + i, 1);
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    qtest_writel(q, PAGE + 0x78, 1);
    qtest_writew(q, PAGE + 0x7c, 1);
    qtest_writeb(q, PAGE + 0x7e, 1);
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    qtest_writeb(q, PAGE + 0x7f, 1);
    g_assert_cmpuint(get(q, "poisoned"), ==, 0);
    g_assert_cmpuint(get(q, "cleared"), ==, 1);
    g_assert_cmpuint(get(q, "stores"), ==, 11);
    g_assert_cmphex(qtest_readq(q, PAGE + 0x40), ==, 1);
    assert_filled(q, PAGE, 4096, PAGE + 0x40, 0x40);

    /* A load in between begins it anew: the line was merged with what was bad. */
    inject(q, "kind=poison,gpa=0x1234040");
    for (unsigned i = 0; i < 56; i += 8)
        qtest_writeq(q, PAGE + 0x40 + i, 2);
    qtest_readb(q, PAGE + 0x40);
    qtest_writeq(q, PAGE + 0x78, 2);
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    /* Across two lines. */
    inject(q, "kind=poison,gpa=0x1234080");
    for (unsigned i = 0; i < 112; i += 8)
        qtest_writeq(q, PAGE + 0x44 + i, 3);
    g_assert_cmpuint(get(q, "poisoned"), ==, 2);
    qtest_writel(q, PAGE + 0x40, 3);
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    qtest_writeq(q, PAGE + 0xb4, 3);
    qtest_writel(q, PAGE + 0xbc, 3);
    g_assert_cmpuint(get(q, "poisoned"), ==, 0);
    /* The region is gone, too: what is there is memory again. */
    fill(q, PAGE, 4096);
    assert_filled(q, PAGE, 4096, 0, 0);
    g_assert_cmpuint(get(q, "stores"), >=, 11 + 8 + 15);

    /* A line that is bad once more takes all of its bytes once more. */
    set(q, "clear", "all");
    inject(q, "kind=poison,gpa=0x1234000,len=64");
    for (int round = 0; round < 2; round++) {
        inject(q, "kind=poison,gpa=0x1234040,len=64");
        for (unsigned i = 0; i < 64; i += 8) {
            g_assert_cmpuint(get(q, "poisoned"), ==, 2);
            qtest_writeq(q, PAGE + 0x40 + i, 0);
        }
        g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    }
    qtest_stop(q);
}

static void test_store_any(void)
{
    QTest *q = start(",store-clears=any", NULL);

    inject(q, "kind=poison,gpa=0x1234000,len=4096");
    qtest_writeb(q, PAGE + 0x100, 7);
    assert_list(q, "1234000+100 ras;1234140+ec0 ras");
    g_assert_cmphex(qtest_readb(q, PAGE + 0x100), ==, 7);
    qtest_fill(q, PAGE, 4096, 0);
    assert_list(q, "");
    qtest_stop(q);
}

static void test_store_never(void)
{
    QTest *q = start(",store-clears=never", NULL);

    inject(q, "kind=poison,gpa=0x1234000");
    qtest_fill(q, PAGE, 4096, 0x5a);
    assert_list(q, "1234000+40 ras");
    g_assert_cmpuint(get(q, "cleared"), ==, 0);
    /* It was written nonetheless. */
    set(q, "clear", "all");
    g_assert_cmphex(qtest_readl(q, PAGE), ==, 0x5a5a5a5a);
    qtest_stop(q);
}

static const struct {
    const char *property, *value, *why;
} refused[] = {
    {"inject", "", "kind= is missing"},
    {"inject", "kind=poison", "gpa= is missing"},
    {"inject", "gpa=0", "kind= is missing"},
    {"inject", "kind=bad,gpa=0", "there is no kind=bad"},
    {"inject", "kind=poison,gpa=0x", "is not a number"},
    {"inject", "kind=poison,gpa=-1", "is not a number"},
    {"inject", "kind=poison,gpa=0,len=0", "len=0 is not a number"},
    {"inject", "kind=poison,gpa=0,len=6291457", "is not a number"},
    {"inject", "kind=poison,gpa=0xffffffffffffffff,len=2", "beyond the end"},
    {"inject", "kind=poison,gpa=0,gpa=0", "gpa is given twice"},
    {"inject", "kind=poison,gpa=0,who=me", "there is no key 'who'"},
    {"inject", "kind=poison,gpa=0 ", "without blanks"},
    {"inject", "kind=poison,gpa=0\n", "without blanks"},
    {"inject", "kind=poison,gpa=0,cpu=0", "not told to a processor"},
    {"inject", "kind=poison,gpa=0,poison=off", "poison= says nothing"},
    {"inject", "kind=srao,gpa=0x1000000,cpu=2", "cpu=2 is not a number"},
    {"inject", "kind=srao,gpa=0x1000000,count=2", "count= is for kind=ce"},
    {"inject", "kind=ce,gpa=0,count=0", "count=0 is not"},
    {"inject", "kind=ce,gpa=0,count=32768", "count=32768 is not"},
    {"inject", "kind=ce,gpa=0,broadcast=on", "no exception"},
    {"inject", "kind=ucna,gpa=0x1000000,broadcast=yes", "neither on nor off"},
    /* Not RAM: beyond it, a hole, and the firmware. */
    {"inject", "kind=poison,gpa=0x10000000", "no RAM at 0x10000000"},
    {"inject", "kind=poison,gpa=0xffffffffffffffc0", "no RAM"},
    {"inject", "kind=poison,gpa=0xfee00000", "no RAM"},
    {"inject", "kind=poison,gpa=0xffffff00", "no RAM"},
    {"inject", "kind=srao,gpa=0x10000000", "no RAM"},
    {"inject", "kind=poison,gpa=0x0ffff000,len=8192", "no RAM at 0x10000000"},
    {"clear", "", "gpa= is missing"},
    {"clear", "gpa", "is not KEY=VALUE"},
    {"clear", "gpa=0,source=me", "neither ras nor all"},
    {"clear", "len=64", "gpa= is missing"},
};

static void test_refused(void)
{
    g_autofree char *blob = g_strnfill(MMRIG_RAS_REQUEST_MAX, 'x');
    QTest *q = start("", NULL);
    char *why;

    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        why = try_set(q, refused[i].property, refused[i].value);
        g_assert_nonnull(why);
        if (!strstr(why, refused[i].why))
            g_error("%s '%s': '%s', not '%s'", refused[i].property, refused[i].value, why,
                    refused[i].why);
        g_free(why);
    }
    why = try_set(q, "inject", blob);
    g_assert_nonnull(strstr(why, "less than 512 bytes"));
    g_free(why);
    assert_list(q, "");
    g_assert_cmpuint(get(q, "injected"), ==, 0);
    qtest_stop(q);
}

/* As many pages as there may be, and one more. */
static void test_full(void)
{
    QTest *q = start("", NULL);
    char *why;

    /* Every other page, which splits RAM as often as can be. */
    for (unsigned i = 0; i < MMRIG_RAS_PAGES_MAX; i++)
        inject(q, "kind=poison,gpa=0x%x", 0x1000000 + i * 8192);
    g_assert_cmpuint(get(q, "pages"), ==, MMRIG_RAS_PAGES_MAX);
    why = try_set(q, "inject", "kind=poison,gpa=0x8000000");
    g_assert_nonnull(strstr(why, "in 1536 pages at a time"));
    g_free(why);
    /* Nothing of a range that does not fit as a whole is left. */
    set(q, "clear", "gpa=0x1000000,len=4096");
    why = try_set(q, "inject", "kind=poison,gpa=0x8000000,len=8192");
    g_assert_nonnull(why);
    g_free(why);
    g_assert_cmpuint(get(q, "pages"), ==, MMRIG_RAS_PAGES_MAX - 1);
    g_assert_cmpuint(get(q, "poisoned"), ==, MMRIG_RAS_PAGES_MAX - 1);
    set(q, "clear", "all");
    inject(q, "kind=poison,gpa=0x1000000,len=%u", MMRIG_RAS_PAGES_MAX * 4096);
    g_assert_cmpuint(get(q, "poisoned"), ==, MMRIG_RAS_PAGES_MAX * 64);
    set(q, "clear", "all");
    qtest_stop(q);
}

static uint64_t kib_of(const char *status, const char *field)
{
    const char *found = strstr(status, field);

    g_assert_nonnull(found);
    return g_ascii_strtoull(found + strlen(field), NULL, 10);
}

static uint64_t resident(QTest *q)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)qtest_pid(q));
    g_autofree char *status = NULL;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    return kib_of(status, "VmRSS:");
}

/* Pages laid and cleared 100,000 times, ten at once: no region and no memory is lost. */
static void test_churn(void)
{
    enum { ROUNDS = 10000, PAGES = 10, WARM = 500 };
    QTest *q = start("", NULL);
    uint64_t before = 0;

    fill(q, PAGE, 4096);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t page = 0x2000000 + (uint64_t)(i % 1000) * 4096;

        if (i == WARM)
            before = resident(q);
        inject(q, "kind=poison,gpa=0x%" G_GINT64_MODIFIER "x,len=%u", page + i % 64 * 64,
               (PAGES - 1) * 4096 + 1);
        if (i % 1000 == 0) {
            g_assert_cmpuint(get(q, "pages"), ==, PAGES);
            assert_filled(q, PAGE, 4096, 0, 0);
        }
        set(q, "clear", "all");
    }
    g_assert_cmpuint(get(q, "pages"), ==, 0);
    g_test_message("resident memory: %" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT,
                   before, resident(q));
    /* A region with its page's state is a KiB and more: a leak of each would be 100 MiB. */
    if (!*MMRIG_TEST_PRELOAD)
        g_assert_cmpuint(resident(q), <, before + 4096);
    qtest_stop(q);
}

/* The main loop resets the machine some time after it was asked to; that clears this counter.
 */
static void reset(QTest *q)
{
    inject(q, "kind=ce,gpa=0x1234040");
    g_assert_cmpuint(get(q, "injected"), >, 0);
    json_node_unref(qtest_qmp(q, "{\"execute\": \"system_reset\"}"));
    for (unsigned i = 0; i < 1000 && get(q, "injected") > 0; i++)
        g_usleep(5000);
    g_assert_cmpuint(get(q, "injected"), ==, 0);
}

static void test_reset(void)
{
    QTest *q = start("", NULL);

    inject(q, "kind=poison,gpa=0x1234040");
    reset(q);
    assert_list(q, "1234040+40 ras");
    qtest_stop(q);

    q = start(",reset=clear", NULL);
    inject(q, "kind=poison,gpa=0x1234040");
    reset(q);
    assert_list(q, "");
    qtest_stop(q);
}

/* Machines and properties that make no sense. */
static void test_start(void)
{
    static const struct {
        const char *cpu, *device, *why;
    } rows[] = {
        {"qemu64,vendor=AuthenticAMD", "mmrig-ras", "(AMD's SUCCOR)"},
        {"qemu64,vendor=CentaurHauls", "mmrig-ras", "neither Intel's nor AMD's"},
        {"486,vendor=GenuineIntel", "mmrig-ras", "has no machine checks"},
        {INTEL, "mmrig-ras,store-clears=maybe", "none of full-line, any, never"},
        {INTEL, "mmrig-ras,reset=maybe", "neither keep nor clear"},
        {INTEL, "mmrig-ras,kvm-poison=hwpoison", "under KVM only"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) argv = qtest_argv(NULL);
        g_autofree char *errors = NULL;

        g_ptr_array_add(argv, g_strdup("-cpu"));
        g_ptr_array_add(argv, g_strdup(rows[i].cpu));
        g_ptr_array_add(argv, g_strdup("-device"));
        g_ptr_array_add(argv, g_strdup(rows[i].device));
        g_ptr_array_add(argv, NULL);
        g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
        if (!strstr(errors, rows[i].why))
            g_error("'%s' does not say '%s'", errors, rows[i].why);
    }
}

/* Whatever the text, there is an answer, and the machine lives. */
static void test_fuzz(void)
{
    static const char *const pieces[] = {
        "kind=",      "poison", "srao",    "ce",        "ucna",       "srar",
        "gpa=",       "len=",   "cpu=",    "count=",    ",",          "=",
        "0x",         "0",      "64",      "1",         "poison=",    "on",
        "off",        "\xff",   " ",       "-",         "0xffffffff", "99999999999999999999",
        "broadcast=", "all",    "source=", "0x1234040", "4096",       "fatal",
        "srar-fetch",
    };
    QTest *q = start("", NULL);
    g_autoptr(GRand) random = g_rand_new_with_seed(20261121);
    unsigned taken = 0;

    for (unsigned i = 0; i < 20000; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        unsigned count = (unsigned)g_rand_int_range(random, 0, 12);

        if (i % 2)
            g_string_append(text, "kind=poison,gpa=0x1230000,");
        for (unsigned j = 0; j < count; j++)
            g_string_append(text,
                            pieces[g_rand_int_range(random, 0, (gint32)G_N_ELEMENTS(pieces))]);
        if (i % 4 == 1 && text->str[text->len - 1] == ',')
            g_string_truncate(text, text->len - 1);
        if (!g_utf8_validate(text->str, -1, NULL))
            continue;
        g_autofree char *why = try_set(q, i % 3 ? "inject" : "clear", text->str);
        taken += !why;
    }
    g_assert_cmpuint(taken, >, 20);
    set(q, "clear", "all");
    assert_list(q, "");
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/ras/lay", test_lay);
    g_test_add_func("/ras/ranges", test_ranges);
    g_test_add_func("/ras/store/full-line", test_store_full_line);
    g_test_add_func("/ras/store/any", test_store_any);
    g_test_add_func("/ras/store/never", test_store_never);
    g_test_add_func("/ras/refused", test_refused);
    g_test_add_func("/ras/full", test_full);
    g_test_add_func("/ras/reset", test_reset);
    g_test_add_func("/ras/start", test_start);
    g_test_add_func("/ras/fuzz", test_fuzz);
    g_test_add_func("/ras/churn", test_churn);
    return g_test_run();
}
