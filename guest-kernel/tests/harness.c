/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the cases and says how they went, in KTAP (Linux Documentation/dev-tools/ktap.rst).
 *
 * A case and whatever it starts can be anything: so its result is in memory shared with the
 * parent, and counts as passed only if the case came to its end and nothing, in any of its
 * processes, noted a failure.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX 1024

int test_argc;
char **test_argv;

static struct harness_case *cases;

/* KTAP goes here; standard output leads to standard error. */
static int ktap_fd = STDOUT_FILENO;

static struct result {
    bool finished;
    bool failed;
    bool skipped;
    bool aborted;
    char reason[TEXT_MAX];
} * result;

/* The case that this process runs; pid 0 in the parent of all. */
static struct {
    pid_t pid;
    struct harness_fixture *fixture;
    void *self;
    const void *variant;
    bool set_up;
    bool ending;
} current;

/* ---- Printing -----------------------------------------------------------------------------
 */

/* Writes all of a line at once, so that lines of several processes do not mix. */
static void ktap_write(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(ktap_fd, text, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            _exit(MMRIG_TEST_FAIL);
        text += written;
        size -= (size_t)written;
    }
}

__attribute__((format(printf, 1, 2))) static void ktap_print(const char *format, ...)
{
    char text[2 * TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (size >= (int)sizeof(text)) {
        size = sizeof(text) - 1;
        text[size - 1] = '\n';
    }
    ktap_write(text, (size_t)size);
}

/* Makes one line of a text. */
static void flatten(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            *text = ' ';
    }
}

void harness_diag(const char *format, ...)
{
    char text[TEXT_MAX], *rest = NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        flatten(line);
        ktap_print("# %s\n", line);
    }
}

/* ---- Ending a case ------------------------------------------------------------------------
 */

/* Ends this process; if it is the case's own, after the teardown. */
static _Noreturn void case_end(void)
{
    if (result && current.pid == getpid() && !current.ending) {
        current.ending = true;
        if (current.set_up && current.fixture && current.fixture->teardown)
            current.fixture->teardown(current.self, current.variant);
        result->finished = true;
    }
    fflush(NULL);
    _exit(result && result->failed ? MMRIG_TEST_FAIL : MMRIG_TEST_PASS);
}

static void note_failure(bool fatal)
{
    if (result)
        result->failed = true;
    if (fatal)
        case_end();
}

void harness_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (result) {
        vsnprintf(result->reason, sizeof(result->reason), format, arguments);
        flatten(result->reason);
        result->skipped = true;
    }
    va_end(arguments);
    case_end();
}

void harness_abort(const char *file, int line, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    flatten(text);
    harness_diag("%s:%d: gives up: %s", file, line, text);
    harness_rig_abort(file, line, text);
    if (result)
        result->failed = result->aborted = true;
    /* Outside of any case (in the parent of all) there is nothing to clean up. */
    if (current.pid == 0)
        exit(MMRIG_TEST_FAIL);
    case_end();
}

/* ---- Checks -------------------------------------------------------------------------------
 */

struct harness_value harness_signed(long long value)
{
    return (struct harness_value){HARNESS_SIGNED, value, (unsigned long long)value,
                                  (long double)value};
}

struct harness_value harness_unsigned(unsigned long long value)
{
    return (struct harness_value){HARNESS_UNSIGNED, 0, value, (long double)value};
}

struct harness_value harness_float(long double value)
{
    return (struct harness_value){HARNESS_FLOAT, 0, 0, value};
}

struct harness_value harness_pointer(const volatile void *value)
{
    return (struct harness_value){HARNESS_POINTER, 0, (uintptr_t)value,
                                  (long double)(uintptr_t)value};
}

static bool is_negative(struct harness_value value)
{
    return value.kind == HARNESS_SIGNED && value.number < 0;
}

