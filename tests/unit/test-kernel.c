/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "kernel-heads.h"
#include "kernel/kernel-private.h"

typedef struct {
    char *folder;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->folder = g_dir_make_tmp("mmrig-kernel-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    g_setenv("XDG_CACHE_HOME", fixture->folder, TRUE);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_assert_true(mmrig_remove_tree(fixture->folder, NULL));
    g_free(fixture->folder);
}

static char *put(const Fixture *fixture, const char *name, const char *bytes, gssize size)
{
    char *path = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, bytes, size, NULL));
    return path;
}

static void test_spec_good(void)
{
    static const struct {
        const char *text;
        MmrigKernelSource source;
        const char *path, *modules, *config;
    } cases[] = {
        {"distro", MMRIG_KERNEL_DISTRO, NULL, NULL, NULL},
        {"tree", MMRIG_KERNEL_TREE, NULL, NULL, NULL},
        {"tree:/a/linux", MMRIG_KERNEL_TREE, "/a/linux", NULL, NULL},
        {"/boot/vmlinuz", MMRIG_KERNEL_PATH, "/boot/vmlinuz", NULL, NULL},
        {"/a,b=c", MMRIG_KERNEL_PATH, "/a,b=c", NULL, NULL},
        {"path:/b", MMRIG_KERNEL_PATH, "/b", NULL, NULL},
        {"path:/b,modules=/m", MMRIG_KERNEL_PATH, "/b", "/m", NULL},
        {"path:/b,config=/x/../c,modules=/m", MMRIG_KERNEL_PATH, "/b", "/m", "/c"},
        {"path:/a,,b=c", MMRIG_KERNEL_PATH, "/a,b=c", NULL, NULL},
        {"path:/a,,,config=/c,,d", MMRIG_KERNEL_PATH, "/a,", NULL, "/c,d"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse(cases[i].text, &error);

        g_assert_no_error(error);
        g_assert_cmpint(spec->source, ==, cases[i].source);
        g_assert_cmpstr(spec->path, ==, cases[i].path);
        g_assert_cmpstr(spec->modules, ==, cases[i].modules);
        g_assert_cmpstr(spec->config, ==, cases[i].config);
    }
}

/* A relative path is of the folder one is in. */
static void test_spec_relative(void)
{
    g_autofree char *here = g_get_current_dir();
    g_autofree char *expected = g_build_filename(here, "a", "bzImage", NULL);
    g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse("./a/bzImage", NULL);

    g_assert_nonnull(spec);
    g_assert_cmpstr(spec->path, ==, expected);
}

static void test_spec_bad(void)
{
    static const char *const cases[] = {
        "",
        "6.12",
        "Distro",
        "distro:",
        "distro:/x",
        "tree:",
        "path:",
        "path:,config=/c",
        "path:/b,",
        "path:/b,modules=",
        "path:/b,config",
        "path:/b,initrd=/i",
        "path:/b,config=/c,config=/d",
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(mmrig_kernel_spec_parse(cases[i], &error));
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_null(strchr(error->message, '\n'));
        g_assert_true(g_str_has_prefix(error->message, "kernel '"));
    }
}

static const char config_text[] = "#\n"
                                  "# Linux/x86 6.12.0 Kernel Configuration\n"
                                  "#\n"
                                  "CONFIG_A=y\n"
                                  "CONFIG_B=m\n"
                                  "# CONFIG_C is not set\n"
                                  "CONFIG_D=18\n"
                                  "CONFIG_E=\"some text\"\n"
                                  "CONFIG_F=n\n"
                                  "CONFIG_TWICE=y\n"
                                  "# CONFIG_TWICE is not set\n"
                                  "CONFIG_THRICE=m\n"
                                  "CONFIG_THRICE=y\n"
                                  "  CONFIG_INDENTED=y  \n"
                                  "NOT_CONFIG_G=y\n"
                                  "CONFIG_H\n"
                                  "CONFIG-I=y\n"
                                  "# CONFIG_J is not set, is it?\n";

static void test_config_parse(void)
{
    g_autoptr(GHashTable) config = mmrig_kernel_config_parse(config_text);

    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_A"), ==, "y");
    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_B"), ==, "m");
    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_D"), ==, "18");
    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_E"), ==, "\"some text\"");
    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_THRICE"), ==, "y");
    g_assert_cmpstr(g_hash_table_lookup(config, "CONFIG_INDENTED"), ==, "y");
    g_assert_cmpuint(g_hash_table_size(config), ==, 6);
}

