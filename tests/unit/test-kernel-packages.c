/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small made-up packages of kernels, of Debian's old layout and of its new one. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "kernel/kernel-private.h"

#define DEB_RELEASE "7.3.4+deb13-amd64"
#define DEB_VERSION "7.3.4-1"

typedef struct {
    char *folder;
    char *debs;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->folder = g_dir_make_tmp("mmrig-packages-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    fixture->debs = g_build_filename(fixture->folder, "debs", NULL);
    g_assert_cmpint(g_mkdir(fixture->debs, 0755), ==, 0);
    g_setenv("XDG_CACHE_HOME", fixture->folder, TRUE);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_assert_true(mmrig_remove_tree(fixture->folder, NULL));
    g_free(fixture->folder);
    g_free(fixture->debs);
}

static void put_below(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

typedef struct {
    const char *name, *depends, *arch;
    const char *files[4]; /* each holds "CONFIG_A=y" */
} Made;

/* Makes the package debs/NAME.deb. */
static void make_deb(const Fixture *fixture, const Made *made, const char *version)
{
    g_autofree char *tree = g_build_filename(fixture->folder, "made", made->name, NULL);
    g_autofree char *file = g_strdup_printf("%s/%s.deb", fixture->debs, made->name);
    g_autofree char *control =
        g_strdup_printf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: nobody\n"
                        "%s%s%sDescription: made up\n",
                        made->name, version, made->arch ? made->arch : "amd64",
                        made->depends ? "Depends: " : "", made->depends ? made->depends : "",
                        made->depends ? "\n" : "");
    const char *const argv[] = {"dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, file,
                                NULL};
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_remove_tree(tree, NULL));
    put_below(tree, "DEBIAN/control", control);
    for (guint i = 0; i < G_N_ELEMENTS(made->files) && made->files[i]; i++)
        put_below(tree, made->files[i],
                  strstr(made->files[i], "Makefile")
                      ? "KBUILD_OUTPUT=/usr/src/linux-headers-" DEB_RELEASE "\n"
                        "include /usr/src/linux-headers-7.3.4+deb13-common/Makefile\n"
                      : "CONFIG_A=y\n");
    g_assert_true(mmrig_child_run(argv, NULL, NULL, &error));
    g_assert_no_error(error);
}

#define NEEDS(part) "linux-" part "-" DEB_RELEASE " (= " DEB_VERSION ")"
#define MODULES     "usr/lib/modules/" DEB_RELEASE "/"

static const Made image = {
    "linux-image-" DEB_RELEASE,
    "initramfs-tools (>= 0.120), " NEEDS("base") ", " NEEDS("binary") ", " NEEDS("modules"),
    NULL,
    {"usr/share/doc/x"}};
static const Made base = {
    "linux-base-" DEB_RELEASE, NULL, NULL, {MODULES "config", MODULES "modules.builtin"}};
static const Made binary = {
    "linux-binary-" DEB_RELEASE, NEEDS("base"), NULL, {MODULES "vmlinuz"}};
static const Made modules = {
    "linux-modules-" DEB_RELEASE, "kmod, " NEEDS("base"), NULL, {MODULES "modules.order"}};
static const Made headers = {"linux-headers-" DEB_RELEASE,
                             "gcc-14-for-host, linux-base (>= 4.12~), " NEEDS(
                                 "base") ", linux-headers-7.3.4+deb13-common (= " DEB_VERSION
                                         "), linux-kbuild-7.3.4+deb13 (>= 7.3)",
                             NULL,
                             {"usr/src/linux-headers-" DEB_RELEASE "/Makefile"}};
static const Made common = {"linux-headers-7.3.4+deb13-common",
                            NULL,
                            "all",
                            {"usr/src/linux-headers-7.3.4+deb13-common/common"}};
static const Made kbuild = {
    "linux-kbuild-7.3.4+deb13", NULL, NULL, {"usr/lib/linux-kbuild-7.3.4+deb13/scripts/x"}};
static const Made old = {"linux-image-6.1.0-57-amd64",
                         "kmod, linux-base (>= 4.3~)",
                         NULL,
                         {"boot/vmlinuz-6.1.0-57-amd64", "boot/config-6.1.0-57-amd64",
                          "lib/modules/6.1.0-57-amd64/modules.order"}};

