/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates without machines: what their names depend on, and what is kept of them. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/store.h"
#include "mmrig-guest-protocol.h"
#include "scenario/scenario.h"
#include "template/template-cache.h"
#include "template/template-meta-private.h"
#include "template/template.h"

#define BASE                                                                                   \
    "[scenario]\nsummary = s\narea = a\ntimeout = 30\n[test]\ntest = t\nargs = one\n"          \
    "[machine]\ncpus = 2\nmemory = 512M\n"

typedef struct {
    char *folder;
    char *stores[3]; /* two, and NULL */
    char *qemu, *kernel, *pack, *efi_kernel, *firmware, *variables, *loader;
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
    fixture->pack = write_file(fixture->folder, "pack", "pack");
    fixture->efi_kernel = write_file(fixture->folder, "efi-kernel", "efi-kernel");
    fixture->firmware = write_file(fixture->folder, "firmware", "firmware");
    fixture->variables = write_file(fixture->folder, "variables", "variables");
    fixture->loader = write_file(fixture->folder, "loader", "loader");
    for (guint i = 0; i < 2; i++) {
        fixture->stores[i] =
            g_build_filename(fixture->folder, i == 0 ? "first" : "second", NULL);
        g_assert_no_errno(g_mkdir(fixture->stores[i], 0700));
    }
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_free(fixture->stores[0]);
    g_free(fixture->stores[1]);
    g_free(fixture->qemu);
    g_free(fixture->kernel);
    g_free(fixture->pack);
    g_free(fixture->efi_kernel);
    g_free(fixture->firmware);
    g_free(fixture->variables);
    g_free(fixture->loader);
    g_free(fixture->folder);
}

/* ---- Names ---------------------------------------------------------------------------- */

static char *name_of(const Fixture *fixture, const char *text, const char *scenario,
                     MmrigAccel accel, const char *image)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) parsed =
        mmrig_scenario_parse(text, strlen(text), scenario, "x.ini", NULL, &error);
    g_assert_no_error(error);
    MmrigBootInputs parts = {.qemu = fixture->qemu,
                             .accel = accel,
                             .kernel = fixture->kernel,
                             .initrd = image,
                             .kind = MMRIG_START_FORK,
                             .pack = fixture->pack,
                             .efi_kernel = fixture->efi_kernel,
                             .firmware = fixture->firmware,
                             .variables = fixture->variables,
                             .loader = fixture->loader};
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    mmrig_test_words(mmrig_scenario_test(parsed, 0), 0, words);
    const MmrigForkable what = {.spec = mmrig_scenario_machine(parsed, 0),
                                .words = (const char *const *)words->pdata};
    char *name = mmrig_template_name(&what, &parts, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(name), ==, 32);
    return name;
}

static char *plain_name(const Fixture *fixture)
{
    return name_of(fixture, BASE, "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
}

#include "template-changes.h"

static void test_name_differs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_assert_true(g_hash_table_add(names, plain_name(fixture)));
    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        char *name =
            name_of(fixture, changes[i].text ? changes[i].text : BASE, "x", changes[i].accel,
                    changes[i].image ? changes[i].image : "/cache/1.cpio");
        if (!g_hash_table_add(names, name)) {
            g_test_message("%s: not a template of its own", changes[i].input);
            g_test_fail();
        }
    }
}

static char *cpu_digest(const char *cpuinfo)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("cpu");

    mmrig_template_add_cpu(key, cpuinfo);
    return g_strdup(mmrig_key_digest(key));
}

/* Under KVM the guest sees the host's processor; how fast it is just now is no part of it. */
static void test_name_host_cpu(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const others[] = {
        "processor: 0\nmodel: 2\nmicrocode: 0x1\ncpu MHz: 1\nflags: fpu vme\n\nprocessor: 1\n",
        "processor: 0\nmodel: 1\nmicrocode: 0x2\ncpu MHz: 1\nflags: fpu vme\n\nprocessor: 1\n",
        "processor: 0\nmodel: 1\nmicrocode: 0x1\ncpu MHz: 1\nflags: fpu\n\nprocessor: 1\n",
    };
    g_autofree char *plain = cpu_digest(
        "processor: 0\nmodel: 1\nmicrocode: 0x1\ncpu MHz: 1\nflags: fpu vme\n\nprocessor: 1\n");
    g_autofree char *faster = cpu_digest(
        "processor: 0\nmodel: 1\nmicrocode: 0x1\ncpu MHz: 9\nflags: fpu vme\n\nmodel: 3\n");

    g_assert_cmpstr(plain, ==, faster);
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *other = cpu_digest(others[i]);
        g_assert_cmpstr(plain, !=, other);
    }
}