static void test_lacks(void)
{
    static const struct {
        const char *options[4];
        const char *expected;
    } cases[] = {
        {{NULL}, NULL},
        {{"CONFIG_A", "CONFIG_B", "CONFIG_THRICE", NULL}, NULL},
        {{"CONFIG_A=y", "CONFIG_B=m", "CONFIG_D=18", NULL}, NULL},
        {{"CONFIG_A", "CONFIG_C", "CONFIG_X", NULL}, "CONFIG_C"},
        {{"CONFIG_X", NULL}, "CONFIG_X"},
        {{"CONFIG_B=y", NULL}, "CONFIG_B=y"},
        {{"CONFIG_D", NULL}, "CONFIG_D"},
        {{"CONFIG_D=1", NULL}, "CONFIG_D=1"},
        {{"CONFIG_C=n", "CONFIG_F=n", "CONFIG_X=n", NULL}, NULL},
        {{"CONFIG_A=n", NULL}, "CONFIG_A=n"},
    };
    MmrigKernel kernel = {.config = mmrig_kernel_config_parse(config_text)};
    const MmrigKernel unknown = {.config = NULL};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpstr(mmrig_kernel_lacks(&kernel, cases[i].options), ==, cases[i].expected);
        g_assert_null(mmrig_kernel_lacks(&unknown, cases[i].options));
    }
    g_hash_table_unref(kernel.config);
}

static void test_verify(void)
{
    g_autoptr(GHashTable) config = mmrig_kernel_config_parse(config_text);
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_kernel_config_verify("# why\nCONFIG_A=y\nCONFIG_B=m\n"
                                             "# CONFIG_C is not set\nCONFIG_X=n\n"
                                             "CONFIG_D=17\nCONFIG_D=18\n",
                                             config, &error));
    g_assert_no_error(error);

    g_assert_false(mmrig_kernel_config_verify("CONFIG_A=y\nCONFIG_B=y\nCONFIG_GONE=y\n"
                                              "# CONFIG_D is not set\n",
                                              config, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "CONFIG_B=y (is m), CONFIG_D=n (is 18), "
                                            "CONFIG_GONE=y (is not set)"));
    g_assert_null(strstr(error->message, "CONFIG_A"));
}

/* Options of which one is enough: what each tree makes of them. */
static void test_verify_choice(void)
{
    static const struct {
        const char *wanted, *wrong;
    } cases[] = {
        {"CONFIG_A=y or CONFIG_GONE=y\n", NULL},
        {"CONFIG_GONE=y or CONFIG_A=y\nCONFIG_B=m\n", NULL},
        {"CONFIG_GONE=y or CONFIG_NEVER=y or CONFIG_D=18", NULL},
        {"CONFIG_GONE=y or CONFIG_NEVER=y\n", "CONFIG_GONE=y or CONFIG_NEVER=y (is neither)"},
        {"CONFIG_A=m or CONFIG_B=y\n", "CONFIG_A=m or CONFIG_B=y (is neither)"},
        {"CONFIG_A=y or CONFIG_GONE=y\nCONFIG_NEVER=y\n", "CONFIG_NEVER=y (is not set)"},
    };
    g_autoptr(GHashTable) config = mmrig_kernel_config_parse(config_text);
    g_autofree char *expanded = mmrig_kernel_config_expand(
        "# this or that\nCONFIG_A=y or CONFIG_B=y\nCONFIG_C=\"a or b\"\n");

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gboolean good = mmrig_kernel_config_verify(cases[i].wanted, config, &error);

        g_assert_cmpint(good, ==, cases[i].wrong == NULL);
        if (cases[i].wrong)
            g_assert_nonnull(strstr(error->message, cases[i].wrong));
    }
    g_assert_cmpstr(expanded, ==,
                    "# this or that\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=\"a or b\"\n");
}

