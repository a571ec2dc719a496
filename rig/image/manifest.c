/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manifests: one line for each thing in the image, words separated by blanks. What each
 * line may say is in docs/images.md; anything else is refused with its line number.
 */
#include "image-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define MANIFEST_MAX (256 * 1024)
#define WORDS_MAX    256

/* One line, taken apart: what it says, its plain words, its OPTION=VALUE words. */
typedef struct {
    const char *words[WORDS_MAX];
    guint count;
    const char *mode;
    const char *package;
} Line;

typedef struct {
    const char *name;
    guint min, max; /* plain words after the name */
    gboolean mode, package;
    gboolean (*add)(MmrigImage *image, const Line *line, GError **error);
    const char *usage;
} Directive;

static gboolean manifest_wrong(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean manifest_wrong(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, text);
    return FALSE;
}

static gboolean parse_mode(const Line *line, guint otherwise, guint *mode, GError **error)
{
    guint64 value;

    *mode = otherwise;
    if (!line->mode)
        return TRUE;
    if (!g_ascii_string_to_unsigned(line->mode, 8, 0, 07777, &value, NULL))
        return manifest_wrong(error, "mode '%s' is not an octal number up to 7777", line->mode);
    *mode = (guint)value;
    return TRUE;
}

/* A path on the host, as strictly written as those of the guest. */
static gboolean check_host_path(const char *path, GError **error)
{
    g_autofree char *clean = NULL;

    if (!g_path_is_absolute(path))
        return manifest_wrong(error, "host path '%s' is not absolute", path);
    clean = g_canonicalize_filename(path, "/");
    if (g_strcmp0(clean, path) != 0)
        return manifest_wrong(error, "host path '%s' would be written '%s'", path, clean);
    return TRUE;
}

static gboolean add_folder(MmrigImage *image, const Line *line, GError **error)
{
    guint mode;

    return parse_mode(line, 0755, &mode, error) &&
           mmrig_image_add_folder(image, line->words[0], mode, error);
}

static gboolean manifest_add_file(MmrigImage *image, const Line *line, GError **error)
{
    const char *host = line->words[line->count - 1];
    guint mode;

    if (!check_host_path(host, error) || !parse_mode(line, 0644, &mode, error))
        return FALSE;
    if (line->package && !g_file_test(host, G_FILE_TEST_EXISTS))
        return manifest_wrong(
            error,
            "file %s, which the image needs, is not on this host; mend it with: apt-get "
            "install %s",
            host, line->package);
    return mmrig_image_add_file(image, line->words[0], host, mode, error);
}

static gboolean add_program(MmrigImage *image, const Line *line, GError **error)
{
    if (line->words[0][0] == '/' && !check_host_path(line->words[0], error))
        return FALSE;
    return mmrig_image_add_program(image, line->words[0], line->package, error);
}

static gboolean manifest_add_link(MmrigImage *image, const Line *line, GError **error)
{
    return mmrig_image_add_link(image, line->words[0], line->words[1], error);
}

