/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <float.h>
#include <math.h>
#include <string.h>

#include "report/report.h"

static void add_boot(MmrigResult *result, const char *machine, guint boot, const char *text)
{
    MmrigKtap *ktap = mmrig_ktap_new();
    const char *problem;

    mmrig_ktap_feed(ktap, text, strlen(text));
    mmrig_ktap_end(ktap, &problem);
    mmrig_result_add_ktap(result, machine, boot, ktap);
}

static void add_ktap(MmrigResult *result, const char *text)
{
    add_boot(result, NULL, 0, text);
}

static void add_metric(MmrigResult *result, const char *name, double value, const char *unit)
{
    MmrigMetric *metric = g_new0(MmrigMetric, 1);

    metric->name = g_strdup(name);
    metric->value = value;
    metric->unit = g_strdup(unit);
    g_ptr_array_add(result->metrics, metric);
}

static MmrigResult *new_result(const char *scenario, const char *twin)
{
    MmrigResult *result = mmrig_result_new();

    result->scenario = g_strdup(scenario);
    result->twin = g_strdup(twin);
    result->area = g_strdup("memory");
    result->kernel = g_strdup("tree");
    result->accel = g_strdup("tcg");
    return result;
}

static void free_result(gpointer data)
{
    mmrig_result_free(data);
}

/* One result of each kind, with the worst of texts. */
static GPtrArray *sample(void)
{
    GPtrArray *results = g_ptr_array_new_with_free_func(free_result);
    MmrigResult *result = new_result("passes", NULL);

    add_ktap(result, "KTAP version 1\n1..3\nok 1 a\nok 2 b # SKIP no CONFIG_X\n"
                     "not ok 3 c # XFAIL known\n");
    add_metric(result, "latency", 1.5, "ms");
    add_metric(result, "growth", 1099511627775, "B");
    result->boot_us = 1250000;
    result->total_us = 2500000;
    mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_ptr_array_add(results, result);

    result = new_result("fails", NULL);
    result->repeat = 2;
    add_boot(result, NULL, 1, "KTAP version 1\n1..1\nok 1 first\n");
    add_boot(result, NULL, 2,
             "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n"
             "  # t.c:3: expected 1 == 2 & \"x\" <\033>\n  not ok 1 \\# <\"&'>\n"
             "  not ok 2 slow # TIMEOUT\nnot ok 1 group\n");
    mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_ASSERTION, "2 of %d <failed>", 3);
    mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    result->console_tail = g_strdup("one\033[2J\r\ntwo \377\n");
    result->folder = g_strdup("mmrig-out/1/fails");
    result->total_us = 500000;
    result->forked = TRUE;
    result->boot_us = 250000;
    g_ptr_array_add(results, result);

    result = new_result("fails", "broken");
    add_ktap(result, "KTAP version 1\n1..1\n# t.c:9: wanted\nnot ok 1 x\n");
    mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    g_ptr_array_add(results, result);

    result = new_result("skips", NULL);
    mmrig_result_settle(result, MMRIG_SKIP, MMRIG_CAUSE_UNMET, "the kernel lacks CONFIG_X");
    g_ptr_array_add(results, result);

    result = new_result("breaks", NULL);
    mmrig_result_settle(result, MMRIG_BROKEN, MMRIG_CAUSE_RIG, "no space left\non device");
    g_ptr_array_add(results, result);
    return results;
}

/* Two machines that each were booted twice. */
static void test_machines(void)
{
    g_autoptr(MmrigResult) result = new_result("meets", NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint boot = 1; boot <= 2; boot++) {
        add_boot(result, "left", boot, "KTAP version 1\n1..1\nok 1 hears\n");
        add_boot(result, "right", boot, "KTAP version 1\n1..1\nok 1 says\n");
    }
    mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
    mmrig_report_ktap_add(out, 1, result);
    g_assert_cmpstr(out->str, ==,
                    "  KTAP version 1\n  # Subtest: meets\n  1..4\n"
                    "  ok 1 left/boot1/hears\n  ok 2 right/boot1/says\n"
                    "  ok 3 left/boot2/hears\n  ok 4 right/boot2/says\n"
                    "ok 1 meets\n");
    g_autoptr(JsonNode) json = mmrig_report_json(result);
    g_assert_cmpint(json_object_get_int_member(json_node_get_object(json), "boots"), ==, 2);
}