static void test_fragments(Fixture *fixture, gconstpointer data)
{
    g_autofree char *b G_GNUC_UNUSED = put(fixture, "20-b.config", "CONFIG_B=y", -1);
    g_autofree char *a G_GNUC_UNUSED = put(fixture, "10-a.config", "CONFIG_A=y\n", -1);
    g_autofree char *other G_GNUC_UNUSED = put(fixture, "README", "CONFIG_C=y\n", -1);
    g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = mmrig_kernel_fragments(fixture->folder, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "CONFIG_A=y\n\nCONFIG_B=y\n");
    g_assert_null(mmrig_kernel_fragments(missing, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
}

/* The fragments that mmrig comes with say what they are for. */
static void test_own_fragments(void)
{
    g_autofree char *folder =
        g_build_filename(MMRIG_TEST_SOURCE, "..", "guest-kernel", "config", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = mmrig_kernel_fragments(folder, &error);
    g_auto(GStrv) lines = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_no_error(error);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!*lines[i])
            continue;
        g_assert_true(g_str_has_prefix(lines[i], "# ") ||
                      g_str_has_prefix(lines[i], "CONFIG_"));
        /* A block begins with its reason, or stands below it; no option is asked for twice. */
        if (i > 1 && !*lines[i - 1] && !g_str_has_prefix(lines[i - 2], "# "))
            g_assert_true(g_str_has_prefix(lines[i], "# "));
        if (*lines[i] == 'C')
            g_assert_true(g_hash_table_add(seen, lines[i]));
    }
    g_assert_cmpuint(g_hash_table_size(seen), >, 50);
}

static MmrigKernel *find(const char *text, GError **error)
{
    g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse(text, error);

    return spec ? mmrig_kernel_find(spec, error) : NULL;
}

static void test_bzimage(Fixture *fixture, gconstpointer data)
{
    static const char version[] = "6.1.0-test (someone@somewhere) #1 SMP";
    char bytes[2048];
    g_autofree char *image = NULL;
    g_autofree char *config = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;
    MmrigKernel *kernel;

    (void)data;
    make_bzimage(bytes, sizeof(bytes), 0x300, version);
    image = put(fixture, "bzImage", bytes, sizeof(bytes));
    kernel = find(image, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->image, ==, image);
    g_assert_cmpstr(kernel->release, ==, "6.1.0-test");
    g_assert_null(kernel->modules);
    g_assert_null(kernel->config);
    id = g_strdup(kernel->id);
    mmrig_kernel_free(kernel);

    /* Beside it, a configuration of just that release is found, and makes another kernel. */
    config = put(fixture, "config-6.1.0-test", config_text, -1);
    kernel = find(image, &error);
    g_assert_no_error(error);
    g_assert_nonnull(kernel->config);
    g_assert_cmpstr(g_hash_table_lookup(kernel->config, "CONFIG_A"), ==, "y");
    g_assert_cmpstr(kernel->id, !=, id);
    mmrig_kernel_free(kernel);
}

/* Where the version's text should be is beyond the end, or it never ends. */
static void test_bzimage_hostile(Fixture *fixture, gconstpointer data)
{
    static const guint16 offsets[] = {0x0, 0x5ff, 0x600, 0xffff, 0x400};
    char bytes[2048];

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(offsets); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigKernel) kernel = NULL;
        g_autofree char *image = NULL;

        make_bzimage(bytes, sizeof(bytes), offsets[i], NULL);
        if (offsets[i] == 0x400)
            memset(bytes + 0x600, 'x', sizeof(bytes) - 0x600);
        image = put(fixture, "bzImage", bytes, sizeof(bytes));
        kernel = find(image, &error);
        g_assert_no_error(error);
        g_assert_null(kernel->release);
    }
}