static gboolean add_applets(MmrigImage *image, const Line *line, GError **error)
{
    const char *program = line->words[0], *folder = line->words[1];

    for (guint i = 2; i < line->count; i++) {
        g_autofree char *path = g_strconcat(folder, "/", line->words[i], NULL);
        if (strchr(line->words[i], '/'))
            return manifest_wrong(error, "applet '%s' is not a plain name", line->words[i]);
        if (!mmrig_image_add_weak_link(image, path, program, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean manifest_add_device(MmrigImage *image, const Line *line, GError **error)
{
    gboolean character = g_strcmp0(line->words[1], "char") == 0;
    guint64 major, minor;
    guint mode;

    if (!character && g_strcmp0(line->words[1], "block") != 0)
        return manifest_wrong(error, "'%s' is neither char nor block", line->words[1]);
    if (!g_ascii_string_to_unsigned(line->words[2], 10, 0, G_MAXUINT, &major, NULL) ||
        !g_ascii_string_to_unsigned(line->words[3], 10, 0, G_MAXUINT, &minor, NULL))
        return manifest_wrong(error, "'%s %s' is not a device number", line->words[2],
                              line->words[3]);
    return parse_mode(line, 0600, &mode, error) &&
           mmrig_image_add_device(image, line->words[0], mode | (character ? S_IFCHR : S_IFBLK),
                                  (guint)major, (guint)minor, error);
}

static const Directive directives[] = {
    {"folder", 1, 1, TRUE, FALSE, add_folder, "folder PATH [mode=MODE]"},
    {"file", 1, 2, TRUE, TRUE, manifest_add_file,
     "file PATH [HOST-PATH] [mode=MODE] [package=PACKAGE]"},
    {"program", 1, 1, FALSE, TRUE, add_program, "program NAME [package=PACKAGE]"},
    {"link", 2, 2, FALSE, FALSE, manifest_add_link, "link PATH TARGET"},
    {"applets", 3, WORDS_MAX, FALSE, FALSE, add_applets, "applets PROGRAM FOLDER NAME..."},
    {"device", 4, 4, TRUE, FALSE, manifest_add_device,
     "device PATH char|block MAJOR MINOR [mode=MODE]"},
};

static const Directive *find_directive(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(directives); i++)
        if (g_strcmp0(directives[i].name, name) == 0)
            return &directives[i];
    return NULL;
}

/* Sorts a word into the line: an option of the directive, or a plain word. */
static gboolean take_word(const Directive *directive, Line *line, const char *word,
                          GError **error)
{
    const char **option = NULL;

    if (g_str_has_prefix(word, "mode=") && directive->mode)
        option = &line->mode;
    else if (g_str_has_prefix(word, "package=") && directive->package)
        option = &line->package;
    if (option) {
        if (*option)
            return manifest_wrong(error, "'%s' is the second of its kind", word);
        *option = strchr(word, '=') + 1;
        if (**option == '\0')
            return manifest_wrong(error, "'%s' has no value", word);
        return TRUE;
    }
    if (strchr(word, '='))
        return manifest_wrong(error, "unknown option '%s'; right would be: %s", word,
                              directive->usage);
    if (line->count == WORDS_MAX)
        return manifest_wrong(error, "more than %d words", WORDS_MAX);
    line->words[line->count++] = word;
    return TRUE;
}

static gboolean manifest_add_line(MmrigImage *image, char *text, GError **error)
{
    const Directive *directive = NULL;
    Line line = {.count = 0};
    char *rest = NULL;

    for (const char *at = text; *at != '\0'; at++)
        if (*at != '\t' && (*at < 0x20 || *at > 0x7e))
            return manifest_wrong(error, "a character that is not printable ASCII");
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (directive) {
            if (!take_word(directive, &line, word, error))
                return FALSE;
        } else if (!(directive = find_directive(word))) {
            return manifest_wrong(error,
                                  "unknown key '%s'; there are folder, file, program, link, "
                                  "applets and device",
                                  word);
        }
    }
    if (!directive)
        return TRUE;
    if (line.count < directive->min || line.count > directive->max)
        return manifest_wrong(error, "wrong number of words; right would be: %s",
                              directive->usage);
    return directive->add(image, &line, error);
}

gboolean mmrig_image_add_manifest_text(MmrigImage *image, const char *text, gsize size,
                                       const char *path, GError **error)
{
    if (size > MANIFEST_MAX)
        return manifest_wrong(error, "%s: longer than %d bytes", path, MANIFEST_MAX);
    if (memchr(text, '\0', size))
        return manifest_wrong(error, "%s: not a text file", path);
    g_autofree char *copy = g_strndup(text, size);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (lines[i][strspn(lines[i], " \t")] == '#')
            continue;
        if (!manifest_add_line(image, lines[i], error)) {
            g_prefix_error(error, "%s:%u: ", path, i + 1);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean mmrig_image_add_manifest(MmrigImage *image, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) problem = NULL;
    struct stat info;
    gsize size;

    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return manifest_wrong(error, "cannot read manifest %s: %s", path, g_strerror(errno));
    if (!S_ISREG(info.st_mode))
        return manifest_wrong(error, "manifest %s is not a file", path);
    if (info.st_size > MANIFEST_MAX)
        return manifest_wrong(error, "%s: longer than %d bytes", path, MANIFEST_MAX);
    if (!g_file_get_contents(path, &text, &size, &problem))
        return manifest_wrong(error, "cannot read manifest: %s", problem->message);
    return mmrig_image_add_manifest_text(image, text, size, path, error);
}