static bool less(struct harness_value a, struct harness_value b)
{
    if (a.kind == HARNESS_FLOAT || b.kind == HARNESS_FLOAT)
        return a.real < b.real;
    if (is_negative(a) != is_negative(b))
        return is_negative(a);
    return is_negative(a) ? a.number < b.number : a.magnitude < b.magnitude;
}

/* Not "neither is less", which would hold for a NaN and anything. */
static bool equal(struct harness_value a, struct harness_value b)
{
    if (a.kind == HARNESS_FLOAT || b.kind == HARNESS_FLOAT)
        return a.real == b.real;
    return is_negative(a) == is_negative(b) && a.magnitude == b.magnitude;
}

static void value_print(char text[64], struct harness_value value)
{
    switch (value.kind) {
    case HARNESS_SIGNED:
        snprintf(text, 64, "%lld", value.number);
        break;
    case HARNESS_UNSIGNED:
        snprintf(text, 64, "%llu", value.magnitude);
        break;
    case HARNESS_POINTER:
        snprintf(text, 64, "0x%llx", value.magnitude);
        break;
    case HARNESS_FLOAT:
        snprintf(text, 64, "%.9Lg", value.real);
        break;
    }
}

void harness_compare(const char *file, int line, bool fatal, enum harness_relation relation,
                     struct harness_value a, const char *a_text, struct harness_value b,
                     const char *b_text)
{
    static const struct {
        const char *wanted, *found;
    } signs[] = {
        [HARNESS_EQ] = {"==", "!="}, [HARNESS_NE] = {"!=", "=="}, [HARNESS_LT] = {"<", ">="},
        [HARNESS_LE] = {"<=", ">"},  [HARNESS_GT] = {">", "<="},  [HARNESS_GE] = {">=", "<"},
    };
    bool holds = false;
    char a_value[64], b_value[64];

    switch (relation) {
    case HARNESS_EQ:
        holds = equal(a, b);
        break;
    case HARNESS_NE:
        holds = !equal(a, b);
        break;
    case HARNESS_LT:
        holds = less(a, b);
        break;
    case HARNESS_LE:
        holds = less(a, b) || equal(a, b);
        break;
    case HARNESS_GT:
        holds = less(b, a);
        break;
    case HARNESS_GE:
        holds = less(b, a) || equal(a, b);
        break;
    }
    if (holds)
        return;
    value_print(a_value, a);
    value_print(b_value, b);
    harness_diag("%s:%d: expected %s %s %s (%s %s %s)", file, line, a_text,
                 signs[relation].wanted, b_text, a_value, signs[relation].found, b_value);
    note_failure(fatal);
}

void harness_check(const char *file, int line, bool fatal, bool wanted, bool value,
                   const char *text)
{
    if (value == wanted)
        return;
    harness_diag("%s:%d: expected %s to be %s", file, line, text, wanted ? "true" : "false");
    note_failure(fatal);
}

void harness_compare_text(const char *file, int line, bool fatal, const char *a,
                          const char *a_text, const char *b, const char *b_text)
{
    if (a && b && strcmp(a, b) == 0)
        return;
    harness_diag("%s:%d: expected %s == %s (\"%.200s\" != \"%.200s\")", file, line, a_text,
                 b_text, a ? a : "(null)", b ? b : "(null)");
    note_failure(fatal);
}

/* ---- The list of cases --------------------------------------------------------------------
 */

void harness_add_case(struct harness_case *test_case)
{
    struct harness_case **place = &cases;

    while (*place && (*place)->line <= test_case->line)
        place = &(*place)->next;
    test_case->next = *place;
    *place = test_case;
}

void harness_add_variant(struct harness_fixture *fixture, struct harness_variant *variant)
{
    struct harness_variant **place = &fixture->variants;

    while (*place)
        place = &(*place)->next;
    *place = variant;
}

/* ---- Running ------------------------------------------------------------------------------
 */

