/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rig makes of a QEMU binary, of one that is not, and of KVM: with fakes. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "qemu/qemu.h"
#include "vm/kvm.h"

/* --- a cache of the test's own, and no settings from outside --- */

typedef struct {
    char *folder;
    char *starts;
} Place;

static void place_make(Place *place, gconstpointer data)
{
    static const char *const settings[] = {"MMRIG_FAKE_QEMU_VERSION", "MMRIG_FAKE_QEMU_ARCH",
                                           "MMRIG_FAKE_QEMU_KVM", "MMRIG_FAKE_QEMU_DOES",
                                           "MMRIG_QEMU"};
    g_autoptr(GError) error = NULL;

    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++)
        g_unsetenv(settings[i]);
    place->folder = g_dir_make_tmp("mmrig-test-XXXXXX", &error);
    g_assert_no_error(error);
    place->starts = g_build_filename(place->folder, "starts", NULL);
    g_setenv("XDG_CACHE_HOME", place->folder, TRUE);
    g_setenv("MMRIG_FAKE_QEMU_STARTS", place->starts, TRUE);
}

static void place_clear(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    mmrig_remove_tree(place->folder, &error);
    g_assert_no_error(error);
    g_free(place->folder);
    g_free(place->starts);
}

static gsize starts(const Place *place)
{
    g_autofree char *text = NULL;
    gsize size = 0;

    g_file_get_contents(place->starts, &text, &size, NULL);
    return size;
}

static char *write_file(const Place *place, const char *name, const char *text, guint mode)
{
    char *path = g_build_filename(place->folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, (int)mode, &error);
    g_assert_no_error(error);
    return path;
}

/* A copy, so that stat can be changed. */
static char *copy_fake(const Place *place, const char *name)
{
    char *path = g_build_filename(place->folder, name, NULL);
    g_autofree char *text = NULL;
    gsize size = 0;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(MMRIG_TEST_FAKE_QEMU, &text, &size, &error);
    g_assert_no_error(error);
    g_file_set_contents_full(path, text, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0755, &error);
    g_assert_no_error(error);
    return path;
}

/* --- a QEMU that will do --- */

static void check_good(const MmrigQemu *qemu)
{
    const char *const all[] = {"nvdimm", "virtio-mem-pci", NULL};
    const char *const some[] = {"nvdimm", "cxl-type3", NULL};

    g_assert_cmpstr(qemu->version, ==, "10.0.2 (fake)");
    g_assert_cmpuint(qemu->major, ==, 10);
    g_assert_cmpuint(qemu->minor, ==, 0);
    g_assert_cmpuint(qemu->micro, ==, 2);
    g_assert_null(mmrig_qemu_lacks(qemu->types, all));
    g_assert_cmpstr(mmrig_qemu_lacks(qemu->types, some), ==, "cxl-type3");
    g_assert_true(g_hash_table_contains(qemu->commands, "quit"));
    g_assert_true(g_hash_table_contains(qemu->machines, "pc-q35-10.0"));
    g_assert_true(g_hash_table_contains(qemu->machines, "q35"));
    g_assert_true(qemu->kvm_built);
}

static void test_good_and_kept(Place *place, gconstpointer data)
{
    g_autofree char *path = copy_fake(place, "qemu");

    (void)data;
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(path, &error);
        g_assert_no_error(error);
        check_good(qemu);
        g_assert_cmpstr(qemu->path, ==, path);
    }
    g_assert_cmpuint(starts(place), ==, 1);

    /* Another binary under the same name is asked anew. */
    g_autofree char *again = copy_fake(place, "qemu");
    g_setenv("MMRIG_FAKE_QEMU_VERSION", "11 1 0", TRUE);
    g_autoptr(MmrigQemu) newer = mmrig_qemu_find(again, NULL);
    g_assert_nonnull(newer);
    g_assert_cmpuint(newer->major, ==, 11);
    g_assert_cmpuint(starts(place), ==, 2);
}

static void test_from_environment(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)place;
    (void)data;
    g_setenv("MMRIG_QEMU", MMRIG_TEST_FAKE_QEMU, TRUE);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(NULL, &error);
    g_assert_no_error(error);
    check_good(qemu);
}

static void test_script_is_not_kept(Place *place, gconstpointer data)
{
    g_autofree char *path = write_file(
        place, "wrapper", "#!/bin/sh\nexec \"" MMRIG_TEST_FAKE_QEMU "\" \"$@\"\n", 0755);

    (void)data;
    for (guint i = 1; i <= 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(path, &error);
        g_assert_no_error(error);
        check_good(qemu);
        g_assert_cmpuint(starts(place), ==, i);
    }
}