static void make_new_layout(const Fixture *fixture)
{
    const Made *const all[] = {&image, &base, &binary, &modules, &headers, &common, &kbuild};

    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        make_deb(fixture, all[i], DEB_VERSION);
}

static MmrigKernel *fetch(const char *path, gboolean with_headers, GError **error)
{
    const char *const wanted[] = {path, NULL};
    const MmrigKernelFetch what = {.wanted = wanted, .headers = with_headers};

    return mmrig_kernel_distro_fetch(&what, error);
}

static void assert_fetch_refused(const char *path, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;
    g_autoptr(MmrigKernel) kernel = fetch(path, TRUE, &error);
    g_autofree char *cache = mmrig_kernel_cache(NULL);
    const char *name;

    g_assert_null(kernel);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    if (!strstr(error->message, why))
        g_error("'%s' is not in: %s", why, error->message);
    /* Nothing is left of it. */
    dir = g_dir_open(cache, 0, NULL);
    while (dir && (name = g_dir_read_name(dir)))
        g_assert_cmpint(name[0], ==, '.');
}

static void remove_deb(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.deb", fixture->debs, name);

    g_assert_cmpint(g_unlink(path), ==, 0);
}

/* The image is empty; kernel, configuration and modules come from what it depends on. */
static void test_new_layout(Fixture *fixture, gconstpointer data)
{
    g_autoptr(MmrigKernel) kernel = NULL, again = NULL, named = NULL;
    g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse("distro:7.3", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *makefile = NULL, *text = NULL, *share = NULL;

    (void)data;
    make_new_layout(fixture);
    kernel = fetch(fixture->debs, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->release, ==, DEB_RELEASE);
    g_assert_true(g_str_has_suffix(kernel->image, "/lib/modules/" DEB_RELEASE "/vmlinuz"));
    g_assert_true(g_str_has_suffix(kernel->modules, "/lib/modules/" DEB_RELEASE));
    g_assert_cmpstr(g_hash_table_lookup(kernel->config, "CONFIG_A"), ==, "y");
    g_assert_null(kernel->extmod);
    g_assert_null(kernel->notes);

    /* Headers come into the same entry later, and do not look for themselves in /usr/src. */
    again = fetch(fixture->debs, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->image, ==, kernel->image);
    g_assert_nonnull(again->extmod);
    makefile = g_build_filename(again->extmod, "Makefile", NULL);
    g_assert_true(g_file_get_contents(makefile, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "include $(mmrig-here)../linux-headers-7.3.4+deb13-common/"));
    g_assert_null(strstr(text, "=/usr/src"));
    share = g_build_filename(again->modules, "../../../usr/share", NULL);
    g_assert_false(g_file_test(share, G_FILE_TEST_EXISTS));

    named = mmrig_kernel_find(spec, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(named->image, ==, kernel->image);
    g_assert_cmpstr(named->spec, ==, "distro:7.3");
}

/* One package has all; it is there beside others, and no headers are. */
static void test_old_layout(Fixture *fixture, gconstpointer data)
{
    const Made other = {"linux-libc-dev", NULL, NULL, {"usr/include/x"}};
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    make_deb(fixture, &old, "6.1.192-3");
    make_deb(fixture, &other, "6.1.192-3");
    kernel = fetch(fixture->debs, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->release, ==, "6.1.0-57-amd64");
    g_assert_true(g_str_has_suffix(kernel->image, "/boot/vmlinuz-6.1.0-57-amd64"));
    g_assert_null(kernel->extmod);
    g_assert_cmpuint(kernel->notes->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(kernel->notes, 0), "without the headers"));
}

/* Of a release, or the beginning of one; of two the newest, and the other one says its name. */
static void test_by_release(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *spec, *release;
    } cases[] = {
        {"distro", DEB_RELEASE},
        {"distro:6", "6.1.0-57-amd64"},
        {"distro:" DEB_RELEASE, DEB_RELEASE},
        {"distro:7", DEB_RELEASE},
        {"distro:7.", NULL},
        {"distro:7.3.", NULL},
        {"distro:7.3.44", NULL},
        {"distro:6.12", NULL},
    };
    g_autofree char *file = g_build_filename(fixture->debs, "../linux-image-6.deb", NULL);
    g_autofree char *made = NULL;
    g_autoptr(MmrigKernel) first = NULL, second = NULL;

    (void)data;
    make_deb(fixture, &old, "6.1.192-3");
    made = g_strdup_printf("%s/%s.deb", fixture->debs, old.name);
    g_assert_cmpint(g_rename(made, file), ==, 0);
    make_new_layout(fixture);
    first = fetch(fixture->debs, TRUE, NULL);
    g_assert_nonnull(first);
    second = fetch(file, FALSE, NULL);
    g_assert_nonnull(second);
    g_assert_nonnull(strstr(g_ptr_array_index(second->notes, second->notes->len - 1),
                            "--kernel distro:6.1.0-57-amd64 is this one"));
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse(cases[i].spec, NULL);
        g_autoptr(MmrigKernel) kernel = mmrig_kernel_find(spec, NULL);

        g_assert_cmpstr(kernel ? kernel->release : NULL, ==, cases[i].release);
    }
}

