/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of the distribution, with what they need to start.
 *
 * Which libraries a program gets is for its dynamic loader to say, so the loader is asked
 * (--list). It is told to do without /etc/ld.so.cache, as the guest has none, and without
 * the variants for this host's CPU (glibc-hwcaps), as the guest's CPU is another one.
 *
 * The answer is kept in the cache under what stat says of the program and of the host's
 * ld.so.cache, which every installation of a library writes anew.
 */
#include "image-private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/child.h"
#include "base/error.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/store.h"
#include "guest-image.h"

#define LOADER_CACHE "/etc/ld.so.cache"

#define PROGRAM_HEADERS_MAX 1024
#define ANSWER_MAX          (256 * 1024)

/* Where Debian's packages have programs; /usr first, as the guest's is merged too. */
const char *const mmrig_image_program_folders[] = {"/usr/bin", "/usr/sbin", "/bin", "/sbin",
                                                   NULL};

/* The only loader that is ever run: a file's own idea of one is not to be trusted. */
static const char *programs_loader(void)
{
    return mmrig_arch_default()->elf_loader;
}

typedef enum { LINKED_STATICALLY, LINKED_DYNAMICALLY } Linkage;

static gboolean programs_refuse(const char *program, const char *why, GError **error)
{
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot put program %s in the image: %s",
                program, why);
    return FALSE;
}

static gboolean read_at(int fd, void *data, gsize size, guint64 offset)
{
    return offset <= G_MAXINT64 && pread(fd, data, size, (off_t)offset) == (gssize)size;
}

/* Whether the loader that the program names, with the zero at its end, is this one. */
static gboolean programs_has_loader(int fd, const Elf64_Phdr *header, const char *loader)
{
    gsize size = strlen(loader) + 1;
    g_autofree char *named = g_malloc(size);

    return header->p_filesz == size && read_at(fd, named, size, header->p_offset) &&
           memcmp(named, loader, size) == 0;
}

/* Looks for the program's loader (PT_INTERP in elf(5)). */
static gboolean read_linkage(const char *program, int fd, Linkage *linkage, GError **error)
{
    const MmrigArch *arch = mmrig_arch_default();
    Elf64_Ehdr file;

    if (!read_at(fd, &file, sizeof(file), 0) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0)
        return programs_refuse(program, "it is not an ELF program (a script cannot be added)",
                               error);
    if (file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_ident[EI_DATA] != ELFDATA2LSB ||
        file.e_machine != arch->elf_machine) {
        g_autofree char *why = g_strconcat("it is not for ", arch->title, NULL);
        return programs_refuse(program, why, error);
    }
    if (file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum > PROGRAM_HEADERS_MAX)
        return programs_refuse(program, "its program headers are malformed", error);
    *linkage = LINKED_STATICALLY;
    for (guint i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr header;
        if (!read_at(fd, &header, sizeof(header), file.e_phoff + i * sizeof(header)))
            return programs_refuse(program, "it is cut off", error);
        if (header.p_type != PT_INTERP)
            continue;
        if (!programs_has_loader(fd, &header, arch->elf_loader)) {
            g_autofree char *why =
                g_strconcat("its dynamic loader is not ", arch->elf_loader, NULL);
            return programs_refuse(program, why, error);
        }
        *linkage = LINKED_DYNAMICALLY;
    }
    return TRUE;
}