/* What the test may ask for and how long it may take is no matter of the machine. */
static void test_name_same(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *plain = plain_name(fixture);
    g_autofree char *again = plain_name(fixture);
    g_autofree char *other = name_of(
        fixture,
        "[scenario]\nsummary = other\narea = b\ntimeout = 99\nforked = f\n[test]\ntest = t\n"
        "args = one\nrequests = mce-inject\n"
        "[machine]\ncpus = 2\nmemory = 512M\n",
        "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");

    g_assert_cmpstr(plain, ==, again);
    g_assert_cmpstr(plain, ==, other);
}

/* Of a machine that depends on every kind of file. */
static char *pack_name(const Fixture *fixture)
{
    return name_of(fixture, BASE "[pack cam0]\ntype = mmrig-camera\n[firmware]\ntype = ovmf\n",
                   "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
}

/* One byte more; one byte other, with its time put back; another file in its place. */
static void assert_file_counts(const Fixture *fixture, const char *path)
{
    g_autofree char *before = pack_name(fixture);
    g_autofree char *copy = g_strconcat(path, ".copy", NULL);
    g_autofree char *bytes = NULL;
    struct stat status;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_no_errno(fd);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), >, 0);
    g_assert_cmpint(write(fd, "x", 1), ==, 1);
    g_autofree char *longer = pack_name(fixture);
    g_assert_cmpstr(before, !=, longer);

    /* The file's times are as coarse as the kernel's tick. */
    g_usleep(20000);
    g_assert_no_errno(fstat(fd, &status));
    g_assert_cmpint(pwrite(fd, "y", 1, 0), ==, 1);
    g_assert_no_errno(futimens(fd, (struct timespec[]){status.st_atim, status.st_mtim}));
    close(fd);
    g_autofree char *changed = pack_name(fixture);
    g_assert_cmpstr(longer, !=, changed);

    g_assert_true(g_file_get_contents(path, &bytes, NULL, NULL));
    g_assert_true(g_file_set_contents(copy, bytes, -1, NULL));
    g_assert_no_errno(g_rename(copy, path));
    g_autofree char *replaced = pack_name(fixture);
    g_assert_cmpstr(changed, !=, replaced);
}

#define DISK BASE "[firmware]\ntype = ovmf\nboot = esp\n"

/* What is on the disk that a machine boots from counts, though no argument names it. */
static void test_name_disk(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *first = name_of(fixture, DISK, "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
    g_autofree char *again = name_of(fixture, DISK, "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
    g_autofree char *image = name_of(fixture, DISK, "x", MMRIG_ACCEL_TCG, "/cache/2.cpio");
    g_autofree char *options = name_of(fixture, DISK "[kernel]\ncmdline = quiet\n", "x",
                                       MMRIG_ACCEL_TCG, "/cache/1.cpio");

    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, image);
    g_assert_cmpstr(first, !=, options);
    g_assert_cmpstr(image, !=, options);

    g_assert_true(g_file_set_contents(fixture->efi_kernel, "another kernel", -1, NULL));
    g_autofree char *kernel = name_of(fixture, DISK, "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
    g_assert_cmpstr(first, !=, kernel);
    g_assert_true(g_file_set_contents(fixture->loader, "another loader", -1, NULL));
    g_autofree char *loader = name_of(fixture, DISK, "x", MMRIG_ACCEL_TCG, "/cache/1.cpio");
    g_assert_cmpstr(kernel, !=, loader);
}

/* Each by itself, and each by its path. */
static void test_name_files(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    char **const paths[] = {&fixture->kernel,     &fixture->qemu,     &fixture->pack,
                            &fixture->efi_kernel, &fixture->firmware, &fixture->variables};

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        assert_file_counts(fixture, *paths[i]);
        g_autofree char *before = pack_name(fixture);
        char *moved = g_strconcat(*paths[i], ".moved", NULL);
        g_assert_no_errno(g_rename(*paths[i], moved));
        g_free(*paths[i]);
        *paths[i] = moved;
        g_autofree char *after = pack_name(fixture);
        g_assert_cmpstr(before, !=, after);
    }
}

static void assert_unfit(const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(text, strlen(text), "x", "x.ini", NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mmrig_scenario_unforkable(scenario), ==, expected);
}

/* The scenario's own reason is the one that is told. */
static void test_unfit(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
    assert_unfit(BASE, NULL);
    assert_unfit(BASE "vmgenid = yes\n", NULL);
    assert_unfit("[scenario]\nsummary = s\narea = a\ncold = it tests early boot\n"
                 "[test]\ntest = t\nboots = a b\n",
                 "it tests early boot");
    assert_unfit("[scenario]\nsummary = s\narea = a\n[test]\ntest = t\nboots = a b\n", NULL);
    assert_unfit(BASE "[cxl c]\nvolatile = 256M\n",
                 "QEMU does not save the state of CXL devices");
    assert_unfit(BASE "[firmware]\ntype = ovmf\n", NULL);
    assert_unfit(BASE "nodes = 2\nnode-memory = 256M 256M\n", NULL);
    assert_unfit(BASE "[balloon b]\n", "its balloon cannot give back a fork's memory");
}

static void test_name_missing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(BASE, strlen(BASE), "x", "x.ini", NULL, &error);
    const MmrigBootInputs parts = {.qemu = fixture->qemu, .kernel = "/nonexistent/kernel"};

    static const char *const words[] = {"t", NULL};
    const MmrigForkable what = {.spec = mmrig_scenario_machine(scenario, 0), .words = words};
    g_assert_null(mmrig_template_name(&what, &parts, &error));
    g_assert_nonnull(error);
}

