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

static void refuses(const char *lie, const char *expected)
{
    g_autofree char *pack = g_strdup_printf("%s/mmrig-devices-lie-%s.so", MMRIG_TEST_LIES, lie);
    g_autoptr(GPtrArray) argv = qtest_argv(pack);
    g_autofree char *errors = NULL;

    g_assert_cmpint(qtest_run(argv, &errors), ==, 1);
    g_test_message("%s", errors);
    g_assert_true(g_str_has_prefix(errors, "mmrig-devices.so: "));
    g_assert_nonnull(strstr(errors, expected));
    g_assert_nonnull(strstr(errors, "rebuild the pack"));
    /* One line, no more. */
    g_assert_true(strchr(errors, '\n') == errors + strlen(errors) - 1);
}

static void test_type_size(void)
{
    refuses("size", "PCIDevice has ");
}

static void test_symbol_size(void)
{
    refuses("symbol", "VMStateDescription has ");
}

static void test_version(void)
{
    refuses("minor", "this is QEMU ");
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/guard/fits", test_fits);
    g_test_add_func("/guard/type-size", test_type_size);
    g_test_add_func("/guard/symbol-size", test_symbol_size);
    g_test_add_func("/guard/version", test_version);
    return g_test_run();
}
