/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to the end, through signals and short counts; and what is no file to read. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/input.h"
#include "base/io.h"
#include "base/store.h"

#define SIZE (4 * 1024 * 1024)

static void on_signal(int number G_GNUC_UNUSED)
{
}

typedef struct {
    int fd;
    pthread_t writer;
    gsize got;
    guint signals;
} Reader;

/* Reads slowly enough for the pipe to be full, and disturbs who writes before each piece. */
static gpointer reader_run(gpointer data)
{
    Reader *reader = data;
    static char bytes[8192];
    gssize got;

    do {
        pthread_kill(reader->writer, SIGUSR1);
        reader->signals++;
        got = read(reader->fd, bytes, sizeof(bytes));
        if (got > 0)
            reader->got += (gsize)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return NULL;
}

static void test_write_all(void)
{
    /* Without SA_RESTART, so that a write ends in the middle, or before it began. */
    const struct sigaction action = {.sa_handler = on_signal};
    g_autofree char *bytes = g_malloc0(SIZE);
    int fds[2];

    g_assert_cmpint(sigaction(SIGUSR1, &action, NULL), ==, 0);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    Reader reader = {.fd = fds[0], .writer = pthread_self()};
    GThread *thread = g_thread_new("reader", reader_run, &reader);
    gboolean done = mmrig_io_write_all(fds[1], bytes, SIZE);
    close(fds[1]);
    g_thread_join(thread);
    close(fds[0]);
    g_assert_true(done);
    g_assert_cmpuint(reader.got, ==, SIZE);
    g_assert_cmpuint(reader.signals, >, 100);
}

static void test_write_full(void)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_false(mmrig_io_write_all(fd, "x", 1));
    g_assert_cmpint(errno, ==, ENOSPC);
    g_assert_true(mmrig_io_write_all(fd, "x", 0));
    close(fd);
}

static void assert_input_refused(const char *path, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mmrig_input_open(path, "the thing", &error), ==, -1);
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, "the thing"));
    if (!strstr(error->message, why))
        g_error("'%s' does not say '%s'", error->message, why);
}

/* None of them is waited for: a FIFO has no writer here, and never gets one. */
static void test_input_special(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-io-XXXXXX", NULL);
    g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *missing = g_build_filename(folder, "missing", NULL);
    g_autofree char *below = g_build_filename(fifo, "x", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("fifo", link), ==, 0);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    assert_input_refused(fifo, "a FIFO");
    assert_input_refused(link, "a FIFO");
    assert_input_refused(path, "a socket");
    assert_input_refused(folder, "a folder");
    assert_input_refused("/dev/null", "a device");
    assert_input_refused(missing, "No such file");
    assert_input_refused(below, "Not a directory");
    close(fd);
    g_assert_true(mmrig_remove_tree(folder, NULL));
}

static void test_input_read(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-io-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "file", NULL);
    g_autoptr(GError) error = NULL;
    gsize size = 0;

    g_assert_true(g_file_set_contents(path, "four", 4, NULL));
    g_autofree char *text = mmrig_input_read(path, "the thing", 4, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "four");
    g_assert_cmpuint(size, ==, 4);
    g_assert_null(mmrig_input_read(path, "the thing", 3, NULL, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "more than 3 bytes"));
    g_clear_error(&error);
    g_assert_false(mmrig_input_check_folder(path, "the thing", &error));
    g_assert_nonnull(strstr(error->message, "a file, and a folder is wanted"));
    g_clear_error(&error);
    g_assert_true(mmrig_input_check_folder(folder, "the thing", &error));
    g_assert_no_error(error);
    g_assert_true(mmrig_remove_tree(folder, NULL));
}

/* What was there before does not stay behind what is shorter. */
static void test_set_text(void)
{
    g_autofree char *folder = g_dir_make_tmp("mmrig-io-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "file", NULL);
    g_autoptr(GError) error = NULL;

    for (const char *const *text = (const char *const[]){"longer", "short", "", NULL}; *text;
         text++) {
        g_autofree char *found = NULL;
        g_assert_true(mmrig_io_set_text(path, *text, 0600, &error));
        g_assert_true(g_file_get_contents(path, &found, NULL, NULL));
        g_assert_cmpstr(found, ==, *text);
    }
    g_assert_false(mmrig_io_set_text("/dev/full", "x", 0600, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_assert_cmpstr(error->message, ==, "cannot write /dev/full: No space left on device");
    g_clear_error(&error);
    g_assert_false(mmrig_io_set_text(folder, "x", 0600, &error));
    g_assert_nonnull(strstr(error->message, "Is a directory"));
    g_assert_true(mmrig_remove_tree(folder, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/write-all", test_write_all);
    g_test_add_func("/io/write-full", test_write_full);
    g_test_add_func("/io/set-text", test_set_text);
    g_test_add_func("/input/special", test_input_special);
    g_test_add_func("/input/read", test_input_read);
    return g_test_run();
}
