/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a source tree to a kernel: tinyconfig, the fragments on top, olddefconfig, a check
 * that every option came out as asked, and the compilation, all out of tree. The same
 * source, fragments and compiler give the same kernel: its time, user and host are fixed.
 * Modules are compiled against what was kept of that.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "kernel-private.h"

typedef struct {
    const char *source;
    const char *objects; /* NULL: none of its own (modules) */
    guint jobs;
    MmrigProgress *progress;
} Compile;

/* A line of kbuild's, as "  CC      mm/memory.o": one more file. */
static void count_line(const char *line, gpointer data)
{
    static const char *const steps[] = {"  CC ", "  AS ", "  HOSTCC ", "  LDS "};
    MmrigProgress *progress = data;
    guint count = 0;

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
        count |= g_str_has_prefix(line, steps[i]);
    mmrig_progress_step(progress, count);
}

/*
 * make, with nothing of the caller's environment that kbuild would listen to: mmrig may
 * itself have been started by a make.
 */
static GPtrArray *compile_make_argv(const Compile *compile)
{
    static const char *const fixed[] = {
        "env",
        "-u",
        "MAKEFLAGS",
        "-u",
        "MFLAGS",
        "-u",
        "GNUMAKEFLAGS",
        "-u",
        "MAKELEVEL",
        "-u",
        "KBUILD_OUTPUT",
        "-u",
        "KBUILD_EXTMOD",
        "-u",
        "KCONFIG_CONFIG",
        "-u",
        "KCONFIG_ALLCONFIG",
        "-u",
        "KCFLAGS",
        "-u",
        "KAFLAGS",
        "-u",
        "KCPPFLAGS",
        "-u",
        "CROSS_COMPILE",
        "-u",
        "LLVM",
        "-u",
        "O",
        "-u",
        "V",
        "LC_ALL=C",
        "make",
        "--no-print-directory",
        "CC=gcc",
        "LOCALVERSION=-mmrig",
        "KBUILD_BUILD_TIMESTAMP=1970-01-01 00:00:00 UTC",
        "KBUILD_BUILD_VERSION=1",
        "KBUILD_BUILD_USER=mmrig",
        "KBUILD_BUILD_HOST=mmrig",
    };
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, g_strdup(fixed[i]));
    g_ptr_array_add(argv, g_strconcat("ARCH=", mmrig_arch_default()->kbuild, NULL));
    g_ptr_array_add(argv, g_strdup("-C"));
    g_ptr_array_add(argv, g_strdup(compile->source));
    if (compile->objects)
        g_ptr_array_add(argv, g_strconcat("O=", compile->objects, NULL));
    g_ptr_array_add(argv, g_strdup_printf("-j%u", compile->jobs));
    return argv;
}

static gboolean compile_make(const Compile *compile, GError **error, const char *const *targets)
{
    g_autoptr(GPtrArray) argv = compile_make_argv(compile);
    g_autoptr(GError) cause = NULL;

    for (guint i = 0; targets[i]; i++)
        g_ptr_array_add(argv, g_strdup(targets[i]));
    g_ptr_array_add(argv, NULL);
    if (mmrig_child_follow((const char *const *)argv->pdata, NULL, count_line,
                           compile->progress, &cause))
        return TRUE;
    g_set_error(error, cause->domain, cause->code, "%s: make %s: %s", compile->source,
                targets[0], cause->message);
    return FALSE;
}

