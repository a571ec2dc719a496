/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of scenarios as documentation has them: the table in docs/adding-a-scenario.md is,
 * line by line, what the tables of keys say, and docs/man/mmrig-scenario.5 has an item for each
 * key. `MMRIG_DOCS_UPDATE=1 unit-scenario-docs` writes the table anew and adds what the man
 * page lacks (the test then fails, so that an update is never taken for a check).
 */
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario-keys.h"

#define GUIDE  MMRIG_TEST_SOURCE "/../docs/adding-a-scenario.md"
#define MANUAL MMRIG_TEST_SOURCE "/../docs/man/mmrig-scenario.5"

static const char table_head[] = "| section | key | value | default | meaning |\n"
                                 "|---|---|---|---|---|\n";

static char *docs_read(const char *path)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static gboolean docs_written;

static void docs_write(const char *path, const char *text)
{
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_test_message("wrote %s; run again without MMRIG_DOCS_UPDATE", path);
    docs_written = TRUE;
}

/* Fails with the first line that is not the same. */
static void docs_assert_lines(const char *has, const char *wanted)
{
    g_auto(GStrv) left = g_strsplit(has, "\n", -1), right = g_strsplit(wanted, "\n", -1);

    for (guint i = 0; left[i] || right[i]; i++)
        if (g_strcmp0(left[i], right[i]) != 0) {
            g_test_fail_printf("%s has \"%s\", not \"%s\"; MMRIG_DOCS_UPDATE=1 mends it", GUIDE,
                               left[i], right[i]);
            return;
        }
}

static void docs_add_row(GString *rows, const char *section, const MmrigIniKey *key)
{
    g_autofree char *values = key->type->describe(key);

    g_string_append_printf(rows, "| `%s` | `%s` | %s | %s | %s |\n", section, key->name, values,
                           key->required ? "required" : (key->fallback ? key->fallback : ""),
                           key->meaning);
}

/* The rows of the guide's table, one a line. That all devices have "machine" is told in words.
 */
static char *docs_table(void)
{
    g_autoptr(GString) rows = g_string_new(NULL);

    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++) {
        for (gsize i = 0; i < one->section->count; i++)
            docs_add_row(rows, one->section->name, &one->section->keys[i]);
        if (one->owner == MMRIG_OWNER_DEVICE && one->class->joins_machines)
            docs_add_row(rows, one->section->name, mmrig_scenario_owner_key(one));
    }
    return g_string_free(g_steal_pointer(&rows), FALSE);
}

static void test_guide(void)
{
    g_autofree char *guide = docs_read(GUIDE), *rows = docs_table();
    char *begin = strstr(guide, table_head);

    g_assert_nonnull(begin);
    begin += strlen(table_head);
    char *end = strstr(begin, "\n\n");
    g_assert_nonnull(end);
    g_autofree char *has = g_strndup(begin, (gsize)(end + 1 - begin));
    if (getenv("MMRIG_DOCS_UPDATE") && strcmp(has, rows) != 0) {
        *begin = '\0';
        g_autofree char *text = g_strconcat(guide, rows, end + 1, NULL);
        docs_write(GUIDE, text);
        return;
    }
    docs_assert_lines(has, rows);
}

/* An item of the manual: what the table has to say, a sentence of its own. */
static void docs_add_item(GString *text, const MmrigIniKey *key)
{
    g_autofree char *values = key->type->describe(key);

    g_string_append_printf(text, ".It Cm %s\n%c%s: %s.\n", key->name,
                           g_ascii_toupper(key->meaning[0]), key->meaning + 1, values);
    if (key->required)
        g_string_append(text, "Required.\n");
    else if (key->fallback)
        g_string_append_printf(text, "%s if not given.\n", key->fallback);
}

/* Where in the text the section of the manual begins, and how long it is; NULL: it lacks it. */
static const char *docs_find_section(const char *manual, const char *name, gsize *size)
{
    g_autofree char *title = g_strdup_printf(".Ss Section %s", name);
    const char *at = strstr(manual, title);
    const char *end = at ? strstr(at + 1, "\n.S") : NULL;

    *size = end ? (gsize)(end + 1 - at) : 0;
    return end ? at : NULL;
}

/* A device's section that is not there stands before those of twins. */
static void docs_add_section(GString *manual, const MmrigScenarioSection *one)
{
    const char *twins = strstr(manual->str, ".Ss Section twin NAME\n");
    g_autofree char *head =
        g_strdup_printf(".Ss Section %s%s\n.Bl -tag -width Ds\n.El\n", one->section->name,
                        one->owner == MMRIG_OWNER_DEVICE ? " ID" : "");

    g_assert_nonnull(twins);
    g_string_insert(manual, twins - manual->str, head);
}

/* Whether all keys of the section are there; adds those that are not. */
static gboolean docs_complete(GString *manual, const MmrigScenarioSection *one)
{
    gboolean whole = TRUE;
    gsize size;

    if (!docs_find_section(manual->str, one->section->name, &size)) {
        g_test_message("section %s", one->section->name);
        docs_add_section(manual, one);
        whole = FALSE;
    }
    for (gsize i = 0; i < one->section->count; i++) {
        const MmrigIniKey *key = &one->section->keys[i];
        const char *at = docs_find_section(manual->str, one->section->name, &size);
        g_autofree char *item = g_strdup_printf(".It Cm %s\n", key->name);
        g_autoptr(GString) text = g_string_new(NULL);

        if (g_strstr_len(at, (gssize)size, item))
            continue;
        const char *end = g_strstr_len(at, (gssize)size, "\n.El\n");
        g_assert_nonnull(end);
        g_test_message("section %s: %s", one->section->name, key->name);
        docs_add_item(text, key);
        g_string_insert(manual, end + 1 - manual->str, text->str);
        whole = FALSE;
    }
    return whole;
}

static void test_manual(void)
{
    g_autofree char *text = docs_read(MANUAL);
    g_autoptr(GString) manual = g_string_new(text);
    gboolean whole = TRUE;

    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        whole &= docs_complete(manual, one);
    if (!whole && getenv("MMRIG_DOCS_UPDATE"))
        docs_write(MANUAL, manual->str);
    else if (!whole)
        g_test_fail_printf("%s lacks these; MMRIG_DOCS_UPDATE=1 adds them", MANUAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scenario-docs/guide", test_guide);
    g_test_add_func("/scenario-docs/manual", test_manual);
    int status = g_test_run();
    return docs_written ? EXIT_FAILURE : status;
}