static void test_incomplete(Fixture *fixture, gconstpointer data)
{
    const Made none = {"linux-binary-" DEB_RELEASE, NEEDS("base"), NULL, {MODULES "nothing"}};

    (void)data;
    assert_fetch_refused(fixture->debs, "no package linux-image-VERSION");
    make_new_layout(fixture);
    make_deb(fixture, &none, DEB_VERSION);
    assert_fetch_refused(fixture->debs, "hold no kernel image");
    make_deb(fixture, &binary, "7.3.5-1");
    assert_fetch_refused(fixture->debs, "linux-binary-" DEB_RELEASE " " DEB_VERSION
                                        " is not among the packages given, but 7.3.5-1");
    make_deb(fixture, &binary, DEB_VERSION);
    remove_deb(fixture, modules.name);
    assert_fetch_refused(fixture->debs, "linux-modules-" DEB_RELEASE " " DEB_VERSION
                                        " is not among the packages given");
}

static void test_refused(Fixture *fixture, gconstpointer data)
{
    const Made foreign = {"linux-modules-" DEB_RELEASE, NULL, "arm64", {MODULES "x"}};
    g_autofree char *missing = g_build_filename(fixture->folder, "missing.deb", NULL);
    g_autofree char *cut = g_build_filename(fixture->debs, "linux-cut.deb", NULL);

    (void)data;
    assert_fetch_refused(missing, "cannot read the package");
    make_new_layout(fixture);
    make_deb(fixture, &old, "6.1.192-3");
    assert_fetch_refused(fixture->debs, "more than one kernel");
    remove_deb(fixture, old.name);
    make_deb(fixture, &foreign, DEB_VERSION);
    assert_fetch_refused(fixture->debs, "a package of arm64, and not of amd64");
    make_deb(fixture, &modules, DEB_VERSION);
    g_assert_true(g_file_set_contents(cut, "!<arch>\n", -1, NULL));
    assert_fetch_refused(fixture->debs, "not a Debian package, or cut off");
}

/* Half of the headers are none, which is said. */
static void test_headers_incomplete(Fixture *fixture, gconstpointer data)
{
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    make_new_layout(fixture);
    remove_deb(fixture, kbuild.name);
    kernel = fetch(fixture->debs, TRUE, &error);
    g_assert_no_error(error);
    g_assert_null(kernel->extmod);
    g_assert_nonnull(strstr(g_ptr_array_index(kernel->notes, 0), kbuild.name));
}

