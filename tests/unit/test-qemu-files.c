/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a QEMU is made of: wrappers, libraries, ROMs. With fakes. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "qemu/qemu-files.h"
#include "qemu/qemu.h"

typedef struct {
    char *folder, *inner, *wrapper, *roms, *starts;
} Place;

static char *write_file(const Place *place, const char *name, const char *text)
{
    char *path = g_build_filename(place->folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, &error);
    g_assert_no_error(error);
    return path;
}

/* Puts another copy of the fake QEMU where the wrapper starts it from. */
static void renew_inner(const Place *place)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size = 0;

    g_file_get_contents(MMRIG_TEST_FAKE_QEMU, &text, &size, &error);
    g_assert_no_error(error);
    g_file_set_contents_full(place->inner, text, (gssize)size, G_FILE_SET_CONTENTS_CONSISTENT,
                             0755, &error);
    g_assert_no_error(error);
}

static void set_up(Place *place, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    place->folder = g_dir_make_tmp("mmrig-test-XXXXXX", &error);
    g_assert_no_error(error);
    place->inner = g_build_filename(place->folder, "inner", NULL);
    place->roms = g_build_filename(place->folder, "roms", NULL);
    place->starts = g_build_filename(place->folder, "starts", NULL);
    g_assert_no_errno(g_mkdir(place->roms, 0700));
    g_setenv("XDG_CACHE_HOME", place->folder, TRUE);
    g_setenv("MMRIG_FAKE_QEMU_STARTS", place->starts, TRUE);
    g_setenv("MMRIG_FAKE_QEMU_FOLDER", place->roms, TRUE);
    renew_inner(place);
    g_autofree char *script = g_strdup_printf("#!/bin/sh\nexec \"%s\" \"$@\"\n", place->inner);
    place->wrapper = write_file(place, "wrapper", script);
}

static void tear_down(Place *place, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    mmrig_remove_tree(place->folder, &error);
    g_assert_no_error(error);
    g_free(place->folder);
    g_free(place->inner);
    g_free(place->wrapper);
    g_free(place->roms);
    g_free(place->starts);
}

static char *id_of(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(path, &error);

    g_assert_no_error(error);
    return g_strdup(qemu->id);
}

static gsize starts(const Place *place)
{
    g_autofree char *text = NULL;
    gsize size = 0;

    g_file_get_contents(place->starts, &text, &size, NULL);
    return size;
}

/* The wrapper stays as it is; what it starts does not. */
static void test_wrapper(Place *place, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *first = id_of(place->wrapper);
    g_autofree char *same = id_of(place->wrapper);

    g_assert_cmpstr(first, ==, same);
    renew_inner(place);
    g_autofree char *other = id_of(place->wrapper);
    g_assert_cmpstr(first, !=, other);
}

/* A QEMU that is kept in the cache is asked again when a ROM of its changes. */
static void test_rom(Place *place, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *rom = write_file(place, "roms/bios.bin", "one");
    g_autofree char *first = id_of(place->inner);
    g_autofree char *same = id_of(place->inner);

    g_assert_cmpstr(first, ==, same);
    g_assert_cmpuint(starts(place), ==, 1);
    g_free(rom);
    rom = write_file(place, "roms/bios.bin", "two");
    g_autofree char *other = id_of(place->inner);
    g_assert_cmpstr(first, !=, other);
    g_assert_cmpuint(starts(place), ==, 2);
    g_assert_no_errno(g_unlink(rom));
    g_autofree char *none = id_of(place->inner);
    g_assert_cmpstr(other, !=, none);
}

static void assert_refused(const char *path)
{
    g_autoptr(GError) error = NULL;
    MmrigQemu *qemu = mmrig_qemu_find(path, &error);

    g_assert_null(qemu);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_nonnull(strstr(error->message, "write \"exec\" before the command"));
}

/* Such a QEMU would not die with the rig. */
static void test_no_exec(Place *place, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *behind =
        g_strdup_printf("#!/bin/sh\n\"%s\" \"$@\"\nexit $?\n", place->inner);
    g_autofree char *beside =
        g_strdup_printf("#!/bin/sh\n\"%s\" \"$@\" &\nwait\n", place->inner);
    g_autofree char *first = write_file(place, "behind", behind);
    g_autofree char *second = write_file(place, "beside", beside);

    assert_refused(first);
    assert_refused(second);
}

static void test_mapped(Place *place G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
    static const char maps[] =
        "00400000-0041c000 r--p 00000000 fe:01 12345   /usr/bin/qemu\n"
        "0041c000-00500000 r-xp 0001c000 fe:01 12345   /usr/bin/qemu\n"
        "00500000-00600000 r-xp 0001c000 fe:01 12345   /usr/bin/qemu\n"
        "7f0000000000-7f0000001000 r-xp 00000000 fe:01 77 /opt/a b/lib with blanks.so\n"
        "7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n"
        "7f0000004000-7f0000005000 rw-p 00000000 00:01 9 /memfd:x (deleted)\n"
        "7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0   [vdso]\n"
        "short\n";
    g_auto(GStrv) files = mmrig_qemu_mapped(maps);

    g_assert_cmpuint(g_strv_length(files), ==, 2);
    g_assert_cmpstr(files[0], ==, "/usr/bin/qemu");
    g_assert_cmpstr(files[1], ==, "/opt/a b/lib with blanks.so");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Place *place, gconstpointer data);
    } tests[] = {
        {"/qemu-files/wrapper", test_wrapper},
        {"/qemu-files/rom", test_rom},
        {"/qemu-files/no-exec", test_no_exec},
        {"/qemu-files/mapped", test_mapped},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Place, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
