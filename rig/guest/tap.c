/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

/* What is kept for mmrig_tap_tail(). */
#define TAIL_BYTES (16 * 1024)

struct MmrigTap {
    int fd;
    GSource *source;
    int file; /* -1: none, or no more of it */
    char *path;
    gsize room; /* bytes that may still be written to the file */
    guint64 total;
    GString *tail; /* up to twice TAIL_BYTES, trimmed when it gets there */
    GError *error;
    MmrigTapData callback;
    gpointer data;
};

static void tap_save(MmrigTap *tap, const char *bytes, gsize size)
{
    static const char cut[] = "\n[mmrig: the rest was cut off]\n";
    gsize take = MIN(size, tap->room);

    if (tap->file < 0)
        return;
    gboolean done = mmrig_io_write_all(tap->file, bytes, take);
    tap->room -= take;
    if (done && take < size)
        done = mmrig_io_write_all(tap->file, cut, sizeof(cut) - 1);
    if (!done)
        g_set_error(&tap->error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write %s: %s", tap->path,
                    g_strerror(errno));
    if (!done || take < size) {
        close(tap->file);
        tap->file = -1;
    }
}

/* Reads once. Returns FALSE if there is no more to read now (or ever). */
static gboolean tap_read_some(MmrigTap *tap, gboolean *end)
{
    char buffer[64 * 1024];
    ssize_t got = read(tap->fd, buffer, sizeof(buffer));

    *end = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    tap->total += (guint64)got;
    tap_save(tap, buffer, (gsize)got);
    g_string_append_len(tap->tail, buffer, got);
    if (tap->tail->len > 2 * TAIL_BYTES)
        g_string_erase(tap->tail, 0, (gssize)(tap->tail->len - TAIL_BYTES));
    if (tap->callback)
        tap->callback(buffer, (gsize)got, tap->data);
    return TRUE;
}

static gboolean tap_on_readable(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                                gpointer data)
{
    gboolean end;

    tap_read_some(data, &end);
    return end ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

MmrigTap *mmrig_tap_new(int fd, const char *path, gsize limit, MmrigTapData callback,
                        gpointer data, GError **error)
{
    int file = -1;

    if (path) {
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (file < 0) {
            g_set_error(error, MMRIG_ERROR, (int)mmrig_error_of_errno(errno),
                        "cannot write %s: %s", path, g_strerror(errno));
            close(fd);
            return NULL;
        }
    }
    if (!g_unix_set_fd_nonblocking(fd, TRUE, error)) {
        close(fd);
        if (file >= 0)
            close(file);
        return NULL;
    }
    MmrigTap *tap = g_new0(MmrigTap, 1);
    tap->fd = fd;
    tap->file = file;
    tap->path = g_strdup(path);
    tap->room = limit;
    tap->tail = g_string_new(NULL);
    tap->callback = callback;
    tap->data = data;
    tap->source = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP);
    g_source_set_callback(tap->source, G_SOURCE_FUNC(tap_on_readable), tap, NULL);
    g_source_attach(tap->source, g_main_context_get_thread_default());
    return tap;
}

void mmrig_tap_free(MmrigTap *tap)
{
    if (!tap)
        return;
    g_source_destroy(tap->source);
    g_source_unref(tap->source);
    close(tap->fd);
    if (tap->file >= 0)
        close(tap->file);
    g_free(tap->path);
    g_string_free(tap->tail, TRUE);
    g_clear_error(&tap->error);
    g_free(tap);
}

void mmrig_tap_drain(MmrigTap *tap)
{
    gboolean end;

    while (tap_read_some(tap, &end))
        ;
}

guint64 mmrig_tap_total(const MmrigTap *tap)
{
    return tap->total;
}

char *mmrig_tap_tail(const MmrigTap *tap, guint lines)
{
    char *text = mmrig_text_clean_lines(tap->tail->str, tap->tail->len);
    char *start = text, *end = text + strlen(text);

    while (end > text && end[-1] == '\n')
        end--;
    *end = '\0';
    for (start = end; start > text && lines > 0; start--)
        if (start[-1] == '\n' && --lines == 0)
            break;
    memmove(text, start, (gsize)(end - start) + 1);
    return text;
}

const GError *mmrig_tap_error(const MmrigTap *tap)
{
    return tap->error;
}