static void test_ktap(void)
{
    g_autoptr(GPtrArray) results = sample();
    g_autoptr(GString) out = g_string_new(NULL);

    mmrig_report_ktap_begin(out, results->len);
    for (guint i = 0; i < results->len; i++)
        mmrig_report_ktap_add(out, i + 1, g_ptr_array_index(results, i));
    g_assert_cmpstr(out->str, ==,
                    "KTAP version 1\n"
                    "1..5\n"
                    "  KTAP version 1\n"
                    "  # Subtest: passes\n"
                    "  1..3\n"
                    "  ok 1 a\n"
                    "  ok 2 b # SKIP no CONFIG_X\n"
                    "  not ok 3 c # XFAIL known\n"
                    "# metric: latency 1.5 ms\n"
                    "# metric: growth 1099511627775 B\n"
                    "# booted in 1.25 s, 2.50 s in all\n"
                    "ok 1 passes\n"
                    "  KTAP version 1\n"
                    "  # Subtest: fails#2\n"
                    "  1..3\n"
                    "  ok 1 boot1/first\n"
                    "  # t.c:3: expected 1 == 2 & \"x\" <\357\277\275>\n"
                    "  not ok 2 boot2/group/\\\\\\# <\"&'>\n"
                    "  # timed out\n"
                    "  not ok 3 boot2/group/slow\n"
                    "# forked in 0.25 s, 0.50 s in all\n"
                    "# assertion: 2 of 3 <failed>\n"
                    "# console: one\357\277\275[2J\n"
                    "# console: two \357\277\275\n"
                    "# files: mmrig-out/1/fails\n"
                    "not ok 2 fails\\#2\n"
                    "  KTAP version 1\n"
                    "  # Subtest: fails:broken\n"
                    "  1..1\n"
                    "  # t.c:9: wanted\n"
                    "  not ok 1 x # XFAIL what was broken on purpose\n"
                    "ok 3 fails:broken\n"
                    "ok 4 skips # SKIP the kernel lacks CONFIG_X\n"
                    "# rig: no space left\n"
                    "# rig: on device\n"
                    "not ok 5 breaks # ERROR no space left\357\277\275on device\n");
}

/* What we write, our own reader takes. */
static void test_ktap_reads_back(void)
{
    g_autoptr(GPtrArray) results = sample();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(MmrigKtap) ktap = mmrig_ktap_new();
    const char *problem = NULL;

    mmrig_report_ktap_begin(out, results->len);
    for (guint i = 0; i < results->len; i++)
        mmrig_report_ktap_add(out, i + 1, g_ptr_array_index(results, i));
    mmrig_ktap_feed(ktap, out->str, out->len);
    mmrig_ktap_end(ktap, &problem);
    g_assert_cmpstr(problem, ==, NULL);
    /* a; boot1/first; the twin's group is no leaf */
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_OK), ==, 2);
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_NOT_OK), ==, 3);
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_SKIP), ==, 2);
    g_assert_cmpuint(mmrig_ktap_count(ktap, MMRIG_KTAP_XFAIL), ==, 2);
}

#define PROPERTIES                                                                             \
    "      <property name=\"area\" value=\"memory\"/>\n"                                       \
    "      <property name=\"kernel\" value=\"tree\"/>\n"                                       \
    "      <property name=\"accel\" value=\"tcg\"/>\n"