/* gzip -n of "CONFIG_INSIDE=y\n" with what kernel/configs.c puts around it. */
static const guint8 ikconfig[] = {
    'I',  'K',  'C',  'F',  'G',  '_',  'S',  'T',  0x1f, 0x8b, 0x08, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x03, 0x73, 0xf6, 0xf7, 0x73, 0xf3, 0x74, 0x8f, 0xf7,
    0xf4, 0x0b, 0xf6, 0x74, 0x71, 0xb5, 0xad, 0xe4, 0x02, 0x00, 0x9b, 0xc7, 0xfc,
    0xbf, 0x10, 0x00, 0x00, 0x00, 'I',  'K',  'C',  'F',  'G',  '_',  'E',  'D',
};

static char *put_vmlinux(const Fixture *fixture, gsize ikconfig_size, guint machine)
{
    char bytes[VMLINUX_SIZE];
    const Elf64_Half value = (Elf64_Half)machine;

    make_vmlinux(bytes);
    memcpy(bytes + G_STRUCT_OFFSET(Elf64_Ehdr, e_machine), &value, sizeof(value));
    memcpy(bytes + 2000, ikconfig, ikconfig_size);
    return put(fixture, "vmlinux", bytes, sizeof(bytes));
}

static void test_vmlinux(Fixture *fixture, gconstpointer data)
{
    g_autofree char *image = put_vmlinux(fixture, sizeof(ikconfig), EM_X86_64);
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigKernel) kernel = find(image, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->release, ==, "6.12.0-elf");
    g_assert_nonnull(kernel->config);
    g_assert_cmpstr(g_hash_table_lookup(kernel->config, "CONFIG_INSIDE"), ==, "y");
}

/* A configuration inside that is cut short, or damaged, is as none. */
static void test_vmlinux_damaged(Fixture *fixture, gconstpointer data)
{
    (void)data;
    for (gsize size = 0; size < sizeof(ikconfig); size++) {
        g_autofree char *image = put_vmlinux(fixture, size, EM_X86_64);
        g_autoptr(GError) error = NULL;
        g_autoptr(MmrigKernel) kernel = find(image, &error);

        g_assert_no_error(error);
        g_assert_null(kernel->config);
    }
}

static void assert_refused(const char *text, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigKernel) kernel = find(text, &error);

    g_assert_null(kernel);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_cmpint(mmrig_error_exit(error), ==, MMRIG_EXIT_USAGE);
    g_assert_null(strchr(error->message, '\n'));
    if (!strstr(error->message, why))
        g_error("'%s' does not say '%s'", error->message, why);
}