static void test_names_and_paths(void)
{
    static const char *const wanted[][3] = {{"linux-image-1", "./a.deb", NULL},
                                            {"./a.deb", "linux-image-1", NULL},
                                            {"linux-image-1", "linux-image-2", NULL}};
    const char *const file[] = {"./a.deb", NULL};

    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const MmrigKernelFetch what = {.wanted = wanted[i]};
        g_autoptr(GError) error = NULL;

        g_assert_null(mmrig_kernel_distro_fetch(&what, &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, "give one package by its name"));
    }
    const MmrigKernelFetch newest = {.wanted = file, .newest = TRUE};
    g_autoptr(GError) error = NULL;
    g_assert_null(mmrig_kernel_distro_fetch(&newest, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
}

/* What apt says, by a program of that name: the current one, a newer one, one by its version.
 */
static void test_apt(Fixture *fixture, gconstpointer data)
{
    static const char script[] =
        "#!/bin/sh\n"
        "case $2,$3 in\n"
        "--all-versions,linux-image-amd64)\n"
        "  printf 'Package: linux-image-amd64\\nVersion: 6.12.9-1\\n\\n'\n"
        "  printf 'Package: linux-image-amd64\\nVersion: 7.3.10-1~bpo13+1\\n\\n'\n"
        "  printf 'Package: linux-image-amd64\\nVersion: 7.3.9-1\\n\\n' ;;\n"
        "*,linux-image-amd64)\n"
        "  printf 'Version: 6.12.9-1\\nDepends: linux-image-6.12.9-amd64 (= 6.12.9-1)\\n' ;;\n"
        "*,linux-image-amd64=7.3.10-1~bpo13+1)\n"
        "  printf 'Version: 7.3.10-1~bpo13+1\\nDepends: linux-base-amd64 (= 7), '\n"
        "  printf 'linux-image-7.3.10-amd64 (= 7.3.10-1~bpo13+1)\\n' ;;\n"
        "*,linux-image-7.3.10-amd64=7.3.10-1~bpo13+1)\n"
        "  printf 'Version: 7.3.10-1~bpo13+1\\nDepends: dracut | initramfs-tools, '\n"
        "  printf 'linux-binary-7.3.10-amd64 (= 7.3.10-1~bpo13+1)\\n' ;;\n"
        "*,linux-binary-7.3.10-amd64=7.3.10-1~bpo13+1) printf 'Version: 7.3.10-1~bpo13+1\\n' "
        ";;\n"
        "*,linux-image-6.12.9-amd64*) printf 'Version: 6.12.9-1\\nDepends: kmod\\n' ;;\n"
        "*) echo E: no packages found >&2; exit 100 ;;\n"
        "esac\n";
    static const struct {
        const char *wanted;
        gboolean newest;
        const char *package, *version, *list, *note;
    } cases[] = {
        {"linux-image-amd64", FALSE, "linux-image-6.12.9-amd64", "6.12.9-1",
         "linux-image-6.12.9-amd64=6.12.9-1", "headers"},
        {"linux-image-amd64", TRUE, "linux-image-7.3.10-amd64", "7.3.10-1~bpo13+1",
         "linux-image-7.3.10-amd64=7.3.10-1~bpo13+1 linux-binary-7.3.10-amd64=7.3.10-1~bpo13+1",
         "headers"},
        {"linux-image-7.3.10-amd64=7.3.10-1~bpo13+1", FALSE, "linux-image-7.3.10-amd64",
         "7.3.10-1~bpo13+1",
         "linux-image-7.3.10-amd64=7.3.10-1~bpo13+1 linux-binary-7.3.10-amd64=7.3.10-1~bpo13+1",
         "headers"},
    };
    g_autofree char *program = g_build_filename(fixture->folder, "apt-cache", NULL);
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    g_autofree char *path = g_strdup_printf("%s:%s", fixture->folder, before);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(g_file_set_contents(program, script, -1, NULL));
    g_assert_cmpint(g_chmod(program, 0755), ==, 0);
    g_setenv("PATH", path, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MmrigKernelPackages) packages =
            mmrig_kernel_packages_apt(cases[i].wanted, cases[i].newest, &error);

        g_assert_no_error(error);
        g_ptr_array_add(packages->kernel, NULL);
        g_autofree char *list = g_strjoinv(" ", (GStrv)packages->kernel->pdata);
        g_ptr_array_set_size(packages->kernel, (gint)packages->kernel->len - 1);
        g_assert_cmpstr(packages->package, ==, cases[i].package);
        g_assert_cmpstr(packages->version, ==, cases[i].version);
        g_assert_cmpstr(list, ==, cases[i].list);
        g_assert_nonnull(strstr(packages->note, cases[i].note));
    }
    g_assert_null(mmrig_kernel_packages_apt("linux-image-none", FALSE, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_setenv("PATH", before, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define PACKAGES_TEST(path, function)                                                          \
    g_test_add("/kernel-packages/" path, Fixture, NULL, set_up, function, tear_down)
    PACKAGES_TEST("new-layout", test_new_layout);
    PACKAGES_TEST("old-layout", test_old_layout);
    PACKAGES_TEST("by-release", test_by_release);
    PACKAGES_TEST("incomplete", test_incomplete);
    PACKAGES_TEST("refused", test_refused);
    PACKAGES_TEST("headers-incomplete", test_headers_incomplete);
    PACKAGES_TEST("apt", test_apt);
    g_test_add_func("/kernel-packages/names-and-paths", test_names_and_paths);
    return g_test_run();
}
