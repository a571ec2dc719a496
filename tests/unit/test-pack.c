/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rig learns of the device pack, from a QEMU that is a fake. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/store.h"
#include "qemu/pack.h"

typedef struct {
    char *folder, *file;
    MmrigQemu *qemu;
} Place;

static void place_make(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_unsetenv("MMRIG_FAKE_QEMU_DOES");
    g_unsetenv("MMRIG_FAKE_QEMU_PACK");
    place->folder = g_dir_make_tmp("mmrig-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_setenv("XDG_CACHE_HOME", place->folder, TRUE);
    place->file = g_build_filename(place->folder, "a,pack.so", NULL);
    g_file_set_contents(place->file, "", 0, &error);
    g_assert_no_error(error);
    place->qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, &error);
    g_assert_no_error(error);
}

static void place_clear(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    mmrig_qemu_free(place->qemu);
    mmrig_remove_tree(place->folder, &error);
    g_assert_no_error(error);
    g_free(place->folder);
    g_free(place->file);
}

static void check_property(const MmrigPackDevice *device, guint index,
                           const MmrigPackProperty *expected)
{
    const MmrigPackProperty *property = g_ptr_array_index(device->properties, index);

    g_assert_cmpstr(property->name, ==, expected->name);
    g_assert_cmpstr(property->type, ==, expected->type);
    g_assert_cmpstr(property->value, ==, expected->value);
    g_assert_cmpstr(property->description, ==, expected->description);
}

/* Only what is new: no type that QEMU has anyway, and no property of the parent's. */
static void test_fits(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigPack) pack = mmrig_pack_load(place->qemu, place->file, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(pack->path, ==, place->file);
    g_assert_cmpstr(pack->version, ==, "10.0.1");
    g_assert_cmpuint(pack->devices->len, ==, 2);
    const MmrigPackDevice *a = g_ptr_array_index(pack->devices, 0);
    const MmrigPackDevice *b = g_ptr_array_index(pack->devices, 1);
    g_assert_cmpstr(a->name, ==, "new-a");
    g_assert_cmpstr(a->bus, ==, "PCI");
    g_assert_cmpstr(a->description, ==, "the first");
    g_assert_cmpstr(b->name, ==, "new-b");
    g_assert_cmpstr(b->bus, ==, "USB");
    g_assert_null(b->description);
    g_assert_cmpuint(a->properties->len, ==, 2);
    check_property(a, 0,
                   &(MmrigPackProperty){(char *)"debug", (char *)"bool", (char *)"off", NULL});
    check_property(a, 1,
                   &(MmrigPackProperty){(char *)"size", (char *)"uint32", (char *)"7",
                                        (char *)"how large"});
}

static void fails(const Place *place, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigPack) pack = mmrig_pack_load(place->qemu, place->file, &error);

    g_assert_null(pack);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_test_message("%s", error->message);
    g_assert_true(g_str_has_prefix(error->message, place->file));
    g_assert_nonnull(strstr(error->message, expected));
    g_assert_null(strchr(error->message, '\n'));
}

/* The guard's own line, and no more. */
static void test_refused(Place *place, gconstpointer data)
{
    (void)data;
    g_setenv("MMRIG_FAKE_QEMU_PACK", "refuses", TRUE);
    fails(place, "a,pack.so: this is QEMU 10.0.2; rebuild the pack");
}

static void test_no_pack(Place *place, gconstpointer data)
{
    (void)data;
    g_setenv("MMRIG_FAKE_QEMU_PACK", "rubbish", TRUE);
    fails(place, "file too short); rebuild the pack");
    g_unlink(place->file);
    fails(place, "is not there; build it");
}

static void test_odd_answers(Place *place, gconstpointer data)
{
    (void)data;
    g_setenv("MMRIG_FAKE_QEMU_PACK", "mute", TRUE);
    fails(place, "does not say which QEMU");
    g_setenv("MMRIG_FAKE_QEMU_PACK", "odd", TRUE);
    fails(place, "'device-list-properties' makes no sense");
    g_setenv("MMRIG_FAKE_QEMU_DOES", "nonsense", TRUE);
    fails(place, "does not say which QEMU");
    g_setenv("MMRIG_FAKE_QEMU_DOES", "dies", TRUE);
    fails(place, "cannot set up the guest's processor");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function)                                                                    \
    g_test_add("/pack/" path, Place, NULL, place_make, function, place_clear)
    ADD("fits", test_fits);
    ADD("refused", test_refused);
    ADD("no-pack", test_no_pack);
    ADD("odd-answers", test_odd_answers);
    return g_test_run();
}