static void test_path_bad(Fixture *fixture, gconstpointer data)
{
    char bytes[2048];
    g_autofree char *text = put(fixture, "text", "not a kernel\n", -1);
    g_autofree char *empty = put(fixture, "empty", "", 0);
    g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
    g_autofree char *arm = put_vmlinux(fixture, 0, EM_AARCH64);
    g_autofree char *bad_config = g_build_filename(fixture->folder, "k", "config", NULL);
    g_autofree char *image = NULL, *cut = NULL;
    g_autofree char *with_config = NULL, *with_modules = NULL, *no_dep = NULL,
                    *no_config = NULL;

    (void)data;
    make_bzimage(bytes, sizeof(bytes), 0, NULL);
    image = put(fixture, "k/bzImage", bytes, sizeof(bytes));
    cut = put(fixture, "cut", bytes, 0x206);
    with_config = g_strdup_printf("path:%s,config=%s", image, text);
    no_config = g_strdup_printf("path:%s,config=%s", image, missing);
    with_modules = g_strdup_printf("path:%s,modules=%s", image, missing);
    no_dep = g_strdup_printf("path:%s,modules=%s", image, fixture->folder);

    assert_refused(missing, "cannot read the kernel");
    assert_refused(fixture->folder, "is a folder");
    assert_refused(text, "not a kernel");
    assert_refused(empty, "not a kernel");
    assert_refused(cut, "not a kernel");
    assert_refused(arm, "not a kernel");
    assert_refused(with_config, "not a kernel configuration");
    assert_refused(no_config, "cannot read the kernel configuration");
    assert_refused(with_modules, "cannot read the modules folder");
    assert_refused(no_dep, "no modules.dep.bin");
    g_assert_true(g_file_set_contents(bad_config, "nothing\n", -1, NULL));
    assert_refused(image, "not a kernel configuration");
    if (geteuid() != 0) {
        g_assert_cmpint(g_chmod(image, 0), ==, 0);
        assert_refused(image, "Permission denied");
    }
}