/* The configuration: *modular says whether anything in it is a module. */
static gboolean compile_configure(const Compile *compile, const char *fragments,
                                  gboolean *modular, GError **error)
{
    static const char *const tiny[] = {"tinyconfig", NULL};
    static const char *const complete[] = {"olddefconfig", NULL};
    g_autofree char *path = g_build_filename(compile->objects, ".config", NULL);
    g_autofree char *base = NULL;
    g_autofree char *expanded = NULL, *merged = NULL;
    g_autoptr(GHashTable) config = NULL;
    GHashTableIter iter;
    gpointer value;

    if (!compile_make(compile, error, tiny) || !g_file_get_contents(path, &base, NULL, error))
        return FALSE;
    /* For kconfig the last line on an option counts. */
    expanded = mmrig_kernel_config_expand(fragments);
    merged = g_strconcat(base, "\n", expanded, NULL);
    if (!g_file_set_contents(path, merged, -1, error) ||
        !compile_make(compile, error, complete))
        return FALSE;
    config = mmrig_kernel_config_load(path, error);
    if (!config || !mmrig_kernel_config_verify(fragments, config, error))
        return FALSE;
    *modular = FALSE;
    g_hash_table_iter_init(&iter, config);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        *modular |= strcmp(value, "m") == 0;
    return TRUE;
}

char *mmrig_kernel_path_strange(const char *path)
{
    /* kbuild refuses blanks and colons; make and the shell give the others a meaning. */
    const char *strange = strpbrk(path, " \t\n:'\"`$\\#%;&|()<>*?[]!");

    if (!strange)
        return NULL;
    return g_ascii_isspace(*strange) ? g_strdup("a blank")
                                     : g_strdup_printf("the character %c", *strange);
}

gboolean mmrig_kernel_build_place(const char *cache, GError **error)
{
    g_autofree char *strange = mmrig_kernel_path_strange(cache);

    if (!strange)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "%s: nothing of a kernel can be compiled in a cache with %s in its path; set "
                "XDG_CACHE_HOME to a folder without it",
                cache, strange);
    return FALSE;
}

typedef struct {
    const char *from; /* below the objects */
    const char *to;   /* below the target; MODULES: the same name in its modules folder */
} Kept;

#define MODULES ""

static gboolean compile_keep(const Compile *compile, const char *target, const char *release,
                             GError **error)
{
    const MmrigArch *arch = mmrig_arch_default();
    const Kept files[] = {
        {arch->kernel_image_path, arch->kernel_image},
        {".config", "config"},
        {"System.map", "System.map"},
        {"modules.builtin", MODULES},
        {"modules.builtin.modinfo", MODULES},
    };
    g_autofree char *modules = g_build_filename(target, "lib", "modules", release, NULL);

    if (g_mkdir_with_parents(modules, 0755) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", modules, g_strerror(errno));
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from = g_build_filename(compile->objects, files[i].from, NULL);
        g_autofree char *to = strcmp(files[i].to, MODULES) == 0
                                  ? g_build_filename(modules, files[i].from, NULL)
                                  : g_build_filename(target, files[i].to, NULL);
        g_autoptr(GFile) source = g_file_new_for_path(from);
        g_autoptr(GFile) copy = g_file_new_for_path(to);

        if (!g_file_copy(source, copy, G_FILE_COPY_OVERWRITE | G_FILE_COPY_TARGET_DEFAULT_PERMS,
                         NULL, NULL, NULL, error))
            return FALSE;
    }
    return TRUE;
}

/* Modules go to target/lib/modules, where also keep() and depmod expect them. */
static gboolean install_modules(const Compile *compile, const char *target, const char *release,
                                GError **error)
{
    g_autofree char *path = g_strconcat("INSTALL_MOD_PATH=", target, NULL);
    /* Where kbuild leaves a link to the objects, which are about to go. */
    g_autofree char *build = g_build_filename(target, "lib", "modules", release, "build", NULL);
    /* DEPMOD=true: it is run once, for kernels with and without modules alike. */
    const char *const arguments[] = {"modules_install", path, "INSTALL_MOD_STRIP=1",
                                     "DEPMOD=true", NULL};

    return compile_make(compile, error, arguments) && mmrig_remove_tree(build, error);
}

/*
 * What modules are compiled against, below target: kbuild's own choice of headers, scripts and
 * symbols. Trees before Linux 6.6 cannot say what that is; modules are then not to be had.
 */
