/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test of each of two machines that are joined by a link: they wait for each other, tell
 * each other a secret by way of the rig, and find on the link what the other one has sent.
 *
 *   peer=NAME   the other machine
 *   link=ID     the link that joins them
 *   leave=1     ends before the last meeting
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define PORTS_FOLDER "/sys/class/virtio-ports"

/* Seconds that a message may take from one guest to the other, both under emulation. */
#define LINK_LIMIT 10

enum { SECRET_DIGITS = 32, BULK = 1024 * 1024 };

static void make_secret(char secret[SECRET_DIGITS + 1])
{
    unsigned char bytes[SECRET_DIGITS / 2];

    ASSERT_EQ(getrandom(bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
}

/* Meets the other machine at a point, and learns its secret. */
static void meet(const char *point, const char *own, char peers[SECRET_DIGITS + 1])
{
    const char *peer = test_arg("peer");
    struct rig_reply reply;

    ASSERT_TRUE(peer != NULL);
    ASSERT_TRUE(rig_request(&reply, "meet", "name=%s value=%s", point, own));
    ASSERT_EQ(reply.count, 1);
    EXPECT_STREQ(reply.fields[0].key, peer);
    ASSERT_EQ(strlen(reply.fields[0].value), SECRET_DIGITS);
    memcpy(peers, reply.fields[0].value, SECRET_DIGITS + 1);
}

/* The name of the link's device in /dev; false if there is none. */
static bool find_device(const char *link, char *device, size_t size)
{
    char wanted[128], name[128];
    DIR *folder = opendir(PORTS_FOLDER);
    struct dirent *entry;
    bool found = false;

    snprintf(wanted, sizeof(wanted), MMRIG_PORT_LINK "%s\n", link);
    while (folder && !found && (entry = readdir(folder)) != NULL) {
        char path[sizeof(PORTS_FOLDER) + 300];
        FILE *file;

        snprintf(path, sizeof(path), PORTS_FOLDER "/%s/name", entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (!file)
            continue;
        found = fgets(name, sizeof(name), file) && strcmp(name, wanted) == 0;
        fclose(file);
        if (found)
            snprintf(device, size, "/dev/%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    return found;
}

/* The port appears when the host has told the driver of it, some time after the agent's. */
static int open_link(void)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    const char *link = test_arg("link");
    double start = now_seconds();
    char device[300];
    bool found;

    if (!link)
        ABORT("the argument link=ID is missing");
    while (!(found = find_device(link, device, sizeof(device))) &&
           now_seconds() - start < LINK_LIMIT)
        nanosleep(&pause, NULL);
    ASSERT_TRUE(found);
    int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    return fd;
}

/* Sends and receives size bytes at the same time; false if the time is over before. */
static bool exchange(int fd, const char *out, char *in, size_t size)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    size_t sent = 0, received = 0;
    double start = now_seconds();

    while ((sent < size || received < size) && now_seconds() - start < LINK_LIMIT) {
        ssize_t wrote = sent < size ? write(fd, out + sent, size - sent) : 0;
        ssize_t got = received < size ? read(fd, in + received, size - received) : 0;

        if ((wrote < 0 && errno != EAGAIN) || (got < 0 && errno != EAGAIN)) {
            DIAG("the link: %s", strerror(errno));
            return false;
        }
        sent += wrote > 0 ? (size_t)wrote : 0;
        received += got > 0 ? (size_t)got : 0;
        if (wrote <= 0 && got <= 0)
            nanosleep(&pause, NULL);
    }
    if (sent < size || received < size)
        DIAG("the link: %zu bytes sent and %zu received of %zu in %d s", sent, received, size,
             LINK_LIMIT);
    return sent == size && received == size;
}

/* Numbers that only who knows the secret can have made. */
static void fill(char *bytes, size_t size, const char *secret)
{
    uint64_t state = strtoull(secret + SECRET_DIGITS / 2, NULL, 16) | 1;

    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (char)state;
    }
}

TEST(each_learns_what_the_other_says)
{
    char own[SECRET_DIGITS + 1], peers[SECRET_DIGITS + 1];

    make_secret(own);
    meet("secrets", own, peers);
    EXPECT_NE(strcmp(own, peers), 0);
    EXPECT_EQ(strspn(peers, "0123456789abcdef"), SECRET_DIGITS);
}

TEST(the_link_carries_what_the_other_sends)
{
    char own[SECRET_DIGITS + 1], peers[SECRET_DIGITS + 1], got[SECRET_DIGITS + 1] = "";
    int fd = open_link();

    make_secret(own);
    meet("word", own, peers);
    ASSERT_TRUE(exchange(fd, own, got, SECRET_DIGITS));
    EXPECT_STREQ(got, peers);
}

TEST(the_link_carries_a_mebibyte_each_way)
{
    char own[SECRET_DIGITS + 1], peers[SECRET_DIGITS + 1];
    char *out = malloc(BULK), *in = malloc(BULK), *wanted = malloc(BULK);
    int fd = open_link();

    ASSERT_TRUE(out && in && wanted);
    make_secret(own);
    meet("bulk", own, peers);
    fill(out, BULK, own);
    fill(wanted, BULK, peers);
    ASSERT_TRUE(exchange(fd, out, in, BULK));
    EXPECT_EQ(memcmp(in, wanted, BULK), 0);
}

TEST(they_end_together)
{
    char own[SECRET_DIGITS + 1], peers[SECRET_DIGITS + 1];

    if (test_arg_u64("leave", 0))
        return;
    make_secret(own);
    meet("end", own, peers);
}

HARNESS_MAIN
