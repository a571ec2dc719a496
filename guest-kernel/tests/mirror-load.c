/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mirror-load.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#define PAGE_BYTES 4096ull
#define HUGE       (2ull << 20)

static void load_slab(void)
{
    char path[64];

    ASSERT_EQ(mount("load", "/mnt", "tmpfs", 0, NULL), 0);
    for (unsigned i = 0; i < LOAD_FILES; i++) {
        snprintf(path, sizeof(path), "/mnt/file-with-a-name-of-its-own-%u", i);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ASSERT_GE(fd, 0);
        close(fd);
    }
}

static char *load_cache(void)
{
    static char block[1 << 20];
    int fd = open("/mnt/cache", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ASSERT_GE(fd, 0);
    memset(block, 1, sizeof(block));
    for (size_t i = 0; i < LOAD_CACHE_BYTES / sizeof(block); i++)
        ASSERT_EQ(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
    char *at = mmap(NULL, LOAD_CACHE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    ASSERT_NE(at, MAP_FAILED);
    close(fd);
    return at;
}

/* A page in every 2 MiB takes a table of its own. */
static void load_tables(void)
{
    char *at = mmap(NULL, LOAD_TABLES * HUGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ASSERT_NE(at, MAP_FAILED);
    ASSERT_EQ(madvise(at, LOAD_TABLES * HUGE, MADV_NOHUGEPAGE), 0);
    for (size_t i = 0; i < LOAD_TABLES; i++)
        at[i * HUGE] = 1;
}

static void load_pipes(void)
{
    static char data[LOAD_PIPE_PAGES * PAGE_BYTES];

    for (unsigned i = 0; i < LOAD_PIPES; i++) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        ASSERT_EQ(write(ends[1], data, sizeof(data)), (ssize_t)sizeof(data));
    }
}

/* Nobody reads it, so it stays in the kernel. */
static void fill(int socket)
{
    static char data[4096];

    while (send(socket, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    ASSERT_EQ(errno, EAGAIN);
}

static void load_local(int type)
{
    for (unsigned i = 0; i < LOAD_SOCKETS; i++) {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
        fill(ends[0]);
    }
}

static void loopback_up(int socket)
{
    struct ifreq request = {.ifr_name = "lo"};

    ASSERT_EQ(ioctl(socket, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags |= IFF_UP;
    ASSERT_EQ(ioctl(socket, SIOCSIFFLAGS, &request), 0);
}

static int socket_bound(int type, struct sockaddr_in *address)
{
    socklen_t size = sizeof(*address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ASSERT_GE(fd, 0);
    ASSERT_EQ(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    ASSERT_EQ(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static void load_internet(void)
{
    struct sockaddr_in address;
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (probe < 0) {
        ASSERT_EQ(errno, EAFNOSUPPORT);
        DIAG("the kernel has no Internet protocols: local sockets only");
        return;
    }
    loopback_up(probe);
    close(probe);
    int listener = socket_bound(SOCK_STREAM, &address);
    ASSERT_EQ(listen(listener, LOAD_SOCKETS), 0);
    for (unsigned i = 0; i < LOAD_SOCKETS; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_GE(client, 0);
        ASSERT_EQ(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        ASSERT_GE(accept4(listener, NULL, NULL, SOCK_CLOEXEC), 0);
        fill(client);
    }
    for (unsigned i = 0; i < LOAD_SOCKETS; i++) {
        static char data[4096];
        int fd = socket_bound(SOCK_DGRAM, &address);
        /* Those that its buffer has no room for are dropped. */
        for (unsigned j = 0; j < 64; j++)
            ASSERT_EQ(
                sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&address, sizeof(address)),
                (ssize_t)sizeof(data));
    }
}

static char *load_user(void)
{
    char *at =
        mmap(NULL, LOAD_USER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(at, MAP_FAILED);
    memset(at, 1, LOAD_USER_BYTES);
    return at;
}

void load_begin(struct load *load)
{
    load_slab();
    load->cache = load_cache();
    load_tables();
    load_pipes();
    load_local(SOCK_STREAM);
    load_local(SOCK_DGRAM);
    load_internet();
    load->user = load_user();
}

void load_end(void)
{
    umount2("/mnt", MNT_DETACH);
}
