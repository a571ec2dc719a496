/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What joins two machines, without the machines. */
#include "vm/link.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static guint count_files(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(folder))
        count++;
    return count;
}

static int take(MmrigLinks *links, const char *name)
{
    g_autoptr(GError) error = NULL;
    int fd = mmrig_links_take(links, name, &error);

    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* Bytes that are there to read now; -1 at the end, or 0 for nothing yet. */
static int receive(int fd, char *bytes, gsize size)
{
    ssize_t got = recv(fd, bytes, size, MSG_DONTWAIT);

    return got > 0 ? (int)got : got == 0 ? -1 : 0;
}

static void test_joins(void)
{
    g_autoptr(MmrigLinks) links = mmrig_links_new(NULL);
    int a = take(links, "x"), other = take(links, "y"), b = take(links, "x");
    char bytes[8];

    g_assert_cmpint(send(a, "to b", 4, 0), ==, 4);
    g_assert_cmpint(send(b, "to a!", 5, 0), ==, 5);
    g_assert_cmpint(receive(b, bytes, sizeof(bytes)), ==, 4);
    g_assert_cmpint(receive(a, bytes, sizeof(bytes)), ==, 5);
    g_assert_cmpint(receive(other, bytes, sizeof(bytes)), ==, 0);
    close(a);
    g_assert_cmpint(receive(b, bytes, sizeof(bytes)), ==, -1);
    close(b);
    close(other);
}

/* Both ends are open, take what is written, and nothing comes out. */
static void test_cut(void)
{
    g_autoptr(MmrigLinks) links = mmrig_links_new("x");
    int a = take(links, "x"), b = take(links, "x");
    char bytes[8];

    g_assert_cmpint(send(a, "to b", 4, 0), ==, 4);
    g_assert_cmpint(receive(b, bytes, sizeof(bytes)), ==, 0);
    g_assert_cmpint(receive(a, bytes, sizeof(bytes)), ==, 0);
    close(a);
    close(b);
}

static void test_alone(void)
{
    int a = take(NULL, "x");
    char bytes[8];

    g_assert_cmpint(receive(a, bytes, sizeof(bytes)), ==, -1);
    close(a);
}

static void test_drained(void)
{
    g_autoptr(MmrigLinks) links = mmrig_links_new(NULL);
    int a = take(links, "x"), b = take(links, "x");
    char bytes[10000] = {0};

    g_assert_cmpint(send(a, bytes, sizeof(bytes), 0), ==, sizeof(bytes));
    mmrig_link_drain(b);
    g_assert_cmpint(receive(b, bytes, sizeof(bytes)), ==, 0);
    g_assert_cmpint(send(a, "new", 3, 0), ==, 3);
    g_assert_cmpint(receive(b, bytes, sizeof(bytes)), ==, 3);
    close(a);
    close(b);
}

static void test_leaves_nothing(void)
{
    guint before = count_files();
    MmrigLinks *links = mmrig_links_new("y");

    close(take(links, "x"));
    close(take(links, "y"));
    close(take(links, "y"));
    mmrig_links_free(links);
    g_assert_cmpuint(count_files(), ==, before);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/joins", test_joins);
    g_test_add_func("/link/cut", test_cut);
    g_test_add_func("/link/alone", test_alone);
    g_test_add_func("/link/drained", test_drained);
    g_test_add_func("/link/leaves-nothing", test_leaves_nothing);
    return g_test_run();
}
