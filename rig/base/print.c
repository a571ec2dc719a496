/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "print.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"

/* The errno of the first failure; 0 while there was none. */
static int print_errno;

void mmrig_print_open(void)
{
    /* Standard output is opened for reading, so that writing to it fails. */
    static const int modes[] = {
        [STDIN_FILENO] = O_RDONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};

    for (int fd = 0; fd < (int)G_N_ELEMENTS(modes); fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* open() takes the lowest number that is free, and those below are not. */
        if (open("/dev/null", modes[fd]) != fd)
            _exit(MMRIG_EXIT_RIG);
    }
}

static void print_bytes(const char *bytes, gsize size)
{
    while (size > 0) {
        gssize written = -1;

        if (mmrig_interrupt_await_room(STDOUT_FILENO)) {
            written = write(STDOUT_FILENO, bytes, MIN(size, MMRIG_ROOM_BYTES));
            if (written < 0 && (errno == EINTR || errno == EAGAIN))
                continue;
        }
        if (written < 0) {
            print_errno = errno;
            return;
        }
        bytes += written;
        size -= (gsize)written;
    }
}

void mmrig_print(const char *format, ...)
{
    g_autofree char *text = NULL, *converted = NULL;
    const char *charset;
    va_list values;

    if (print_errno)
        return;
    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    if (!g_get_charset(&charset))
        converted = g_convert_with_fallback(text, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
    /*
     * If it cannot be converted it is not UTF-8, as a file's name may be, and is printed as it
     * is.
     */
    const char *bytes = converted ? converted : text;
    print_bytes(bytes, strlen(bytes));
}

gboolean mmrig_print_check(GError **error)
{
    if (!print_errno)
        return TRUE;
    if (print_errno == EINTR)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "interrupted while nobody read standard output");
    else if (print_errno == EBADF)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "standard output is closed; send it to a file or to /dev/null");
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write to standard output: %s",
                    g_strerror(print_errno));
    return FALSE;
}

struct MmrigPrintWatch {
    void (*gone)(gpointer data);
    gpointer data;
    guint source; /* 0 once it was called */
};

static gboolean print_on_gone(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                              gpointer data)
{
    MmrigPrintWatch *watch = data;

    watch->source = 0;
    if (!print_errno)
        print_errno = EPIPE;
    watch->gone(watch->data);
    return G_SOURCE_REMOVE;
}

MmrigPrintWatch *mmrig_print_watch_new(void (*gone)(gpointer data), gpointer data)
{
    MmrigPrintWatch *watch = g_new0(MmrigPrintWatch, 1);

    watch->gone = gone;
    watch->data = data;
    watch->source = g_unix_fd_add(STDOUT_FILENO, G_IO_ERR | G_IO_HUP, print_on_gone, watch);
    return watch;
}

void mmrig_print_watch_free(MmrigPrintWatch *watch)
{
    if (!watch)
        return;
    g_clear_handle_id(&watch->source, g_source_remove);
    g_free(watch);
}

MmrigExit mmrig_print_end(MmrigExit status)
{
    g_autoptr(GError) error = NULL;

    if (close(STDOUT_FILENO) != 0 && errno != EINTR && !print_errno)
        print_errno = errno;
    if (mmrig_print_check(&error) || status == MMRIG_EXIT_USAGE || status == MMRIG_EXIT_RIG)
        return status;
    return mmrig_error_report(error);
}
