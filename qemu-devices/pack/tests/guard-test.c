/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pack loads into this QEMU, and one that does not fit refuses in one line. */
#include <string.h>

#include "qtest.h"

static void test_fits(void)
{
    QTest *q = qtest_start("-S", NULL);
    g_autoptr(JsonNode) types =
        qtest_qmp(q, "{\"execute\": \"qom-list-types\","
                     " \"arguments\": {\"implements\": \"pci-device\"}}");
    JsonArray *array = json_node_get_array(types);
    gboolean found = FALSE;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *type = json_array_get_object_element(array, i);

        found |= strcmp(json_object_get_string_member(type, "name"), "mmrig-camera") == 0;
    }
    g_assert_true(found);
    qtest_stop(q);
}

/* What a QEMU says of the pack that is wrong about a row. */
static char *lied_to(const char *row, int status)
{
    g_autoptr(GPtrArray) argv = qtest_argv(MMRIG_TEST_LIES);
    char *errors = NULL;

    g_setenv("MMRIG_GUARD_LIE", row, TRUE);
    g_assert_cmpint(qtest_run(argv, &errors), ==, status);
    g_unsetenv("MMRIG_GUARD_LIE");
    g_test_message("%s", errors);
    return errors;
}

static void refuses(const char *row, const char *expected)
{
    g_autofree char *errors = lied_to(row, 1);

    g_assert_true(g_str_has_prefix(errors, "mmrig-devices.so: "));
    g_assert_nonnull(strstr(errors, expected));
    g_assert_nonnull(strstr(errors, "rebuild the pack"));
    /* One line, no more. */
    g_assert_true(strchr(errors, '\n') == errors + strlen(errors) - 1);
}

static void test_version(void)
{
    refuses("version", "this is QEMU ");
}

/* Every row that the guard has is seen to refuse. */
static void test_rows(void)
{
    g_autofree char *list = lied_to("list", 0);
    g_auto(GStrv) rows = g_strsplit(g_strchomp(list), "\n", -1);

    g_assert_cmpuint(g_strv_length(rows), >, 20);
    g_assert_true(g_strv_contains((const char *const *)rows, "VMStateField"));
    for (gsize i = 0; rows[i]; i++) {
        refuses(rows[i], rows[i]);
    }
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/guard/fits", test_fits);
    g_test_add_func("/guard/version", test_version);
    g_test_add_func("/guard/rows", test_rows);
    return g_test_run();
}
