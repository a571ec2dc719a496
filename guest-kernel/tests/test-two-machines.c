/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One of two machines that meet. Each makes a token and tells it at a meeting, where it learns
 * the other's; then it sends what it learned over the link between them, and must get its own
 * token back. So a machine passes only if the meeting waited for the other one, and if the link
 * carries both ways.
 *
 *   peer=NAME   the other machine, as the scenario calls it
 *   link=ID     the link's section in the scenario
 *   leave=1     end before the meeting
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "harness.h"

#define PORTS_FOLDER "/sys/class/virtio-ports"
#define LINK_PREFIX  "org.mmrig.link."
#define TOKEN_DIGITS 16
/* The other end is there when the meeting is over, so that only a host that is busy takes long.
 */
#define LINK_LIMIT_MS 30000

static void make_token(char token[TOKEN_DIGITS + 1])
{
    uint64_t random;

    ASSERT_EQ(getrandom(&random, sizeof(random), 0), (ssize_t)sizeof(random));
    snprintf(token, TOKEN_DIGITS + 1, "%016llx", (unsigned long long)random);
}

/* The device of the port with this name; -1 if there is none. */
static int open_port(const char *wanted)
{
    DIR *folder = opendir(PORTS_FOLDER);
    struct dirent *entry;
    int fd = -1;

    ASSERT_TRUE(folder != NULL);
    while (fd < 0 && (entry = readdir(folder))) {
        char path[512], name[128];

        snprintf(path, sizeof(path), PORTS_FOLDER "/%s/name", entry->d_name);
        if (!file_read(path, name, sizeof(name)) || strcmp(name, wanted) != 0)
            continue;
        snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    closedir(folder);
    return fd;
}

/* A port without anybody at the other end polls as hung up, and reads as ended. */
static bool read_token(int fd, char token[TOKEN_DIGITS + 1])
{
    size_t used = 0;
    double limit = now_seconds() + LINK_LIMIT_MS / 1000.0;

    while (used < TOKEN_DIGITS && now_seconds() < limit) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, LINK_LIMIT_MS) < 0 && errno != EINTR)
            return false;
        if (!(readable.revents & POLLIN))
            return false;
        ssize_t size = read(fd, token + used, TOKEN_DIGITS - used);
        if (size <= 0)
            return false;
        used += (size_t)size;
    }
    token[used] = '\0';
    return used == TOKEN_DIGITS;
}

static const char *reply_field(const struct rig_reply *reply, const char *key)
{
    for (size_t i = 0; i < reply->count; i++)
        if (strcmp(reply->fields[i].key, key) == 0)
            return reply->fields[i].value;
    return NULL;
}

TEST(meet_and_talk)
{
    const char *peer = test_arg("peer"), *link = test_arg("link");
    char mine[TOKEN_DIGITS + 1], back[TOKEN_DIGITS + 1], port[128];
    struct rig_reply reply;

    ASSERT_TRUE(peer && link);
    if (test_arg_u64("leave", 0))
        return;
    make_token(mine);
    ASSERT_TRUE(rig_request(&reply, "meet", "name=tokens value=%s", mine));
    const char *theirs = reply_field(&reply, peer);
    ASSERT_TRUE(theirs != NULL);
    ASSERT_EQ(strlen(theirs), (size_t)TOKEN_DIGITS);
    EXPECT_TRUE(strcmp(theirs, mine) != 0);

    snprintf(port, sizeof(port), LINK_PREFIX "%s", link);
    int fd = open_port(port);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(write(fd, theirs, TOKEN_DIGITS), TOKEN_DIGITS);
    ASSERT_TRUE(read_token(fd, back));
    EXPECT_STREQ(back, mine);

    /* Nobody closes an end that the other one still reads from. */
    ASSERT_TRUE(rig_request(&reply, "meet", "name=over"));
    close(fd);
}

HARNESS_MAIN