static void test_damaged_entry(Place *place, gconstpointer data)
{
    static const char *const damages[] = {"", "[]", "{\"version\": 5}",
                                          "{\"version\": \"10\"}"};
    g_autofree char *folder = g_build_filename(place->folder, "mmrig", "qemu", NULL);

    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigQemu) first = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, &error);
        g_assert_no_error(error);
        check_good(first);
        gsize before = starts(place);

        g_autoptr(GDir) entries = g_dir_open(folder, 0, &error);
        g_assert_no_error(error);
        for (const char *name; (name = g_dir_read_name(entries));) {
            g_autofree char *path = g_build_filename(folder, name, NULL);
            g_file_set_contents(path, damages[i], -1, &error);
            g_assert_no_error(error);
        }
        g_autoptr(MmrigQemu) second = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, &error);
        g_assert_no_error(error);
        check_good(second);
        g_assert_cmpuint(starts(place), ==, before + 1);
    }
}

static void test_chatters(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)place;
    (void)data;
    g_setenv("MMRIG_FAKE_QEMU_DOES", "chatters", TRUE);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, &error);
    g_assert_no_error(error);
    check_good(qemu);
}

/* The one that is installed, with all that scenarios make machines of. */
static void test_real(Place *place, gconstpointer data)
{
    static const char *const types[] = {"memory-backend-file", "memory-backend-memfd",
                                        "memory-backend-ram",  "nvdimm",
                                        "pvpanic-pci",         "virtio-balloon-pci",
                                        "virtio-mem-pci",      "virtio-serial-pci",
                                        "virtserialport",      NULL};
    static const char *const commands[] = {"balloon", "human-monitor-command", "qom-set",
                                           "quit", NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *program = g_find_program_in_path("qemu-system-x86_64");

    (void)place;
    (void)data;
    if (!program) {
        g_test_skip("qemu-system-x86_64 is not installed");
        return;
    }
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(program, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(qemu->major, >=, 10);
    g_assert_cmpstr(mmrig_qemu_lacks(qemu->types, types), ==, NULL);
    g_assert_cmpstr(mmrig_qemu_lacks(qemu->commands, commands), ==, NULL);
    g_assert_true(g_hash_table_contains(qemu->machines, "q35"));
}

/* --- ones that will not --- */

/* One INPUT line that holds text and says how to mend it. */
static void check_refused(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(path, &error);

    g_assert_null(qemu);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_cmpint(mmrig_error_exit(error), ==, MMRIG_EXIT_USAGE);
    g_assert_null(strchr(error->message, '\n'));
    if (!strstr(error->message, text))
        g_error("'%s' is not in '%s'", text, error->message);
    g_assert_nonnull(strstr(error->message, "bookworm-backports"));
}

typedef struct {
    const char *name, *variable, *value, *text;
} Refused;

static const Refused refused[] = {
    {"old", "MMRIG_FAKE_QEMU_VERSION", "7 2 0", "QEMU 7.2.0 (fake) is too old"},
    {"just-too-old", "MMRIG_FAKE_QEMU_VERSION", "9 2 4", "QEMU 9.2.4 (fake) is too old"},
    {"negative", "MMRIG_FAKE_QEMU_VERSION", "-1 2 4", "makes no sense"},
    {"other-machine", "MMRIG_FAKE_QEMU_ARCH", "aarch64", "for aarch64 machines"},
    {"nonsense", "MMRIG_FAKE_QEMU_DOES", "nonsense", "'query-version' makes no sense"},
    {"quits", "MMRIG_FAKE_QEMU_DOES", "quits", "before it answered 'query-machines'"},
    {"dies", "MMRIG_FAKE_QEMU_DOES", "dies", "cannot set up the guest's processor"},
};

static void test_refused(Place *place, gconstpointer data)
{
    const Refused *one = data;

    (void)place;
    g_setenv(one->variable, one->value, TRUE);
    check_refused(MMRIG_TEST_FAKE_QEMU, one->text);
    /* And it is not kept: once mended, it is found good. */
    g_unsetenv(one->variable);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, NULL);
    g_assert_nonnull(qemu);
}

static void test_not_qemu(Place *place, gconstpointer data)
{
    g_autofree char *text = write_file(place, "text", "hello\n", 0644);
    g_autofree char *program = write_file(place, "binary", "\177ELF is all it has", 0755);
    g_autofree char *interpreter = write_file(place, "no-interpreter", "#!/nowhere/sh\n", 0755);
    g_autofree char *missing = g_build_filename(place->folder, "missing", NULL);
    g_autofree char *within = g_build_filename(text, "qemu", NULL);

    (void)data;
    check_refused("/bin/true", "does not answer as QEMU does");
    check_refused(text, "cannot be executed");
    check_refused(program, program);
    check_refused(interpreter, "No such file");
    check_refused(missing, "No such file");
    check_refused(within, "Not a directory");
    check_refused(place->folder, "not a program");
    check_refused("no-such-qemu-anywhere", "no such program in PATH");
    g_setenv("MMRIG_QEMU", missing, TRUE);
    check_refused(NULL, "No such file");
}

static void test_no_cache(Place *place, gconstpointer data)
{
    g_autofree char *text = write_file(place, "file", "", 0644);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_setenv("XDG_CACHE_HOME", text, TRUE);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, &error);
    g_assert_null(qemu);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "XDG_CACHE_HOME"));
}

/* --- KVM --- */

