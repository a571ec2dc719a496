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
 * EXPECT_* goes on; the teardown runs either way once the setup is complete. A case whose
 * setup failed is not run. What failed is printed as
 * "# FILE:LINE: expected A == B (1 != 2)".
 * SKIP(FORMAT...) ends the case as skipped, for that reason; if every case was skipped the
 * program exits with MMRIG_TEST_SKIP. ABORT(FORMAT...) gives up on the whole program, for
 * when going on makes no sense. DIAG(FORMAT...) prints lines beginning with "# ".
 *
 * Standard output is kept for KTAP: what a test prints itself (printf) goes to standard error.
 */
#ifndef MMRIG_HARNESS_H
#define MMRIG_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-guest-protocol.h"

/* ---- Cases ---------------------------------------------------------------------------- */

#define FIXTURE(name)                                                                          \
    struct variant_##name;                                                                     \
    static struct harness_fixture harness_fixture_##name;                                      \
    struct fixture_##name

#define FIXTURE_VARIANT(name) struct variant_##name

#define FIXTURE_VARIANT_ADD(name, label)                                                       \
    static const struct variant_##name variant_##name##_##label;                               \
    __attribute__((constructor)) static void harness_add_variant_##name##_##label(void)        \
    {                                                                                          \
        static struct harness_variant variant = {#label, &variant_##name##_##label, NULL};     \
        harness_add_variant(&harness_fixture_##name, &variant);                                \
    }                                                                                          \
    static const struct variant_##name variant_##name##_##label =

#define FIXTURE_SETUP(name)    HARNESS_FIXTURE_PART(name, setup)
#define FIXTURE_TEARDOWN(name) HARNESS_FIXTURE_PART(name, teardown)

#define HARNESS_FIXTURE_PART(name, part)                                                       \
    static void name##_##part(struct fixture_##name *self,                                     \
                              const struct variant_##name *variant);                           \
    static void harness_##part##_##name(void *self, const void *variant)                       \
    {                                                                                          \
        name##_##part(self, variant);                                                          \
    }                                                                                          \
    __attribute__((constructor)) static void harness_add_##part##_##name(void)                 \
    {                                                                                          \
        harness_fixture_##name.part = harness_##part##_##name;                                 \
    }                                                                                          \
    static void name##_##part(struct fixture_##name *self __attribute__((unused)),             \
                              const struct variant_##name *variant __attribute__((unused)))

#define TEST_F(group, label)                                                                   \
    static void group##_##label(struct fixture_##group *self,                                  \
                                const struct variant_##group *variant);                        \
    static void harness_run_##group##_##label(void *self, const void *variant)                 \
    {                                                                                          \
        group##_##label(self, variant);                                                        \
    }                                                                                          \
    __attribute__((constructor)) static void harness_add_##group##_##label(void)               \
    {                                                                                          \
        static struct harness_case test_case = {.name = #group "." #label,                     \
                                                .line = __LINE__,                              \
                                                .fixture = &harness_fixture_##group,           \
                                                .run = harness_run_##group##_##label};         \
        harness_fixture_##group.name = #group;                                                 \
        harness_fixture_##group.size = sizeof(struct fixture_##group);                         \
        harness_add_case(&test_case);                                                          \
    }                                                                                          \
    static void group##_##label(struct fixture_##group *self __attribute__((unused)),          \
                                const struct variant_##group *variant __attribute__((unused)))

#define TEST(label)                                                                            \
    static void test_##label(void);                                                            \
    static void harness_run_##label(void *self __attribute__((unused)),                        \
                                    const void *variant __attribute__((unused)))               \
    {                                                                                          \
        test_##label();                                                                        \
    }                                                                                          \
    __attribute__((constructor)) static void harness_add_test_##label(void)                    \
    {                                                                                          \
        static struct harness_case test_case = {                                               \
            .name = #label, .line = __LINE__, .run = harness_run_##label};                     \
        harness_add_case(&test_case);                                                          \
    }                                                                                          \
    static void test_##label(void)

#define HARNESS_MAIN                                                                           \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        return harness_main(argc, argv);                                                       \
    }

/* ---- Checks --------------------------------------------------------------------------- */

/*
 * The comparisons take integers, floating point and pointers of any type, and compare
 * values: -1 is less than 0u. Each side is evaluated once.
 */
#define ASSERT_EQ(a, b)    HARNESS_COMPARE(true, HARNESS_EQ, a, #a, b, #b)
#define ASSERT_NE(a, b)    HARNESS_COMPARE(true, HARNESS_NE, a, #a, b, #b)
#define ASSERT_LT(a, b)    HARNESS_COMPARE(true, HARNESS_LT, a, #a, b, #b)
#define ASSERT_LE(a, b)    HARNESS_COMPARE(true, HARNESS_LE, a, #a, b, #b)
#define ASSERT_GT(a, b)    HARNESS_COMPARE(true, HARNESS_GT, a, #a, b, #b)
#define ASSERT_GE(a, b)    HARNESS_COMPARE(true, HARNESS_GE, a, #a, b, #b)
#define ASSERT_TRUE(x)     harness_check(__FILE_NAME__, __LINE__, true, true, (x), #x)
#define ASSERT_FALSE(x)    harness_check(__FILE_NAME__, __LINE__, true, false, (x), #x)
#define ASSERT_STREQ(a, b) harness_compare_text(__FILE_NAME__, __LINE__, true, a, #a, b, #b)

#define EXPECT_EQ(a, b)    HARNESS_COMPARE(false, HARNESS_EQ, a, #a, b, #b)
#define EXPECT_NE(a, b)    HARNESS_COMPARE(false, HARNESS_NE, a, #a, b, #b)
#define EXPECT_LT(a, b)    HARNESS_COMPARE(false, HARNESS_LT, a, #a, b, #b)
#define EXPECT_LE(a, b)    HARNESS_COMPARE(false, HARNESS_LE, a, #a, b, #b)
#define EXPECT_GT(a, b)    HARNESS_COMPARE(false, HARNESS_GT, a, #a, b, #b)
#define EXPECT_GE(a, b)    HARNESS_COMPARE(false, HARNESS_GE, a, #a, b, #b)
#define EXPECT_TRUE(x)     harness_check(__FILE_NAME__, __LINE__, false, true, (x), #x)
#define EXPECT_FALSE(x)    harness_check(__FILE_NAME__, __LINE__, false, false, (x), #x)
#define EXPECT_STREQ(a, b) harness_compare_text(__FILE_NAME__, __LINE__, false, a, #a, b, #b)

#define SKIP(...)  harness_skip(__VA_ARGS__)
#define ABORT(...) harness_abort(__FILE_NAME__, __LINE__, __VA_ARGS__)
#define DIAG(...)  harness_diag(__VA_ARGS__)

/* ---- Behind the macros ---------------------------------------------------------------- */

struct harness_variant {
    const char *name;
    const void *data;
    struct harness_variant *next;
};

struct harness_fixture {
    const char *name;
    size_t size;
    void (*setup)(void *self, const void *variant);
    void (*teardown)(void *self, const void *variant);
    struct harness_variant *variants;
};

struct harness_case {
    const char *name;
    int line;
    struct harness_fixture *fixture; /* NULL: none */
    void (*run)(void *self, const void *variant);
    struct harness_case *next;
};

enum harness_relation {
    HARNESS_EQ,
    HARNESS_NE,
    HARNESS_LT,
    HARNESS_LE,
    HARNESS_GT,
    HARNESS_GE,
};

struct harness_value {
    enum { HARNESS_SIGNED, HARNESS_UNSIGNED, HARNESS_POINTER, HARNESS_FLOAT } kind;
    long long number;
    unsigned long long magnitude; /* of unsigned and pointer */
    long double real;
};

struct harness_value harness_signed(long long value);
struct harness_value harness_unsigned(unsigned long long value);
struct harness_value harness_float(long double value);
struct harness_value harness_pointer(const volatile void *value);

#define HARNESS_VALUE(x)                                                                       \
    _Generic((x), bool                                                                         \
             : harness_unsigned, char                                                          \
             : harness_signed, signed char                                                     \
             : harness_signed, short                                                           \
             : harness_signed, int                                                             \
             : harness_signed, long                                                            \
             : harness_signed, long long                                                       \
             : harness_signed, unsigned char                                                   \
             : harness_unsigned, unsigned short                                                \
             : harness_unsigned, unsigned int                                                  \
             : harness_unsigned, unsigned long                                                 \
             : harness_unsigned, unsigned long long                                            \
             : harness_unsigned, float                                                         \
             : harness_float, double                                                           \
             : harness_float, long double                                                      \
             : harness_float, default                                                          \
             : harness_pointer)(x)

#define HARNESS_COMPARE(fatal, relation, a, a_text, b, b_text)                                 \
    harness_compare(__FILE_NAME__, __LINE__, fatal, relation, HARNESS_VALUE(a), a_text,        \
                    HARNESS_VALUE(b), b_text)

void harness_compare(const char *file, int line, bool fatal, enum harness_relation relation,
                     struct harness_value a, const char *a_text, struct harness_value b,
                     const char *b_text);
void harness_check(const char *file, int line, bool fatal, bool wanted, bool value,
                   const char *text);
void harness_compare_text(const char *file, int line, bool fatal, const char *a,
                          const char *a_text, const char *b, const char *b_text);
_Noreturn void harness_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void harness_abort(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void harness_diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
void harness_add_case(struct harness_case *test_case);
void harness_add_variant(struct harness_fixture *fixture, struct harness_variant *variant);
int harness_main(int argc, char **argv);

/* In harness-rig.c: finds out whether there is an agent, and tells it that we give up. */
void harness_rig_open(void);
/* Set by HARNESS_HOLDS_LATER. */
extern bool harness_holds_later;
void harness_rig_abort(const char *file, int line, const char *text);

/* ---- What a test may ask for ---------------------------------------------------------- */

/* The program's arguments, as the scenario's [test] args give them, boots word first. */
extern int test_argc;
extern char **test_argv;

/* The value of the argument KEY=VALUE, or NULL. */
const char *test_arg(const char *key);
/* The same as a number (0x allowed), or fallback if it is not given. Aborts if malformed. */
uint64_t test_arg_u64(const char *key, uint64_t fallback);
/* One of the things that a program can test, by the argument what=WHAT. */
struct test_kind {
    const char *what;
    void (*run)(void);
};
/* The one that is asked for. Ends with a row of NULL. Aborts if there is no such one. */
const struct test_kind *test_kind(const struct test_kind *kinds);

/* Whether argv[1] is this word: which boot of a scenario with several is running. */
bool test_boot_is(const char *word);

/* Whether the running kernel is this version of Linux or a newer one. */
bool kernel_is_from(unsigned major, unsigned minor);

/* ---- Asking the rig ------------------------------------------------------------------- */

struct rig_reply {
    bool ok;
    char error[512]; /* when not ok */
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

/*
 * Where the machine may be forked. By itself that is in front of a program's first case; one
 * that says HARNESS_HOLDS_LATER has it where it calls this, within seconds of its start.
 * Returns at once when nobody wants a fork.
 */
void rig_hold(void);
#define HARNESS_HOLDS_LATER                                                                    \
    __attribute__((constructor)) static void harness_hold_later(void)                          \
    {                                                                                          \
        harness_holds_later = true;                                                            \
    }

/* A field of a reply as a number; aborts the test if it is missing or malformed. */
uint64_t rig_reply_u64(const struct rig_reply *reply, const char *key);

/* A figure for the report. */
void rig_metric(const char *name, double value, const char *unit);

/* A point of a series, which the report draws; the units name the axes. */
void rig_point(const char *series, double x, const char *x_unit, double y, const char *y_unit);

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
/* MemTotal of a node in kB; one that is not on line, or goes at this moment, has none. */
uint64_t node_total_kb(unsigned node);
/*
 * Whether memory can be bound to the node (mbind(2)). Memory that comes on line is counted
 * first, then the node is one with memory, and only then, by a work item of the kernel's
 * (cpuset_hotplug_workfn), may this process use it.
 */
bool node_can_be_bound(unsigned node);
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
#define COMMAND(output, size, ...)                                                             \
    command_run((output), (size), (const char *const[]){__VA_ARGS__, NULL})

#endif