static _Noreturn void case_run(const struct harness_case *test_case,
                               const struct harness_variant *variant)
{
    /* A process group, by which the parent ends what the case leaves behind. */
    setpgid(0, 0);
    current.pid = getpid();
    if (!harness_holds_later)
        rig_hold();
    current.fixture = test_case->fixture;
    current.variant = variant ? variant->data : NULL;
    if (current.fixture) {
        current.self = calloc(1, current.fixture->size ? current.fixture->size : 1);
        if (!current.self)
            harness_abort(__FILE_NAME__, __LINE__, "no memory for fixture %s",
                          current.fixture->name);
        if (current.fixture->setup)
            current.fixture->setup(current.self, current.variant);
        current.set_up = true;
    }
    if (!result->failed)
        test_case->run(current.self, current.variant);
    case_end();
}

enum outcome {
    PASSED,
    FAILED,
    SKIPPED,
};

static enum outcome case_supervise(const struct harness_case *test_case,
                                   const struct harness_variant *variant, unsigned number)
{
    char name[256];
    const char *label = strchr(test_case->name, '.');
    int status = 0;

    if (variant)
        snprintf(name, sizeof(name), "%.*s.%s%s", (int)(label - test_case->name),
                 test_case->name, variant->name, label);
    else
        snprintf(name, sizeof(name), "%s", test_case->name);
    memset(result, 0, sizeof(*result));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        case_run(test_case, variant);
    if (pid < 0)
        harness_abort(__FILE_NAME__, __LINE__, "cannot start a process for case %s: %s", name,
                      strerror(errno));
    /* Only the first case waits for a fork. */
    unsetenv(MMRIG_TEST_HOLD);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    kill(-pid, SIGKILL);
    while (waitpid(-pid, NULL, 0) > 0)
        ;
    if (WIFSIGNALED(status)) {
        harness_diag("killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        result->failed = true;
    } else if (!result->finished) {
        harness_diag("ended before its end, with exit status %d", WEXITSTATUS(status));
        result->failed = true;
    }
    if (result->failed) {
        ktap_print("not ok %u %s\n", number, name);
        if (result->aborted) {
            ktap_print("Bail out! %s gave up\n", name);
            exit(MMRIG_TEST_FAIL);
        }
        return FAILED;
    }
    if (result->skipped) {
        ktap_print("ok %u %s # SKIP %s\n", number, name, result->reason);
        return SKIPPED;
    }
    ktap_print("ok %u %s\n", number, name);
    return PASSED;
}

int harness_main(int argc, char **argv)
{
    unsigned planned = 0, number = 0, counts[3] = {0};

    test_argc = argc;
    test_argv = argv;
    ktap_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    if (ktap_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        perror("harness: standard output");
        return MMRIG_TEST_FAIL;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    harness_rig_open();
    for (const struct harness_case *c = cases; c; c = c->next) {
        if (!c->fixture || !c->fixture->variants)
            planned++;
        for (const struct harness_variant *v = c->fixture ? c->fixture->variants : NULL; v;
             v = v->next)
            planned++;
    }
    ktap_print("KTAP version 1\n1..%u\n", planned);
    void *shared =
        mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        harness_abort(__FILE_NAME__, __LINE__, "no memory: %s", strerror(errno));
    result = shared;
    /* So that what a case leaves behind becomes ours and can be waited for. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const struct harness_case *c = cases; c; c = c->next) {
        if (!c->fixture || !c->fixture->variants)
            counts[case_supervise(c, NULL, ++number)]++;
        for (const struct harness_variant *v = c->fixture ? c->fixture->variants : NULL; v;
             v = v->next)
            counts[case_supervise(c, v, ++number)]++;
    }
    ktap_print("# %u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED],
               counts[SKIPPED]);
    if (counts[FAILED] > 0 || planned == 0)
        return MMRIG_TEST_FAIL;
    return counts[PASSED] == 0 ? MMRIG_TEST_SKIP : MMRIG_TEST_PASS;
}