static gboolean find_linkage(const char *program, Linkage *linkage, GError **error)
{
    int fd = open(program, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return programs_refuse(program, g_strerror(errno), error);
    gboolean ok = read_linkage(program, fd, linkage, error);
    close(fd);
    return ok;
}

gboolean mmrig_image_is_static(const char *program)
{
    Linkage linkage;

    return find_linkage(program, &linkage, NULL) && linkage == LINKED_STATICALLY;
}

/* ---- What the loader says ------------------------------------------------------------- */

/*
 * One line of --list: "NAME => PATH (ADDRESS)", "PATH (ADDRESS)" for what has a path of its
 * own, "NAME => not found", or a bare name for what the kernel provides (linux-vdso).
 */
static gboolean programs_parse_line(const char *program, const char *line, GString *paths,
                                    GError **error)
{
    const char *arrow = strstr(line, " => ");
    const char *from = arrow ? arrow + strlen(" => ") : line;
    const char *end = strstr(from, " (0x");

    if (from[0] == '/' && end) {
        g_autofree char *asked = g_strndup(from, (gsize)(end - from));
        /* "$ORIGIN/../lib" leads to paths with "..". */
        g_autofree char *path = g_canonicalize_filename(asked, "/");
        g_string_append_printf(paths, "%s\n", path);
        return TRUE;
    }
    if (!arrow)
        return TRUE;
    g_autofree char *name = g_strndup(line, (gsize)(arrow - line));
    g_autofree char *why = g_strdup_printf(
        "its library %s is not in the loader's own folders, where alone the guest looks", name);
    return programs_refuse(program, why, error);
}

typedef struct {
    const char *program;
} AskContext;

/* Asks the loader, and writes a line for each library: its path. */
static gboolean ask_loader(int fd, gpointer data, GError **error)
{
    const AskContext *context = data;
    const char *const argv[] = {
        programs_loader(),
        "--inhibit-cache",
        "--glibc-hwcaps-mask",
        "none",
        "--list",
        context->program,
        NULL,
    };
    static char *const no_variables[] = {NULL};
    g_autoptr(GSubprocessLauncher) launcher =
        mmrig_child_launcher(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *output = NULL, *problem = NULL;

    g_subprocess_launcher_set_environ(launcher, (char **)no_variables);
    g_autoptr(GSubprocess) child = g_subprocess_launcher_spawnv(launcher, argv, error);
    if (!child || !g_subprocess_communicate_utf8(child, NULL, NULL, &output, &problem, error)) {
        g_prefix_error(error, "cannot run %s: ", programs_loader());
        return FALSE;
    }
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
    g_autoptr(GString) paths = g_string_new(NULL);
    for (gsize i = 0; lines[i]; i++)
        if (!programs_parse_line(context->program, g_strstrip(lines[i]), paths, error))
            return FALSE;
    if (!g_subprocess_get_if_exited(child) || g_subprocess_get_exit_status(child) != 0) {
        g_strdelimit(g_strstrip(problem), "\n", ' ');
        return programs_refuse(context->program, problem, error);
    }
    if (mmrig_io_write_all(fd, paths->str, paths->len))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot keep the libraries of %s: %s",
                context->program, g_strerror(errno));
    return FALSE;
}

/* The paths of the libraries that the program loads, the loader's own among them. */
static GStrv find_libraries(const char *program, GError **error)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("program 1");
    AskContext context = {.program = program};
    g_autofree char *text = NULL;
    gsize size;

    if (!mmrig_key_add_stat(key, program, error))
        return NULL;
    if (access(LOADER_CACHE, F_OK) == 0 && !mmrig_key_add_stat(key, LOADER_CACHE, error))
        return NULL;
    g_autofree char *folder = mmrig_path_cache("programs", error);
    if (!folder)
        return NULL;
    g_autofree char *path =
        mmrig_store_file(folder, mmrig_key_digest(key), ask_loader, &context, error);
    if (!path || !g_file_get_contents(path, &text, &size, error))
        return NULL;
    if (size > ANSWER_MAX || memchr(text, '\0', size)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s is damaged: remove it", path);
        return NULL;
    }
    return g_strsplit(text, "\n", -1);
}

/* ---- Finding and adding --------------------------------------------------------------- */

static char *find_program(const char *name)
{
    if (g_path_is_absolute(name))
        return g_file_test(name, G_FILE_TEST_IS_EXECUTABLE) ? g_strdup(name) : NULL;
    for (const char *const *folder = mmrig_image_program_folders; *folder; folder++) {
        g_autofree char *path = g_build_filename(*folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR) &&
            g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
            return g_steal_pointer(&path);
    }
    return NULL;
}

gboolean mmrig_image_add_program(MmrigImage *image, const char *name, const char *package,
                                 GError **error)
{
    Linkage linkage;

    if (name[0] == '\0' || (name[0] != '/' && strchr(name, '/'))) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "program '%s' is neither a name nor an absolute path", name);
        return FALSE;
    }
    g_autofree char *program = find_program(name);
    if (!program) {
        g_autofree char *hint =
            package ? g_strdup_printf("; mend it with: apt-get install %s", package) : NULL;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "program %s, which the image needs, is not on this host%s", name,
                    hint ? hint : "");
        return FALSE;
    }
    if (!find_linkage(program, &linkage, error) ||
        !mmrig_image_add_file(image, program, program, 0755, error))
        return FALSE;
    if (linkage == LINKED_STATICALLY)
        return TRUE;
    if (!mmrig_image_add_file(image, programs_loader(), programs_loader(), 0755, error))
        return FALSE;
    g_auto(GStrv) libraries = find_libraries(program, error);
    for (gsize i = 0; libraries && libraries[i]; i++)
        if (libraries[i][0] != '\0' &&
            !mmrig_image_add_file(image, libraries[i], libraries[i], 0755, error))
            return FALSE;
    return libraries != NULL;
}