static gboolean keep_extmod(const Compile *compile, const char *target, GError **error)
{
    g_autofree char *script =
        g_build_filename(compile->source, "scripts", "package", "install-extmod-build", NULL);
    g_autofree char *command = g_strdup_printf(
        "KBUILD_RUN_COMMAND=$(CONFIG_SHELL) $(srctree)/scripts/package/install-extmod-build "
        "%s/" MMRIG_KERNEL_EXTMOD,
        target);
    const char *const arguments[] = {"run-command", command, NULL};

    return !g_file_test(script, G_FILE_TEST_IS_REGULAR) ||
           compile_make(compile, error, arguments);
}

static char *read_release(const Compile *compile, GError **error)
{
    g_autofree char *path =
        g_build_filename(compile->objects, "include", "config", "kernel.release", NULL);
    char *release = NULL;

    if (g_file_get_contents(path, &release, NULL, error))
        g_strstrip(release);
    return release;
}

/* An uncompressed kernel that QEMU starts by its note; the rest is started by the image. */
static gboolean keep_vmlinux(const Compile *compile, const char *target, GError **error)
{
    g_autofree char *vmlinux = g_build_filename(compile->objects, "vmlinux", NULL);
    g_autofree char *stripped = g_build_filename(target, "vmlinux", NULL);
    /* The note, which is loaded, stays; symbols are in System.map. */
    const char *const strip[] = {"strip", "-o", stripped, vmlinux, NULL};

    return !mmrig_arch_default()->kernel_note || mmrig_child_run(strip, NULL, NULL, error);
}

static gboolean compile_all(const Compile *compile, const char *target, const char *fragments,
                            char **release, GError **error)
{
    const char *targets[] = {mmrig_arch_default()->kernel_image, NULL, NULL};
    gboolean modular;

    if (!compile_configure(compile, fragments, &modular, error))
        return FALSE;
    if (modular)
        targets[1] = "modules";
    if (!compile_make(compile, error, targets))
        return FALSE;
    *release = read_release(compile, error);
    return *release && keep_vmlinux(compile, target, error) &&
           (!modular || install_modules(compile, target, *release, error)) &&
           compile_keep(compile, target, *release, error) &&
           (!modular || keep_extmod(compile, target, error)) &&
           mmrig_kernel_depmod(target, *release, error);
}

gboolean mmrig_kernel_compile(const char *source, const char *objects, const char *target,
                              const char *fragments, guint jobs, char **release, GError **error)
{
    MmrigProgress progress;
    Compile compile = {
        .source = source,
        .objects = objects,
        .jobs = jobs ? jobs : g_get_num_processors(),
        .progress = &progress,
    };
    gboolean done;

    *release = NULL;
    mmrig_progress_start(&progress, "compiling the kernel");
    done = compile_all(&compile, target, fragments, release, error);
    mmrig_progress_end(&progress);
    if (!done)
        g_clear_pointer(release, g_free);
    return done;
}