/* ---- What is kept --------------------------------------------------------------------- */

#define MEMORY 65536

/* A whole template that takes so many KiB of room, last used at that time. */
static char *make_template(const char *store, const char *name, guint kib, gint64 used)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_build_filename(store, name, NULL);
    g_autofree char *ram = g_build_filename(folder, MMRIG_BACKING_RAM, NULL);
    g_autofree char *bytes = g_malloc(kib * 1024);
    char nonce[MMRIG_NONCE_DIGITS + 1];
    const struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};

    memset(nonce, 'a', MMRIG_NONCE_DIGITS);
    nonce[MMRIG_NONCE_DIGITS] = '\0';
    memset(bytes, 'r', kib * 1024);
    g_assert_no_errno(g_mkdir(folder, 0700));
    g_free(write_file(folder, MMRIG_BACKING_STATE, "the state of a machine"));
    int fd = open(ram, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_no_errno(fd);
    g_assert_cmpint(write(fd, bytes, kib * 1024), ==, kib * 1024);
    g_assert_no_errno(fsync(fd)); /* so that the room is counted */
    g_assert_no_errno(ftruncate(fd, (off_t)kib * 1024 + MEMORY));
    close(fd);
    g_assert_true(mmrig_template_meta_write(folder, "made-for", nonce,
                                            (guint64)kib * 1024 + MEMORY, &error));
    g_assert_no_error(error);
    g_assert_no_errno(utimensat(AT_FDCWD, folder, times, 0));
    return g_steal_pointer(&folder);
}

static void add_template(const char *store, const char *name, guint kib, gint64 used)
{
    g_free(make_template(store, name, kib, used));
}

static GPtrArray *list(const Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *entries = mmrig_template_list((const char *const *)fixture->stores, &error);

    g_assert_no_error(error);
    return entries;
}

static char *join(const GPtrArray *entries)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < entries->len; i++) {
        const MmrigTemplateEntry *entry = g_ptr_array_index(entries, i);
        g_string_append_printf(text, "%s%s", i ? " " : "", entry->name);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_kept(const Fixture *fixture, const char *expected)
{
    g_autoptr(GPtrArray) entries = list(fixture);
    g_autofree char *names = join(entries);

    g_assert_cmpstr(names, ==, expected);
}

static void assert_prunes(const Fixture *fixture, const MmrigTemplateLimits *limits,
                          const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) removed =
        mmrig_template_prune((const char *const *)fixture->stores, limits, &error);

    g_assert_no_error(error);
    g_autofree char *names = join(removed);
    g_assert_cmpstr(names, ==, expected);
}

