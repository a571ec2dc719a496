/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's memory map: read from what its test said, and shown. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"
#include "memmap/memmap.h"

static const char good[] = "KTAP version 1\n1..1\n"
                           "# memmap efi 0x100000000 0x20000000 mu Conventional\n"
                           "# memmap efi 0x0 0xa0000 u Conventional\n"
                           "  # memmap efi 0x120000000 0x1000 s- Reserved\n"
                           "# memmap efi 0x100000 0x1000 u Boot Data\n"
                           "# memmap efi 0x101000 0x2000 u Boot Data\n"
                           "# memmap node 0 0x0 0x10000000\n"
                           "# memmap node 0 0x100000000 0x10000000\n"
                           "# memmap node 1 0x110000000 0x10000000\n"
                           "# memmap zone 1 0x110000000 0x10000000 0x8000000 0x7000000 Normal\n"
                           "# memmap iomem 0x0 0xa0000 System RAM\n"
                           "# memmap says efi: Memory: 512M/513M <mirrored> memory\n"
                           "# another line\nok 1 tells\n";

static MmrigMemmap *parse(const char *text, GError **error)
{
    return mmrig_memmap_parse(text, strlen(text), error);
}

static const MmrigMemmapEntry *entry(const MmrigMemmap *map, guint index)
{
    g_assert_cmpuint(index, <, map->entries->len);
    return g_ptr_array_index(map->entries, index);
}

static void assert_entry(const MmrigMemmap *map, guint index, guint64 base, guint64 size,
                         int node, const char *type)
{
    g_assert_cmphex(entry(map, index)->base, ==, base);
    g_assert_cmphex(entry(map, index)->size, ==, size);
    g_assert_cmpint(entry(map, index)->node, ==, node);
    g_assert_cmpstr(entry(map, index)->type, ==, type);
}

/* Sorted, cut where the node changes, joined where nothing does. */
static void test_good(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigMemmap) map = parse(good, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(map->entries->len, ==, 5);
    assert_entry(map, 0, 0, 0xa0000, 0, "Conventional");
    assert_entry(map, 1, 0x100000, 0x3000, 0, "Boot Data");
    assert_entry(map, 2, 0x100000000, 0x10000000, 0, "Conventional");
    assert_entry(map, 3, 0x110000000, 0x10000000, 1, "Conventional");
    assert_entry(map, 4, 0x120000000, 0x1000, -1, "Reserved");
    g_assert_true(entry(map, 2)->mirrored && entry(map, 3)->mirrored);
    g_assert_false(entry(map, 0)->mirrored);
    g_assert_true(entry(map, 4)->specific);
    g_assert_false(entry(map, 4)->usable);
    g_assert_cmpuint(map->zones->len, ==, 1);
    g_assert_cmpuint(map->iomem->len, ==, 1);
    g_assert_cmpuint(map->sayings->len, ==, 1);
}

static void test_shown(void)
{
    g_autoptr(MmrigMemmap) map = parse(good, NULL);
    g_autofree char *table = mmrig_memmap_table(map, "x:y");
    g_autofree char *json = mmrig_memmap_json(map, "x:y");
    g_autofree char *svg = mmrig_memmap_svg(map, "x<y");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();

    g_assert_nonnull(strstr(table, "  0x0000000110000000 0x000000011fffffff      256 MiB    1  "
                                   "mirrored           Conventional\n"));
    g_assert_nonnull(strstr(table, "usable 512.6 MiB, mirrored 512.0 MiB\n"));
    g_assert_nonnull(
        strstr(table, "     1 Normal   0x0000000110000000      256 MiB      128 MiB"));
    g_assert_nonnull(strstr(table, "Linux says: efi: Memory: 512M/513M <mirrored> memory\n"));

    g_assert_true(json_parser_load_from_data(parser, json, -1, &error));
    g_assert_no_error(error);
    JsonObject *root = json_node_get_object(json_parser_get_root(parser));
    g_assert_cmpint(json_object_get_int_member(root, "schema"), ==, 1);
    JsonArray *efi = json_object_get_array_member(root, "efi");
    g_assert_cmpuint(json_array_get_length(efi), ==, 5);
    JsonObject *third = json_array_get_object_element(efi, 2);
    g_assert_cmpstr(json_object_get_string_member(third, "base"), ==, "0x100000000");
    g_assert_true(json_object_get_boolean_member(third, "mirrored"));
    g_assert_true(json_object_get_null_member(json_array_get_object_element(efi, 4), "node"));

    /* Well-formed, with what the guest said quoted. */
    static const GMarkupParser none = {0};
    GMarkupParseContext *context = g_markup_parse_context_new(&none, 0, NULL, NULL);
    g_assert_true(g_markup_parse_context_parse(context, svg, -1, &error));
    g_assert_true(g_markup_parse_context_end_parse(context, &error));
    g_markup_parse_context_free(context);
    g_assert_nonnull(strstr(svg, "x&lt;y"));
    g_assert_nonnull(strstr(svg, "mirrored 0x100000000 to 0x11fffffff"));
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "",
        "# memmap node 0 0x0 0x1000\n",
        "# memmap efi 0x0 0x0 u Conventional\n",
        "# memmap efi 0xffffffffffffffff 0x2 u Conventional\n",
        "# memmap efi 0 0x1000 u Conventional\n",
        "# memmap efi 0x0 0x10000000000000000 u Conventional\n",
        "# memmap efi 0x0 0x1000 x Conventional\n",
        "# memmap efi 0x0 0x1000 u \n",
        "# memmap efi 0x0 0x1000 u\n",
        "# memmap efi 0x0 0x1000 u Con\001\n",
        "# memmap other 0x0\n",
        "# memmap efi 0x0 0x2000 u A\n# memmap efi 0x1000 0x1000 u B\n",
        "# memmap efi 0x0 0x2000 u A\n# memmap zone 0 0x0 0x1000 0x2000 0x0 Normal\n",
        "# memmap efi 0x0 0x2000 u A\n# memmap node 1024 0x0 0x1000\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", bad[i]);
        g_assert_null(parse(bad[i], &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST);
    }
    /* Too many, and too long. */
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i <= MMRIG_MEMMAP_LINES_MAX; i++)
        g_string_append_printf(text, "# memmap efi 0x%x 0x1000 u A\n", i * 0x2000);
    g_assert_null(parse(text->str, &error));
    g_clear_error(&error);
    g_string_assign(text, "# memmap efi 0x0 0x1000 u ");
    for (guint i = 0; i <= MMRIG_MEMMAP_TEXT_MAX; i++)
        g_string_append_c(text, 'a');
    g_assert_null(parse(text->str, &error));
}

/* The last address there is. */
static void test_end(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigMemmap) map = parse("# memmap efi 0xfffffffffffff000 0x1000 u A\n"
                                       "# memmap node 0 0xffffffffffff0000 0x10000\n",
                                       &error);

    g_assert_no_error(error);
    assert_entry(map, 0, 0xfffffffffffff000, 0x1000, 0, "A");
    g_autofree char *svg = mmrig_memmap_svg(map, "end");
    g_assert_nonnull(strstr(svg, "0xffffffffffffffff"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memmap/good", test_good);
    g_test_add_func("/memmap/shown", test_shown);
    g_test_add_func("/memmap/refused", test_refused);
    g_test_add_func("/memmap/end", test_end);
    return g_test_run();
}