static void test_path_modules(Fixture *fixture, gconstpointer data)
{
    char bytes[2048];
    g_autofree char *image = NULL;
    g_autofree char *text = NULL;
    g_autofree char *list G_GNUC_UNUSED = put(fixture, "m/modules.dep.bin", "x", -1);
    g_autofree char *folder = g_build_filename(fixture->folder, "m", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;

    (void)data;
    make_bzimage(bytes, sizeof(bytes), 0, NULL);
    image = put(fixture, "bzImage", bytes, sizeof(bytes));
    text = g_strdup_printf("path:%s,modules=%s", image, folder);
    kernel = find(text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->modules, ==, folder);
}

/* An empty cache: the message tells what to do. */
static void test_missing(Fixture *fixture, gconstpointer data)
{
    g_autofree char *tree = g_build_filename(fixture->folder, "linux", NULL);
    g_autofree char *spec = g_strconcat("tree:", tree, NULL);
    g_autofree char *kconfig = NULL, *arch = NULL, *config = NULL;

    (void)data;
    assert_refused("distro", "mmrig kernel fetch");
    assert_refused(spec, "cannot read the source tree");
    kconfig = put(fixture, "linux/Kconfig", "", 0);
    assert_refused(spec, "not a Linux source tree");
    arch = put(fixture, "linux/arch/x86/Kconfig", "", 0);
    assert_refused(spec, "mmrig kernel build --tree");
    config = put(fixture, "linux/.config", "", 0);
    assert_refused(spec, "mrproper");
}

static void put_entry(const Fixture *fixture, const char *name, const char *source,
                      const char *version)
{
    g_autofree char *config_name = g_strdup_printf("mmrig/kernels/%s/config", name);
    g_autofree char *config = put(fixture, config_name, config_text, -1);
    g_autofree char *folder = g_path_get_dirname(config);
    g_autoptr(GError) error = NULL;
    MmrigKernelInfo info = {
        .source = (char *)source,
        .origin = (char *)"here",
        .version = (char *)version,
        .release = (char *)version,
        .image = (char *)"image",
        .modules = (char *)"lib/modules",
        .config = (char *)"config",
        .id = (char *)name,
    };

    g_assert_true(mmrig_kernel_info_save(&info, folder, &error));
    g_assert_no_error(error);
}

static void test_list(Fixture *fixture, gconstpointer data)
{
    static const char *const expected[] = {"d10", "d9", "t"};
    g_autoptr(GPtrArray) infos = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *damaged = NULL;

    (void)data;
    put_entry(fixture, "t", "tree", "6.12.0");
    put_entry(fixture, "d9", "distro", "6.1.9-1");
    put_entry(fixture, "d10", "distro", "6.1.10-1");
    put_entry(fixture, ".partial-1-x", "distro", "9");
    infos = mmrig_kernel_list(NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(infos->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < infos->len; i++) {
        const MmrigKernelInfo *info = g_ptr_array_index(infos, i);

        g_assert_cmpstr(info->id, ==, expected[i]);
        g_assert_cmpuint(info->size, >, 0);
    }
    kernel = find("distro", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->release, ==, "6.1.10-1");
    g_assert_true(g_str_has_suffix(kernel->image, "/d10/image"));
    g_assert_null(mmrig_kernel_lacks(kernel, (const char *const[]){"CONFIG_A", NULL}));

    /* One that cannot be read is passed over with a word, and not the end of the others. */
    damaged = put(fixture, "mmrig/kernels/d10/kernel.ini", "[kernel]\nsource=distro\n", -1);
    g_clear_pointer(&kernel, mmrig_kernel_free);
    kernel = find("distro", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kernel->release, ==, "6.1.9-1");
    g_assert_cmpuint(kernel->notes->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(kernel->notes, 0), damaged));
    g_autofree char *gone = g_build_filename(fixture->folder, "mmrig/kernels/d9", NULL);
    g_assert_true(mmrig_remove_tree(gone, NULL));
    assert_refused("distro", damaged);
}

static char *digest(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *note = NULL;
    char *text = mmrig_kernel_source_digest(path, &note, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(strlen(text), ==, 64);
    return text;
}

static void test_source_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file G_GNUC_UNUSED = put(fixture, "linux/mm/memory.c", "one", -1);
    g_autofree char *tree = g_build_filename(fixture->folder, "linux", NULL);
    g_autofree char *first = digest(tree);
    g_autofree char *again = digest(tree);
    g_autofree char *ignored G_GNUC_UNUSED = put(fixture, "linux/.git/index", "x", -1);
    g_autofree char *with_git = digest(tree);
    g_autofree char *other = NULL;

    (void)data;
    g_assert_cmpstr(first, ==, again);
    /* A .git that git does not know for one is left out of the walk. */
    g_free(put(fixture, "linux/.git/index", "yy", -1));
    other = digest(tree);
    g_assert_cmpstr(with_git, ==, other);
    g_free(other);
    g_free(put(fixture, "linux/mm/memory.c", "three", -1));
    other = digest(tree);
    g_assert_cmpstr(with_git, !=, other);
}

static void test_source_archive(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = put(fixture, "a.tar.xz", "one", -1);
    g_autofree char *copy = put(fixture, "b.tar.xz", "one", -1);
    g_autofree char *first = digest(file);
    g_autofree char *again = digest(file);
    g_autofree char *same = digest(copy);
    g_autofree char *other = NULL;

    (void)data;
    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, ==, same);
    g_free(put(fixture, "a.tar.xz", "three", -1));
    other = digest(file);
    g_assert_cmpstr(first, !=, other);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kernel/spec/good", test_spec_good);
    g_test_add_func("/kernel/spec/relative", test_spec_relative);
    g_test_add_func("/kernel/spec/bad", test_spec_bad);
    g_test_add_func("/kernel/config/parse", test_config_parse);
    g_test_add_func("/kernel/config/lacks", test_lacks);
    g_test_add_func("/kernel/config/verify", test_verify);
    g_test_add_func("/kernel/config/verify-choice", test_verify_choice);
    g_test_add_func("/kernel/config/own-fragments", test_own_fragments);
#define ADD(path, function)                                                                    \
    g_test_add("/kernel/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("config/fragments", test_fragments);
    ADD("path/bzimage", test_bzimage);
    ADD("path/bzimage-hostile", test_bzimage_hostile);
    ADD("path/vmlinux", test_vmlinux);
    ADD("path/vmlinux-damaged", test_vmlinux_damaged);
    ADD("path/bad", test_path_bad);
    ADD("path/modules", test_path_modules);
    ADD("missing", test_missing);
    ADD("list", test_list);
    ADD("source/folder", test_source_folder);
    ADD("source/archive", test_source_archive);
#undef ADD
    return g_test_run();
}