static void test_list(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *young = make_template(fixture->stores[0], "young", 4, 3000);
    g_autofree char *old = make_template(fixture->stores[1], "old", 200, 1000);
    add_template(fixture->stores[0], ".partial-1-a", 4, 2000);
    g_free(write_file(fixture->stores[0], "file", "no template"));
    g_autoptr(GPtrArray) entries = list(fixture);

    g_assert_cmpuint(entries->len, ==, 2);
    const MmrigTemplateEntry *first = g_ptr_array_index(entries, 0);
    g_assert_cmpstr(first->folder, ==, old);
    g_assert_cmpstr(first->store, ==, fixture->stores[1]);
    g_assert_cmpstr(first->name, ==, "old");
    g_assert_cmpstr(first->title, ==, "made-for");
    g_assert_cmpint(first->used, ==, 1000);
    g_assert_cmpint(ABS(first->made - g_get_real_time() / G_USEC_PER_SEC), <, 60);
    /* The room that it takes, which is less than the length of its files. */
    g_assert_cmpuint(first->size, >=, 200 * 1024);
    g_assert_cmpuint(first->size, <, 200 * 1024 + MEMORY);
    const MmrigTemplateEntry *second = g_ptr_array_index(entries, 1);
    g_assert_cmpstr(second->folder, ==, young);
}

static gboolean is_whole(const char *folder)
{
    g_autoptr(GError) error = NULL;
    MmrigTemplateEntry entry = {.folder = (char *)folder};
    gboolean whole = mmrig_template_verify(&entry, &error);

    /* It says which one. */
    if (!whole)
        g_assert_nonnull(strstr(error->message, folder));
    return whole;
}

static void test_verify_state(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *folder = make_template(fixture->stores[0], "a", 4, 1000);
    g_autofree char *path = g_build_filename(folder, MMRIG_BACKING_STATE, NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;

    g_assert_no_errno(fd);
    g_assert_no_errno(fstat(fd, &status));
    for (off_t at = 0; at < status.st_size; at++)
        for (guint bit = 0; bit < 8; bit++) {
            guint8 byte, flipped;
            g_assert_cmpint(pread(fd, &byte, 1, at), ==, 1);
            flipped = (guint8)(byte ^ 1u << bit);
            g_assert_cmpint(pwrite(fd, &flipped, 1, at), ==, 1);
            g_assert_false(is_whole(folder));
            g_assert_cmpint(pwrite(fd, &byte, 1, at), ==, 1);
        }
    g_assert_true(is_whole(folder));
    g_assert_no_errno(ftruncate(fd, status.st_size - 1));
    close(fd);
    g_assert_false(is_whole(folder));
    g_assert_no_errno(g_unlink(path));
    g_assert_false(is_whole(folder));
}

static void test_verify_memory(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *folder = make_template(fixture->stores[0], "a", 4, 1000);
    g_autofree char *path = g_build_filename(folder, MMRIG_BACKING_RAM, NULL);

    g_assert_true(is_whole(folder));
    g_assert_no_errno(truncate(path, 4096 + MEMORY - 1));
    g_assert_false(is_whole(folder));
    g_assert_no_errno(truncate(path, 4096 + MEMORY + 1));
    g_assert_false(is_whole(folder));
    g_assert_no_errno(truncate(path, 4096 + MEMORY));
    g_assert_true(is_whole(folder));
    g_assert_no_errno(g_unlink(path));
    g_assert_false(is_whole(folder));
}

/* Whatever is in meta.json, it is damage and no crash. */
static void test_verify_meta(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const texts[] = {
        "",
        "[",
        "[]",
        "7",
        "{}",
        "{\"schema\":2}",
        "{\"schema\":1}",
        "{\"schema\":\"1\",\"nonce\":1}",
        "{\"schema\":1,\"title\":1,\"nonce\":[],\"state-sha256\":{},\"memory\":\"\"}",
        "{\"schema\":1,\"title\":null,\"nonce\":null,\"state-sha256\":null,\"memory\":null}",
    };
    g_autofree char *folder = make_template(fixture->stores[0], "a", 4, 1000);

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(write_file(folder, "meta.json", texts[i]));
        g_assert_false(is_whole(folder));
    }
}

/* Much room, and nothing is old. */
static const MmrigTemplateLimits generous = {
    .memory = G_MAXINT64, .disk = G_MAXINT64, .share = 1};