/* The major version of the compiler that the kernel was built with, or 0. */
static guint extmod_compiler(const char *extmod)
{
    g_autofree char *path = g_build_filename(extmod, "include", "config", "auto.conf", NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *line = strstr(text, "\nCONFIG_GCC_VERSION=");
    return line ? (guint)(g_ascii_strtoull(strchr(line, '=') + 1, NULL, 10) / 10000) : 0;
}

/* Whether the compiler takes the option. */
static gboolean compiler_takes(const char *compiler, const char *option)
{
    const char *const argv[] = {compiler, option,      "-x",        "c", "-S",
                                "-o",     "/dev/null", "/dev/null", NULL};

    return mmrig_child_run(argv, NULL, NULL, NULL);
}

/*
 * Arguments for make by which modules are compiled with what this host has: the compiler of the
 * kernel's version if there is one, else gcc, without the options of the kernel's that it does
 * not know and that change no interface.
 */
static void modules_arguments(const char *extmod, GPtrArray *arguments)
{
    static const char *const own[] = {"gcc", "-dumpversion", NULL};
    static const char *const options[][2] = {
        {"CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT", "-fmin-function-alignment=16"}};
    /* Types for BPF, packing and signing: what a guest's test has no use for, and takes tools.
     */
    static const char *const without[] = {
        "CONFIG_DEBUG_INFO_BTF_MODULES", "CONFIG_MODULE_COMPRESS_GZIP",
        "CONFIG_MODULE_COMPRESS_XZ", "CONFIG_MODULE_COMPRESS_ZSTD", "CONFIG_MODULE_SIG_ALL"};
    g_autofree char *compiler = g_strdup("gcc"), *version = NULL;
    guint wanted = extmod_compiler(extmod);

    if (wanted > 0 && mmrig_child_run(own, NULL, &version, NULL) &&
        g_ascii_strtoull(version, NULL, 10) != wanted) {
        g_autofree char *other = g_strdup_printf("gcc-%u", wanted);
        g_autofree char *found = mmrig_child_find(other, NULL, NULL);

        if (found) {
            g_free(compiler);
            compiler = g_steal_pointer(&other);
        }
    }
    g_ptr_array_add(arguments, g_strconcat("CC=", compiler, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(without); i++)
        g_ptr_array_add(arguments, g_strconcat(without[i], "=", NULL));
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (!compiler_takes(compiler, options[i][1]))
            g_ptr_array_add(arguments, g_strconcat(options[i][0], "=", NULL));
}

/*
 * Whether the programs that came with the headers run on this host: those of a newer Debian
 * want a newer C library.
 */
static gboolean modules_check_tools(const char *extmod, GError **error)
{
    g_autofree char *tool = g_build_filename(extmod, "tools", "objtool", "objtool", NULL);
    /* Debian's is a script, which chooses a program by that. */
    g_autofree char *arch = g_strconcat("SRCARCH=", mmrig_arch_default()->kernel_folder, NULL);
    const char *const argv[] = {"env", arch, tool, "--help", NULL};
    g_autoptr(GError) cause = NULL;

    if (!g_file_test(tool, G_FILE_TEST_IS_EXECUTABLE) ||
        mmrig_child_run(argv, NULL, NULL, &cause))
        return TRUE;
    const char *library = strstr(cause->message, "GLIBC_");
    if (!library)
        return TRUE; /* it has no help, but it runs */
    g_set_error(
        error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
        "mmrig's own modules cannot be compiled for this kernel here: the tools in its "
        "headers want a newer C library (%.*s); run mmrig on the Debian that the kernel "
        "is of",
        (int)strspn(library, "GLIBC_.0123456789"), library);
    return FALSE;
}

gboolean mmrig_kernel_compile_modules(const char *extmod, const char *sources,
                                      const char *target, GError **error)
{
    MmrigProgress progress;
    const Compile compile = {
        .source = extmod,
        .jobs = g_get_num_processors(),
        .progress = &progress,
    };
    g_autofree char *to = g_strconcat("INSTALL_MOD_PATH=", target, NULL);
    const char *const install[] = {to, "INSTALL_MOD_STRIP=1", "DEPMOD=true",
                                   "INSTALL_MOD_DIR=mmrig"};
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    gboolean done;

    if (!modules_check_tools(extmod, error))
        return FALSE;
    g_ptr_array_add(arguments, g_strdup("modules"));
    g_ptr_array_add(arguments, g_strconcat("M=", sources, NULL));
    modules_arguments(extmod, arguments);
    g_ptr_array_add(arguments, NULL);
    mmrig_progress_start(&progress, "compiling mmrig's kernel modules");
    done = compile_make(&compile, error, (const char *const *)arguments->pdata);
    g_ptr_array_set_size(arguments, (gint)arguments->len - 1);
    for (guint i = 0; i < G_N_ELEMENTS(install); i++)
        g_ptr_array_add(arguments, g_strdup(install[i]));
    g_ptr_array_add(arguments, NULL);
    g_free(arguments->pdata[0]);
    arguments->pdata[0] = g_strdup("modules_install");
    done = done && compile_make(&compile, error, (const char *const *)arguments->pdata);
    mmrig_progress_end(&progress);
    return done;
}