/* Only checks that elements nest: a second opinion on the text compared above. */
/* The names in the report, in order, with a ';' behind each: those of attribute in element. */
static char *names_of(const char *xml, const char *element)
{
    g_autofree char *pattern =
        g_strdup_printf("<%s (?:classname=\"([^\"]*)\" )?name=\"([^\"]*)\"", element);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    GString *names = g_string_new(NULL);

    for (g_regex_match(regex, xml, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *suite = g_match_info_fetch(match, 1);
        g_autofree char *name = g_match_info_fetch(match, 2);
        g_string_append_printf(names, "%s%s%s;", suite, *suite ? "/" : "", name);
    }
    return g_string_free(names, FALSE);
}

/* What reads JUnit takes two cases of one name for one test. */
static void test_junit_unique(void)
{
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(free_result);

    for (guint i = 0; i < 3; i++) {
        MmrigResult *result = new_result("same", NULL);
        result->repeat = i == 1 ? 2 : 1;
        if (i == 0)
            add_ktap(result, "KTAP version 1\n1..7\nok 1 a\nok 2 a#2\nok 3 a\nok 4 verdict\n"
                             "ok 5 a\nok 6 b\nok 7 a#2\n");
        mmrig_result_settle(result, MMRIG_PASS, MMRIG_CAUSE_NONE, NULL);
        g_ptr_array_add(results, result);
    }
    g_autofree char *xml = mmrig_report_junit(results);
    g_autofree char *suites = names_of(xml, "testsuite");
    g_autofree char *cases = names_of(xml, "testcase");
    /* The second is a repetition of the first; the third is asked for once more. */
    g_assert_cmpstr(suites, ==, "same;same#2;same#3;");
    g_assert_cmpstr(cases, ==,
                    "same/a;same/a#2;same/a#3;same/verdict#2;same/a#4;same/b;same/a#2#2;"
                    "same/verdict;same#2/verdict;same#3/verdict;");
}

static void test_junit(void)
{
    g_autoptr(GPtrArray) results = sample();
    g_autofree char *xml = mmrig_report_junit(results);
    static const GMarkupParser parser = {NULL, NULL, NULL, NULL, NULL};
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(
        xml, ==,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites name=\"mmrig\" tests=\"12\" failures=\"3\" errors=\"1\" skipped=\"2\""
        " time=\"3.000\">\n"
        "  <testsuite name=\"passes\" tests=\"4\" failures=\"0\" errors=\"0\" skipped=\"1\""
        " time=\"2.500\">\n"
        "    <properties>\n" PROPERTIES
        "      <property name=\"metric latency\" value=\"1.5 ms\"/>\n"
        "      <property name=\"metric growth\" value=\"1099511627775 B\"/>\n"
        "    </properties>\n"
        "    <testcase classname=\"passes\" name=\"a\"/>\n"
        "    <testcase classname=\"passes\" name=\"b\">\n"
        "      <skipped message=\"no CONFIG_X\"/>\n"
        "    </testcase>\n"
        "    <testcase classname=\"passes\" name=\"c\"/>\n"
        "    <testcase classname=\"passes\" name=\"verdict\" time=\"2.500\"/>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"fails#2\" tests=\"4\" failures=\"3\" errors=\"0\" skipped=\"0\""
        " time=\"0.500\">\n"
        "    <properties>\n" PROPERTIES
        "      <property name=\"folder\" value=\"mmrig-out/1/fails\"/>\n"
        "    </properties>\n"
        "    <testcase classname=\"fails#2\" name=\"boot1/first\"/>\n"
        "    <testcase classname=\"fails#2\" name=\"boot2/group/\\# &lt;&quot;&amp;'&gt;\">\n"
        "      <failure type=\"assertion\" message=\"not ok\">t.c:3: expected 1 == 2 &amp; "
        "&quot;x&quot; &lt;\357\277\275&gt;</failure>\n"
        "    </testcase>\n"
        "    <testcase classname=\"fails#2\" name=\"boot2/group/slow\">\n"
        "      <failure type=\"assertion\" message=\"timed out\"/>\n"
        "    </testcase>\n"
        "    <testcase classname=\"fails#2\" name=\"verdict\" time=\"0.500\">\n"
        "      <failure type=\"assertion\" message=\"2 of 3 &lt;failed&gt;\">one\357\277\275[2J"
        "&#13;&#10;two \357\277\275&#10;</failure>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"fails:broken\" tests=\"2\" failures=\"0\" errors=\"0\""
        " skipped=\"0\" time=\"0.000\">\n"
        "    <properties>\n" PROPERTIES "    </properties>\n"
        "    <testcase classname=\"fails:broken\" name=\"x\"/>\n"
        "    <testcase classname=\"fails:broken\" name=\"verdict\" time=\"0.000\"/>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"skips\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\""
        " time=\"0.000\">\n"
        "    <properties>\n" PROPERTIES "    </properties>\n"
        "    <testcase classname=\"skips\" name=\"verdict\" time=\"0.000\">\n"
        "      <skipped message=\"the kernel lacks CONFIG_X\"/>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"breaks\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""
        " time=\"0.000\">\n"
        "    <properties>\n" PROPERTIES "    </properties>\n"
        "    <testcase classname=\"breaks\" name=\"verdict\" time=\"0.000\">\n"
        "      <error type=\"rig\" message=\"no space left&#10;on device\"/>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n");
    g_assert_true(g_markup_parse_context_parse(context, xml, -1, &error));
    g_assert_no_error(error);
    g_assert_true(g_markup_parse_context_end_parse(context, &error));
    g_assert_no_error(error);
}

static void assert_json(JsonNode *node, const char *expected)
{
    g_autofree char *text = json_to_string(node, FALSE);

    g_assert_cmpstr(text, ==, expected);
    json_node_unref(node);
}

static void test_json(void)
{
    g_autoptr(GPtrArray) results = sample();

    assert_json(
        mmrig_report_json(g_ptr_array_index(results, 0)),
        "{\"schema\":1,\"title\":\"passes\",\"scenario\":\"passes\",\"twin\":null,"
        "\"area\":\"memory\",\"kernel\":\"tree\",\"accel\":\"tcg\",\"repeat\":1,\"forked\":"
        "false,\"boot_id\":null,"
        "\"verdict\":\"pass\",\"cause\":\"none\",\"message\":null,\"boot_seconds\":1.25,"
        "\"total_seconds\":2.5,\"boots\":1,\"tests\":["
        "{\"name\":\"a\",\"outcome\":\"ok\",\"reason\":null,\"diagnostics\":null},"
        "{\"name\":\"b\",\"outcome\":\"skip\",\"reason\":\"no CONFIG_X\",\"diagnostics\":null},"
        "{\"name\":\"c\",\"outcome\":\"xfail\",\"reason\":\"known\",\"diagnostics\":null}],"
        "\"metrics\":[{\"name\":\"latency\",\"value\":1.5,\"unit\":\"ms\"},"
        "{\"name\":\"growth\",\"value\":1099511627775.0,\"unit\":\"B\"}],"
        "\"console_tail\":null,\"folder\":null}");

    /* Nobody settled it, it never booted, and its texts are no text. */
    g_autoptr(MmrigResult) odd = new_result("odd", NULL);
    odd->console_tail = g_strdup("\377\n\"\001");
    add_metric(odd, "nan", NAN, "s");
    add_metric(odd, "much", INFINITY, "s");
    assert_json(mmrig_report_json(odd),
                "{\"schema\":1,\"title\":\"odd\",\"scenario\":\"odd\",\"twin\":null,"
                "\"area\":\"memory\",\"kernel\":\"tree\",\"accel\":\"tcg\",\"repeat\":1,"
                "\"forked\":false,\"boot_id\":null,"
                "\"verdict\":\"broken\",\"cause\":\"rig\",\"message\":null,"
                "\"boot_seconds\":null,\"total_seconds\":0.0,\"boots\":0,\"tests\":[],"
                "\"metrics\":[{\"name\":\"nan\",\"value\":null,\"unit\":\"s\"},"
                "{\"name\":\"much\",\"value\":null,\"unit\":\"s\"}],"
                "\"console_tail\":\"\357\277\275\\n\\\"\\u0001\",\"folder\":null}");

    JsonNode *all = mmrig_report_json_all(results);
    JsonObject *object = json_node_get_object(all);
    JsonObject *totals = json_object_get_object_member(object, "totals");
    g_assert_cmpint(json_object_get_int_member(object, "exit"), ==, 99);
    g_assert_cmpint(json_object_get_int_member(totals, "total"), ==, 5);
    g_assert_cmpint(json_object_get_int_member(totals, "pass"), ==, 2);
    g_assert_cmpint(json_object_get_int_member(totals, "fail"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(totals, "skip"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(totals, "broken"), ==, 1);
    g_assert_cmpint(json_array_get_length(json_object_get_array_member(object, "results")), ==,
                    5);
    json_node_unref(all);
}

static void add_point(MmrigResult *result, const char *series, double x, double y)
{
    MmrigPoint *point = g_new0(MmrigPoint, 1);

    point->series = g_strdup(series);
    point->x = x;
    point->x_unit = g_strdup("s");
    point->y = y;
    point->y_unit = g_strdup("MiB");
    g_ptr_array_add(result->points, point);
}

static void assert_xml(const char *text)
{
    const GMarkupParser parser = {0};
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_markup_parse_context_parse(context, text, -1, &error));
    g_assert_true(g_markup_parse_context_end_parse(context, &error));
    g_assert_no_error(error);
    g_markup_parse_context_free(context);
}

static void test_series(void)
{
    g_autoptr(MmrigResult) result = new_result("drawn", "twin");

    add_point(result, "free", 0, 60);
    add_point(result, "used", 0, 0);
    add_point(result, "free", 5.5, 10);
    add_point(result, "used", 5.5, 50);
    g_autofree char *table = mmrig_report_series_csv(result);
    g_assert_cmpstr(table, ==,
                    "series,x,x_unit,y,y_unit\n"
                    "free,0,s,60,MiB\n"
                    "used,0,s,0,MiB\n"
                    "free,5.5,s,10,MiB\n"
                    "used,5.5,s,50,MiB\n");

    /* Both axes go to the next whole step: 6 s and 60 MiB. */
    g_autofree char *picture = mmrig_report_series_svg(result);
    assert_xml(picture);
    g_assert_nonnull(strstr(picture, ">drawn:twin</text>"));
    g_assert_nonnull(strstr(picture, "points=\"80.0,60.0 685.0,310.0 \""));
    g_assert_nonnull(strstr(picture, "points=\"80.0,360.0 685.0,110.0 \""));
    g_assert_nonnull(strstr(picture, ">60</text>"));
    g_assert_null(strstr(picture, ">70</text>"));
    g_assert_nonnull(strstr(picture, ">free</text>"));
    g_assert_nonnull(strstr(picture, ">used</text>"));
}

/* What a guest sends may have no extent, or all that there is. */
static void test_series_odd(void)
{
    static const double odd[][2] = {{0, 0}, {7, -7}, {-DBL_MAX, DBL_MAX}, {DBL_MIN, 1e300}};

    for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(MmrigResult) result = new_result("odd", NULL);

        add_point(result, "a", odd[i][0], odd[i][1]);
        g_autofree char *picture = mmrig_report_series_svg(result);
        assert_xml(picture);
        g_assert_null(strstr(picture, "nan"));
        g_assert_null(strstr(picture, "inf"));
        g_assert_cmpuint(strlen(picture), <, 20000);
    }
    g_autoptr(MmrigResult) none = new_result("none", NULL);
    g_autofree char *picture = mmrig_report_series_svg(none);
    assert_xml(picture);
}

static void add_run(GPtrArray *results, const char *scenario, const char *twin, guint repeat,
                    MmrigVerdict verdict)
{
    MmrigResult *result = new_result(scenario, twin);

    result->repeat = repeat;
    result->verdict = verdict;
    result->folder = g_strdup_printf("out/%s.%u", scenario, repeat);
    g_ptr_array_add(results, result);
}

static void test_repeats(void)
{
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(free_result);

    add_run(results, "once", NULL, 1, MMRIG_FAIL);
    for (guint n = 1; n <= 8; n++)
        add_run(results, "flaky", NULL, n,
                n == 3   ? MMRIG_FAIL
                : n == 5 ? MMRIG_BROKEN
                : n == 8 ? MMRIG_SKIP
                         : MMRIG_PASS);
    /* An interruption leaves gaps; a twin is something else. */
    add_run(results, "flaky", "twin", 1, MMRIG_PASS);
    add_run(results, "flaky", "twin", 4, MMRIG_PASS);
    /* The same, chosen twice. */
    add_run(results, "skips", NULL, 1, MMRIG_SKIP);
    add_run(results, "skips", NULL, 2, MMRIG_SKIP);
    add_run(results, "skips", NULL, 1, MMRIG_PASS);
    add_run(results, "skips", NULL, 2, MMRIG_FAIL);

    JsonNode *all = mmrig_report_json_all(results);
    JsonArray *repeats = json_object_get_array_member(json_node_get_object(all), "repeats");
    g_autofree char *flaky = json_to_string(json_array_get_element(repeats, 0), FALSE);
    g_autofree char *skips = json_to_string(json_array_get_element(repeats, 2), FALSE);
    g_assert_cmpuint(json_array_get_length(repeats), ==, 4);
    g_assert_true(g_str_has_prefix(flaky, "{\"title\":\"flaky\",\"runs\":8,\"failed\":2,"
                                          "\"skipped\":1,\"failure_rate\":0.2857"));
    g_assert_true(g_str_has_suffix(flaky, ",\"first_failure_folder\":\"out/flaky.3\"}"));
    g_assert_cmpstr(skips, ==,
                    "{\"title\":\"skips\",\"runs\":2,\"failed\":0,\"skipped\":2,"
                    "\"failure_rate\":null,\"first_failure_folder\":null}");
    json_node_unref(all);

    g_autoptr(GString) ktap = g_string_new(NULL);
    mmrig_report_ktap_end(ktap, results);
    g_assert_cmpstr(ktap->str, ==,
                    "# flaky: 2 of 7 failed (28.6 %), 1 skipped; the first: out/flaky.3\n"
                    "# flaky:twin: none of 2 failed\n"
                    "# skips: all 2 were skipped\n"
                    "# skips: 1 of 2 failed (50 %); the first: out/skips.2\n");

    /* Nothing was repeated, nothing is said. */
    g_ptr_array_set_size(results, 1);
    g_string_truncate(ktap, 0);
    mmrig_report_ktap_end(ktap, results);
    g_assert_cmpstr(ktap->str, ==, "");
}

static void test_exit(void)
{
    static const struct {
        const char *verdicts; /* p, f, s, b */
        MmrigExit status;
    } rows[] = {
        {"", MMRIG_EXIT_PASS},   {"p", MMRIG_EXIT_PASS},  {"ps", MMRIG_EXIT_PASS},
        {"ss", MMRIG_EXIT_SKIP}, {"pf", MMRIG_EXIT_FAIL}, {"sf", MMRIG_EXIT_FAIL},
        {"fb", MMRIG_EXIT_RIG},  {"bs", MMRIG_EXIT_RIG},  {"pb", MMRIG_EXIT_RIG},
    };
    static const char letters[] = "pfsb";

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(free_result);
        for (const char *at = rows[i].verdicts; *at; at++) {
            MmrigResult *result = new_result("x", NULL);
            result->verdict = (MmrigVerdict)(strchr(letters, *at) - letters);
            g_ptr_array_add(results, result);
        }
        g_assert_cmpint(mmrig_results_exit(results), ==, rows[i].status);
    }
}

