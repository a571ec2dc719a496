/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a template depends on beyond the machine's own words (test-template.c), and whose it is.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "scenario/scenario.h"
#include "template/template-cache.h"
#include "template/template.h"

#define TEXT "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n[machine]\nmemory = 512M\n"
#define PACK "[pack mirror0]\ntype = mmrig-mirror\n"

typedef struct {
    char *folder, *qemu, *kernel, *pack, *rom;
} Fixture;

static char *write_file(const char *folder, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(folder, name, NULL);

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    return path;
}

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("mmrig-template-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->qemu = write_file(fixture->folder, "qemu", "qemu");
    fixture->kernel = write_file(fixture->folder, "kernel", "kernel");
    fixture->pack = write_file(fixture->folder, "mmrig-devices.so", "pack");
    fixture->rom = write_file(fixture->folder, "mmrig-mirror.rom", "rom");
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_unsetenv("MMRIG_TEMPLATES");
    g_free(fixture->folder);
    g_free(fixture->qemu);
    g_free(fixture->kernel);
    g_free(fixture->pack);
    g_free(fixture->rom);
}

static char *name_of(const Fixture *fixture, const char *text, const char *qemu_id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(text, strlen(text), "x", "x.ini", NULL, &error);
    g_assert_no_error(error);
    const MmrigBootInputs inputs = {.qemu = fixture->qemu,
                                    .qemu_id = qemu_id,
                                    .accel = MMRIG_ACCEL_TCG,
                                    .kernel = fixture->kernel,
                                    .initrd = "/cache/1.cpio",
                                    .kind = MMRIG_START_FORK,
                                    .pack = fixture->pack};
    static const char *const words[] = {"t", NULL};
    const MmrigForkable what = {.spec = mmrig_scenario_machine(scenario, 0), .words = words};
    char *name = mmrig_template_name(&what, &inputs, &error);
    g_assert_no_error(error);
    return name;
}

/* The driver in it is built apart from the pack. */
static void test_rom(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *with = name_of(fixture, TEXT PACK, "q");
    g_autofree char *without = name_of(fixture, TEXT, "q");
    g_autofree char *same = name_of(fixture, TEXT PACK, "q");

    g_assert_cmpstr(with, ==, same);
    g_free(fixture->rom);
    fixture->rom = write_file(fixture->folder, "mmrig-mirror.rom", "another");
    g_autofree char *with_other = name_of(fixture, TEXT PACK, "q");
    g_autofree char *without_other = name_of(fixture, TEXT, "q");
    g_assert_cmpstr(with, !=, with_other);
    /* A machine without the pack does not depend on it. */
    g_assert_cmpstr(without, ==, without_other);
}

/* The file that is started stays; what it is made of does not. */
static void test_qemu_id(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *one = name_of(fixture, TEXT, "one");
    g_autofree char *same = name_of(fixture, TEXT, "one");
    g_autofree char *two = name_of(fixture, TEXT, "two");

    g_assert_cmpstr(one, ==, same);
    g_assert_cmpstr(one, !=, two);
}

static void assert_store_refused(const char *folder, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *store = NULL;

    g_setenv("MMRIG_TEMPLATES", folder, TRUE);
    store = mmrig_template_store("0123", 1, &error);
    g_assert_null(store);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, folder));
    g_assert_nonnull(strstr(error->message, why));
    g_clear_error(&error);
    g_auto(GStrv) stores = mmrig_template_stores(&error);
    g_assert_null(stores);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
}

/* Whoever can write there can have QEMU load a device state of his own. */
static void test_store_owner(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_build_filename(fixture->folder, "store", NULL);

    g_setenv("MMRIG_TEMPLATES", folder, TRUE);
    g_autofree char *store = mmrig_template_store("0123", 1, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(store, ==, folder);
    g_assert_no_errno(g_chmod(folder, 0755));
    g_free(store);
    store = mmrig_template_store("0123", 1, &error);
    g_assert_cmpstr(store, ==, folder);
    g_assert_no_errno(g_chmod(folder, 0775));
    assert_store_refused(folder, "others may write");
    g_assert_no_errno(g_chmod(folder, 01777));
    assert_store_refused(folder, "others may write");
    g_assert_no_errno(g_chmod(folder, 0700));
    if (geteuid() == 0)
        g_assert_no_errno(chown(folder, 65534, 65534));
    assert_store_refused(geteuid() == 0 ? folder : "/", "another user's");
}

/* Where the cache cannot be made, be it that it is read-only, templates are kept in memory. */
static void test_store_without_cache(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *own = g_strdup_printf("/dev/shm/mmrig-%u", (unsigned)getuid());
    gboolean there = g_file_test(own, G_FILE_TEST_IS_DIR);
    g_autoptr(GError) error = NULL;
    g_autofree char *never = g_build_filename(fixture->kernel, "cache", NULL);

    g_setenv("XDG_CACHE_HOME", never, TRUE);
    g_autofree char *store = mmrig_template_store("0123", 1, &error);
    g_auto(GStrv) stores = mmrig_template_stores(NULL);
    /* A folder on a tmpfs of too little room stays empty. */
    if (store)
        g_assert_cmpstr(store, ==, own);
    else
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(stores);
    g_assert_false(g_strv_contains((const char *const *)stores, never));
    if (store && !there)
        g_assert_no_errno(rmdir(own));
    if (!store)
        g_test_skip("/dev/shm has no room for one more template");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/template-inputs/rom", test_rom},
        {"/template-inputs/qemu-id", test_qemu_id},
        {"/template-inputs/store-owner", test_store_owner},
        {"/template-inputs/store-without-cache", test_store_without_cache},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
