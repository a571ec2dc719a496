/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The harness for guest tests: fixtures, variants, skips with a reason, KTAP on standard
 * output, requests to the rig. A test program is one test-NAME.c with test cases registered
 * by the macros below; it is linked statically and run by the agent as root.
 *
 *   FIXTURE(page) { void *mem; };
 *   FIXTURE_SETUP(page) { self->mem = ...; ASSERT_NE(self->mem, MAP_FAILED); }
 *   FIXTURE_TEARDOWN(page) { munmap(self->mem, 4096); }
 *   FIXTURE_VARIANT(page) { size_t size; };
 *   FIXTURE_VARIANT_ADD(page, small) { .size = 4096 };
 *   TEST_F(page, survives) { EXPECT_EQ(...); }     runs once for each variant
 *   TEST(standalone) { ... }
 *   HARNESS_MAIN
 *
 * Cases run in the order of their lines, each in a process of its own, so that a crash fails
 * that case ("not ok", with the signal) and the next still runs. ASSERT_* ends the case,
 * EXPECT_* goes on. What failed is printed as "# FILE:LINE: expected A == B (1 != 2)".
 * If every case was skipped the program exits with MMRIG_TEST_SKIP.
 */
#ifndef MMRIG_HARNESS_H
#define MMRIG_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- What a test may ask for ---------------------------------------------------------- */

/* The program's arguments, as the scenario's [test] args give them, boots word first. */
extern int test_argc;
extern char **test_argv;

/* The value of the argument KEY=VALUE, or NULL. */
const char *test_arg(const char *key);
/* The same as a number (0x allowed), or fallback if it is not given. Aborts if malformed. */
uint64_t test_arg_u64(const char *key, uint64_t fallback);
/* Whether argv[1] is this word: which boot of a scenario with several is running. */
bool test_boot_is(const char *word);

/* ---- Asking the rig ------------------------------------------------------------------- */

struct rig_reply {
    bool ok;
    char error[512];   /* when not ok */
    size_t count;
    struct {
        char key[64];
        char value[256];
    } fields[16];
};

/*
 * Sends a request (its verb, then KEY=VALUE strings made by printf from format, separated by
 * blanks) and waits for the reply: rig_request(&reply, "mce-inject", "gpa=0x%lx kind=srao", a).
 * Returns reply->ok. Aborts the test if the agent is gone.
 */
bool rig_request(struct rig_reply *reply, const char *verb, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A field of a reply as a number; aborts the test if it is missing or malformed. */
uint64_t rig_reply_u64(const struct rig_reply *reply, const char *key);

/* A figure for the report. */
void rig_metric(const char *name, double value, const char *unit);

/* ---- Looking at the guest ------------------------------------------------------------- */

/* A number from a file ("123\n", "0x7b\n"); aborts the test if it cannot be read. */
uint64_t file_u64(const char *path);
/* The first size - 1 bytes of a file, less a trailing LF; false with errno. */
bool file_read(const char *path, char *buffer, size_t size);
/* Writes text to an existing file; false with errno. */
bool file_write(const char *path, const char *text);
/* A field of /proc/meminfo ("HardwareCorrupted") in kB; aborts if there is none. */
uint64_t meminfo_kb(const char *field);
/* The same of /sys/devices/system/node/nodeN/meminfo. */
uint64_t node_meminfo_kb(unsigned node, const char *field);
/* A counter of /proc/vmstat; aborts if there is none. */
uint64_t vmstat(const char *field);
/* The physical address behind a mapped virtual one (/proc/self/pagemap), 0 if not present. */
uint64_t physical_address(const void *address);
/* Seconds of CLOCK_MONOTONIC. */
double now_seconds(void);
/* Waits until condition(data) holds; false after the given seconds. Polls each 10 ms. */
bool wait_until(bool (*condition)(void *data), void *data, double seconds);

/*
 * Runs a program (looked for in PATH) and waits for it. Its output, both kinds, is stored in
 * output (size bytes, NUL-terminated, cut off) if that is not NULL. Returns the exit status,
 * 128 + the signal, or 127 if it could not be started.
 */
int command_run(char *output, size_t size, const char *const argv[]);
#define COMMAND(output, size, ...) \
    command_run((output), (size), (const char *const[]){__VA_ARGS__, NULL})

#endif