static void test_result(void)
{
    g_autoptr(MmrigResult) result = new_result("x", "y");
    MmrigCause cause;

    g_assert_cmpint(result->verdict, ==, MMRIG_BROKEN);
    mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_PANIC, "first");
    mmrig_result_settle(result, MMRIG_FAIL, MMRIG_CAUSE_TIME_LIMIT, "second");
    g_assert_cmpint(result->cause, ==, MMRIG_CAUSE_PANIC);
    g_assert_cmpstr(result->message, ==, "first");
    g_autofree char *title = mmrig_result_title(result);
    g_assert_cmpstr(title, ==, "x:y");

    for (int i = MMRIG_CAUSE_NONE; i <= MMRIG_CAUSE_RIG; i++) {
        g_assert_true(mmrig_cause_from_name(mmrig_cause_name((MmrigCause)i), &cause));
        g_assert_cmpint(cause, ==, i);
    }
    g_assert_false(mmrig_cause_from_name("moon", &cause));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/ktap", test_ktap);
    g_test_add_func("/report/machines", test_machines);
    g_test_add_func("/report/ktap-reads-back", test_ktap_reads_back);
    g_test_add_func("/report/junit", test_junit);
    g_test_add_func("/report/junit/unique", test_junit_unique);
    g_test_add_func("/report/json", test_json);
    g_test_add_func("/report/series", test_series);
    g_test_add_func("/report/series-odd", test_series_odd);
    g_test_add_func("/report/exit", test_exit);
    g_test_add_func("/report/repeats", test_repeats);
    g_test_add_func("/report/result", test_result);
    return g_test_run();
}
