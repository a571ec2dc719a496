/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long an answer about KVM holds, and what is no answer. QEMU is a script. */
#include "vm/kvm.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "base/io.h"
#include "base/store.h"

typedef struct {
    char *folder, *starts, *device, *kernel;
    MmrigQemu qemu;
} Place;

static void place_write(const char *path, const char *text, guint mode)
{
    g_assert_true(mmrig_io_set_text(path, text, mode, NULL));
    g_assert_cmpint(g_chmod(path, (int)mode), ==, 0);
}

static void place_make(Place *place, gconstpointer data)
{
    (void)data;
    place->folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_assert_nonnull(place->folder);
    place->starts = g_build_filename(place->folder, "starts", NULL);
    place->device = g_build_filename(place->folder, "kvm", NULL);
    place->kernel = g_build_filename(place->folder, "kernel", NULL);
    place->qemu = (MmrigQemu){.path = g_build_filename(place->folder, "qemu", NULL),
                              .types = g_hash_table_new(g_str_hash, g_str_equal),
                              .kvm_built = TRUE};
    g_setenv("XDG_CACHE_HOME", place->folder, TRUE);
    /* A script is another file, and another answer, once it is changed: so it only reads. */
    g_autofree char *script = g_strdup_printf(
        "#!/bin/sh\necho x >>'%s'\n. '%s/does'\nexec " MMRIG_TEST_FAKE_QEMU " \"$@\"\n",
        place->starts, place->folder);
    place_write(place->qemu.path, script, 0755);
    place_write(place->device, "", 0644);
    place_write(place->kernel, "", 0644);
}

static void place_clear(Place *place, gconstpointer data)
{
    (void)data;
    g_assert_true(mmrig_remove_tree(place->folder, NULL));
    g_free(place->folder);
    g_free(place->starts);
    g_free(place->device);
    g_free(place->kernel);
    g_hash_table_unref(place->qemu.types);
    g_free(place->qemu.path);
}

static gsize place_starts(const Place *place)
{
    g_autofree char *text = NULL;
    gsize size = 0;

    g_file_get_contents(place->starts, &text, &size, NULL);
    return size / strlen("x\n");
}

/* Asks with a QEMU that does so: the state, and a part of the reason. */
static void place_ask(const Place *place, const char *does, MmrigKvmState state,
                      const char *part, gsize starts)
{
    g_autofree char *script = g_build_filename(place->folder, "does", NULL);
    g_autofree char *reason = NULL;

    place_write(script, does, 0644);
    /* Only who waits for nothing waits a second; others have all the time they need. */
    guint seconds = g_str_has_prefix(does, "exec sleep") ? 1 : 60;
    g_assert_cmpint(mmrig_kvm_prove(&place->qemu, place->device, place->kernel, place->kernel,
                                    seconds, &reason),
                    ==, state);
    if (part && (!reason || !strstr(reason, part)))
        g_error("'%s' is not in '%s'", part, reason ? reason : "(none)");
    g_assert_cmpuint(place_starts(place), ==, starts);
}

#define READY "export MMRIG_FAKE_QEMU_DOES=ready"
#define DIES  "export MMRIG_FAKE_QEMU_DOES=dies"

/* Makes the kept answers older, or younger than now. */
static void place_age(const Place *place, int seconds)
{
    g_autofree char *folder = g_build_filename(place->folder, "mmrig", "kvm", NULL);
    g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
    const time_t then = time(NULL) - seconds;
    const char *name;
    guint aged = 0;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_assert_cmpint(utime(path, &(struct utimbuf){then, then}), ==, 0);
        aged++;
    }
    g_assert_cmpuint(aged, >, 0);
}

/* A bad moment is a matter of minutes, and what works then is known for good. */
static void test_broken_is_forgotten(Place *place, gconstpointer data)
{
    (void)data;
    place_ask(place, DIES, MMRIG_KVM_BROKEN, "cannot set up", 1);
    place_age(place, MMRIG_KVM_DOUBT_SECONDS / 2);
    place_ask(place, READY, MMRIG_KVM_BROKEN, "cannot set up", 1);
    place_age(place, MMRIG_KVM_DOUBT_SECONDS + 1);
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 2);
    place_age(place, 100 * MMRIG_KVM_DOUBT_SECONDS);
    place_ask(place, DIES, MMRIG_KVM_WORKS, NULL, 2);
}

/* Who finds it broken again and again asks less and less often, and at last once a day. */
static void test_doubts_grow(Place *place, gconstpointer data)
{
    (void)data;
    for (guint times = 1; times <= 12; times++) {
        int doubt = MMRIG_KVM_DOUBT_SECONDS << MIN(times - 1, MMRIG_KVM_DOUBT_DOUBLINGS);
        place_ask(place, DIES, MMRIG_KVM_BROKEN, "cannot set up", times);
        place_age(place, doubt - 10);
        place_ask(place, READY, MMRIG_KVM_BROKEN, "cannot set up", times);
        place_age(place, doubt + 1);
    }
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 13);
}

/* A clock that was set back must not make it last for ever. */
static void test_broken_in_future(Place *place, gconstpointer data)
{
    (void)data;
    place_ask(place, DIES, MMRIG_KVM_BROKEN, "cannot set up", 1);
    place_age(place, -1000);
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 2);
}

static void test_new_device(Place *place, gconstpointer data)
{
    (void)data;
    place_ask(place, DIES, MMRIG_KVM_BROKEN, NULL, 1);
    place_ask(place, READY, MMRIG_KVM_BROKEN, NULL, 1);
    /* Made anew beside the old one, so that it cannot get the same inode. */
    g_autofree char *other = g_strconcat(place->device, ".new", NULL);
    place_write(other, "", 0644);
    g_assert_cmpint(g_rename(other, place->device), ==, 0);
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 2);
}

/* A guest that is late on a busy host is no proof that KVM is broken. */
static void test_late(Place *place, gconstpointer data)
{
    (void)data;
    place_ask(place, "exec sleep 100", MMRIG_KVM_UNPROVEN, "1 s", 1);
    place_ask(place, READY, MMRIG_KVM_UNPROVEN, "1 s", 1);
    place_age(place, MMRIG_KVM_DOUBT_SECONDS + 1);
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 2);
}

/* Nor is a QEMU that the host kills; and that is not even remembered. */
static void test_killed(Place *place, gconstpointer data)
{
    (void)data;
    place_ask(place, "kill -KILL $$", MMRIG_KVM_UNPROVEN, "killed from outside", 1);
    place_ask(place, READY, MMRIG_KVM_WORKS, NULL, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Place, NULL, place_make, function, place_clear)
    ADD("/kvm/broken-is-forgotten", test_broken_is_forgotten);
    ADD("/kvm/doubts-grow", test_doubts_grow);
    ADD("/kvm/broken-in-future", test_broken_in_future);
    ADD("/kvm/new-device", test_new_device);
    ADD("/kvm/late", test_late);
    ADD("/kvm/killed", test_killed);
    return g_test_run();
}
