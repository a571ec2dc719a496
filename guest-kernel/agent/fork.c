/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Being a template and being a fork. A machine that waits for work is stopped and copied, and
 * each copy goes on from the same instruction with the same memory: the same entropy, clock and
 * boot id. So a fork's first act is to become a machine of its own.
 *
 * The nonce is in memory only. A machine that shows it was forked from the template that it was
 * given to; one that was booted instead cannot know it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define SEED_BYTES (MMRIG_SEED_DIGITS / 2)

static char nonce[MMRIG_NONCE_DIGITS + 1];
static int random_fd = -1; /* opened in the template, so that no fork has to */

/* A word of exactly so many hex digits; bytes, if not NULL, gets what they stand for. */
static bool word_hex(const struct mmrig_word *word, size_t digits, unsigned char *bytes)
{
    if (word->size != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int digit = mmrig_hex_digit(word->data[i]);
        if (digit < 0)
            return false;
        if (bytes)
            bytes[i / 2] = (unsigned char)(i % 2 ? bytes[i / 2] | digit : digit << 4);
    }
    return true;
}

bool fork_template(const struct mmrig_line *line)
{
    if (line->count < 2 || !word_hex(&line->words[1], MMRIG_NONCE_DIGITS, NULL))
        return false;
    memcpy(nonce, line->words[1].data, sizeof(nonce));
    if (random_fd < 0)
        random_fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (random_fd < 0)
        agent_fail("cannot open /dev/urandom: %s", strerror(errno));
    if (line->count == 2 || !job_hold(line, 2))
        fork_kept();
    return true;
}

void fork_kept(void)
{
    struct message message;

    /* What is still to be written back would be written by every fork. */
    sync();
    message_start(&message, "kept");
    message_send(&message);
}

/*
 * Adds the seed to the kernel's entropy and has it used at once: reads of random bytes are
 * generated from a key that is otherwise renewed only from time to time
 * (drivers/char/random.c, crng_reseed).
 */
static bool reseed(const unsigned char *seed)
{
    /* The structure ends in an array without a size of its own. */
    union {
        struct rand_pool_info info;
        unsigned char bytes[sizeof(struct rand_pool_info) + SEED_BYTES];
    } entropy = {.info = {.entropy_count = 8 * SEED_BYTES, .buf_size = SEED_BYTES}};

    memcpy(entropy.bytes + offsetof(struct rand_pool_info, buf), seed, SEED_BYTES);
    bool done =
        ioctl(random_fd, RNDADDENTROPY, &entropy) == 0 && ioctl(random_fd, RNDRESEEDCRNG) == 0;
    if (!done)
        agent_fail("cannot reseed the random numbers: %s", strerror(errno));
    return done;
}

static bool set_clock(uint64_t microseconds)
{
    struct timespec now = {
        .tv_sec = (time_t)(microseconds / 1000000),
        .tv_nsec = (long)(microseconds % 1000000) * 1000,
    };

    if (clock_settime(CLOCK_REALTIME, &now) == 0)
        return true;
    agent_fail("cannot set the clock: %s", strerror(errno));
    return false;
}

bool fork_arrive(const struct mmrig_line *line)
{
    unsigned char seed[SEED_BYTES], id[MMRIG_BOOT_ID_DIGITS / 2];
    char digits[MMRIG_BOOT_ID_DIGITS + 1];
    struct message message;
    uint64_t microseconds;

    if (line->count != 3 || !word_hex(&line->words[1], MMRIG_SEED_DIGITS, seed) ||
        !word_number(&line->words[2], &microseconds) || microseconds == 0)
        return false;
    if (nonce[0] == '\0') {
        agent_fail("this machine was booted, not forked");
        return true;
    }
    if (!reseed(seed) || !set_clock(microseconds))
        return true;
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
        agent_fail("cannot get random bytes: %s", strerror(errno));
        return true;
    }
    hex_print(digits, id, sizeof(id));
    message_start(&message, "forked");
    message_text(&message, digits);
    message_text(&message, nonce);
    message_send(&message);
    return true;
}