static void test_prune_age(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    MmrigTemplateLimits limits = generous;
    g_autofree char *a = make_template(fixture->stores[0], "a", 4, 1000);
    add_template(fixture->stores[1], "b", 4, 1999);
    g_autofree char *c = make_template(fixture->stores[0], "c", 4, 2000);

    assert_prunes(fixture, &limits, "");
    limits.before = 2000;
    limits.spare = a;
    assert_prunes(fixture, &limits, "b");
    assert_kept(fixture, "a c");
    limits.spare = NULL;
    assert_prunes(fixture, &limits, "a");
    assert_kept(fixture, "c");
    g_assert_false(g_file_test(a, G_FILE_TEST_EXISTS));
    g_assert_true(is_whole(c));
}

/* The longest unused of a store goes first, and no more than needed. */
static void test_prune_room(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    MmrigTemplateLimits limits = generous;
    add_template(fixture->stores[0], "d", 256, 4000);
    add_template(fixture->stores[1], "b", 256, 2000);
    add_template(fixture->stores[0], "a", 256, 1000);
    g_autofree char *c = make_template(fixture->stores[1], "c", 256, 3000);

    limits.memory = limits.disk = 600 * 1024;
    assert_prunes(fixture, &limits, "");
    limits.memory = limits.disk = 300 * 1024;
    assert_prunes(fixture, &limits, "a b");
    assert_prunes(fixture, &limits, "");
    limits.memory = limits.disk = 1;
    limits.spare = c;
    assert_prunes(fixture, &limits, "d");
    assert_prunes(fixture, &limits, "");
    limits.spare = NULL;
    assert_prunes(fixture, &limits, "c");
}

static void test_prune_share(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    MmrigTemplateLimits limits = generous;
    add_template(fixture->stores[0], "a", 256, 1000);
    g_autofree char *b = make_template(fixture->stores[1], "b", 4, 2000);

    /* No file system has a part for this one. */
    limits.share = G_MAXUINT64;
    limits.spare = b;
    assert_prunes(fixture, &limits, "a");
    assert_kept(fixture, "b");
}

static void test_prune_damaged(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    MmrigTemplateLimits limits = generous;
    add_template(fixture->stores[0], "a", 4, 1000);
    g_autofree char *b = make_template(fixture->stores[0], "b", 4, 2000);

    g_free(write_file(b, MMRIG_BACKING_STATE, "The state of a machine"));
    assert_prunes(fixture, &limits, "");
    limits.verify = TRUE;
    assert_prunes(fixture, &limits, "b");
    assert_kept(fixture, "a");
}

/* The week is from now on; an old one goes by the usual limits, a young one does not. */
static void test_limits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    MmrigTemplateLimits limits;
    add_template(fixture->stores[0], "a", 4, now - 7 * 86400 - 60);
    add_template(fixture->stores[0], "b", 4, now - 7 * 86400 + 60);

    mmrig_template_limits(&limits);
    g_assert_cmpuint(limits.memory, ==, G_GUINT64_CONSTANT(4) << 30);
    g_assert_cmpuint(limits.disk, ==, G_GUINT64_CONSTANT(16) << 30);
    g_assert_cmpuint(limits.share, ==, 4);
    assert_prunes(fixture, &limits, "a");
}

/* Removal leaves nothing, and what is not there is no error. */
static void test_drop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    add_template(fixture->stores[0], "a", 4, 1000);

    for (guint i = 0; i < 2; i++) {
        g_assert_true(mmrig_store_drop(fixture->stores[0], "a", &error));
        g_assert_no_error(error);
        g_autoptr(GDir) dir = g_dir_open(fixture->stores[0], 0, NULL);
        g_assert_cmpstr(g_dir_read_name(dir), ==, ".lock");
        g_assert_null(g_dir_read_name(dir));
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/template/name/differs", test_name_differs},
        {"/template/name/host-cpu", test_name_host_cpu},
        {"/template/name/same", test_name_same},
        {"/template/name/files", test_name_files},
        {"/template/name/disk", test_name_disk},
        {"/template/name/missing", test_name_missing},
        {"/template/unfit", test_unfit},
        {"/template/list", test_list},
        {"/template/verify/state", test_verify_state},
        {"/template/verify/memory", test_verify_memory},
        {"/template/verify/meta", test_verify_meta},
        {"/template/prune/age", test_prune_age},
        {"/template/prune/room", test_prune_room},
        {"/template/prune/share", test_prune_share},
        {"/template/prune/damaged", test_prune_damaged},
        {"/template/limits", test_limits},
        {"/template/drop", test_drop},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