static MmrigKvmState prove(const Place *place, const char *does, char **reason)
{
    g_autofree char *kernel = g_build_filename(place->folder, "kernel", NULL);
    g_autofree char *device = g_build_filename(place->folder, "kvm-device", NULL);
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, NULL);

    g_assert_nonnull(qemu);
    if (!g_file_test(device, G_FILE_TEST_EXISTS))
        g_file_set_contents(device, "", -1, NULL);
    if (!g_file_test(kernel, G_FILE_TEST_EXISTS))
        g_file_set_contents(kernel, "", -1, NULL);
    g_setenv("MMRIG_FAKE_QEMU_DOES", does, TRUE);
    return mmrig_kvm_prove(qemu, device, kernel, kernel, 1, reason);
}

typedef struct {
    const char *does;
    MmrigKvmState state;
    const char *reason;
    gboolean kept;
} Proof;

static const Proof proofs[] = {
    {"ready", MMRIG_KVM_WORKS, NULL, TRUE},
    {"dies", MMRIG_KVM_BROKEN, "cannot set up the guest's processor", TRUE},
    {"stops", MMRIG_KVM_BROKEN, "internal-error", TRUE},
    {"silent", MMRIG_KVM_UNPROVEN, "within 1 s", TRUE},
    {"babbles", MMRIG_KVM_BROKEN, "", TRUE},
    /* Says more about the image than about KVM. */
    {"fails", MMRIG_KVM_UNPROVEN, "cannot mount /proc", FALSE},
};

static void test_kvm(Place *place, gconstpointer data)
{
    const Proof *proof = data;
    gsize before;

    for (guint i = 0; i < 2; i++) {
        g_autofree char *reason = NULL;
        MmrigKvmState state = prove(place, proof->does, &reason);
        g_assert_cmpint(state, ==, proof->state);
        if (!proof->reason)
            g_assert_null(reason);
        else if (!reason || !strstr(reason, proof->reason))
            g_error("'%s' is not in '%s'", proof->reason, reason ? reason : "(none)");
        /* One start was for mmrig_qemu_find(). */
        before = starts(place);
        g_assert_cmpuint(before, ==, i == 0 || proof->kept ? 2 : 3);
    }
    /* Another guest kernel is another question. */
    g_autofree char *kernel = write_file(place, "kernel", "changed", 0644);
    g_assert_true(g_file_test(kernel, G_FILE_TEST_IS_REGULAR));
    g_assert_cmpint(prove(place, proof->does, NULL), ==, proof->state);
    g_assert_cmpuint(starts(place), ==, before + 1);
}

static void test_kvm_absent(Place *place, gconstpointer data)
{
    g_autofree char *device = g_build_filename(place->folder, "no-device", NULL);
    g_autofree char *reason = NULL;

    (void)data;
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, NULL);
    g_assert_cmpint(mmrig_kvm_prove(qemu, device, "/k", "/i", 1, &reason), ==,
                    MMRIG_KVM_ABSENT);
    g_assert_nonnull(strstr(reason, device));
    g_assert_cmpuint(starts(place), ==, 1);

    qemu->kvm_built = FALSE;
    g_clear_pointer(&reason, g_free);
    g_assert_cmpint(mmrig_kvm_prove(qemu, "/dev/null", "/k", "/i", 1, &reason), ==,
                    MMRIG_KVM_ABSENT);
    g_assert_nonnull(strstr(reason, "without KVM"));
}

static void test_kvm_unproven(Place *place, gconstpointer data)
{
    g_autofree char *reason = NULL;

    (void)place;
    (void)data;
    g_autoptr(MmrigQemu) qemu = mmrig_qemu_find(MMRIG_TEST_FAKE_QEMU, NULL);
    g_assert_cmpint(mmrig_kvm_prove(qemu, "/dev/null", NULL, NULL, 1, &reason), ==,
                    MMRIG_KVM_UNPROVEN);
    g_assert_nonnull(strstr(reason, "no guest kernel"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, data, function)                                                              \
    g_test_add(path, Place, data, place_make, function, place_clear)
    ADD("/qemu/good-and-kept", NULL, test_good_and_kept);
    ADD("/qemu/from-environment", NULL, test_from_environment);
    ADD("/qemu/script-is-not-kept", NULL, test_script_is_not_kept);
    ADD("/qemu/damaged-entry", NULL, test_damaged_entry);
    ADD("/qemu/chatters", NULL, test_chatters);
    ADD("/qemu/real", NULL, test_real);
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/refused/%s", refused[i].name);
        ADD(path, &refused[i], test_refused);
    }
    ADD("/qemu/refused/not-qemu", NULL, test_not_qemu);
    ADD("/qemu/no-cache", NULL, test_no_cache);
    for (gsize i = 0; i < G_N_ELEMENTS(proofs); i++) {
        g_autofree char *path = g_strdup_printf("/kvm/%s", proofs[i].does);
        ADD(path, &proofs[i], test_kvm);
    }
    ADD("/kvm/absent", NULL, test_kvm_absent);
    ADD("/kvm/unproven", NULL, test_kvm_unproven);
    return g_test_run();
}
