/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The harness of the guest tests, seen from outside: what a program on it prints. */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mmrig-line.h"

/* Line numbers of the sample are of no interest. */
static char *without_lines(const char *text)
{
    g_autoptr(GRegex) regex =
        g_regex_new("^(# [a-z-]+\\.c):[0-9]+:", G_REGEX_MULTILINE, 0, NULL);

    return g_regex_replace(regex, text, -1, 0, "\\1:N:", 0, NULL);
}

typedef struct {
    GSubprocess *process;
    int agent; /* our end of the test's socket */
} Sample;

static void sample_start(Sample *sample, const char *mode)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) error = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    sample->agent = fds[0];
    g_subprocess_launcher_take_fd(launcher, fds[1], MMRIG_TEST_FD);
    sample->process = g_subprocess_launcher_spawn(launcher, &error, MMRIG_TEST_SAMPLE, "first",
                                                  mode, "hex=0x1f", NULL);
    g_assert_no_error(error);
}

/* Waits for the end; frees all. Returns the exit status. */
static int sample_end(Sample *sample, char **out, char **err)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    int status;

    g_subprocess_communicate_utf8(sample->process, NULL, NULL, &text, err, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_if_exited(sample->process));
    status = g_subprocess_get_exit_status(sample->process);
    *out = without_lines(text);
    g_clear_object(&sample->process);
    close(sample->agent);
    return status;
}

static void agent_read(int agent, char text[MMRIG_LINE_MAX], struct mmrig_line *line)
{
    size_t used = 0;

    while (read(agent, text + used, 1) == 1 && text[used] != '\n')
        g_assert_cmpuint(++used, <, MMRIG_LINE_MAX);
    g_assert_true(mmrig_line_parse(text, used, line));
}

static void agent_write(int agent, const char *text)
{
    g_assert_cmpint(write(agent, text, strlen(text)), ==, (gssize)strlen(text));
}

static void test_mixed(void)
{
    static const char wanted[] =
        "KTAP version 1\n"
        "1..20\n"
        "ok 1 passes\n"
        "# harness-sample.c:N: expected negative == 3u (-5 != 3)\n"
        "# harness-sample.c:N: expected negative != -5 (-5 == -5)\n"
        "# harness-sample.c:N: expected UINT64_MAX < 1 (18446744073709551615 >= 1)\n"
        "# harness-sample.c:N: expected 2.5 <= 2 (2.5 > 2)\n"
        "# harness-sample.c:N: expected (void *)0x10 > (void *)0x20 (0x10 <= 0x20)\n"
        "# harness-sample.c:N: expected negative >= true (-5 < 1)\n"
        "# harness-sample.c:N: expected negative > 0 to be true\n"
        "# harness-sample.c:N: expected negative to be false\n"
        "# harness-sample.c:N: expected nothing == \"text\" (\"(null)\" != \"text\")\n"
        "# harness-sample.c:N: expected (double)NAN == (double)NAN (nan != nan)\n"
        "# went on\n"
        "# in two lines\n"
        "not ok 2 expects_and_goes_on\n"
        "# harness-sample.c:N: expected 1 == 2 (1 != 2)\n"
        "not ok 3 asserts_and_ends\n"
        "# killed by signal 9 (Killed)\n"
        "not ok 4 crashes\n"
        "# ended before its end, with exit status 0\n"
        "not ok 5 exits_by_itself\n"
        "# harness-sample.c:N: expected false to be true\n"
        "not ok 6 fails_in_a_child\n"
        "ok 7 leaves_a_process_behind\n"
        "ok 8 skips # SKIP needs CONFIG_NONE and more\n"
        "# harness-sample.c:N: expected false to be true\n"
        "not ok 9 fails_then_skips\n"
        "# teardown of 4096\n"
        "ok 10 page.small.is_small\n"
        "# harness-sample.c:N: expected self->size <= 4096 (2097152 > 4096)\n"
        "# teardown of 2097152\n"
        "not ok 11 page.huge.is_small\n"
        "# harness-sample.c:N: expected variant->broken to be false\n"
        "not ok 12 page.broken.is_small\n"
        "ok 13 plain.has_no_variant\n"
        "# harness-sample.c:N: expected self->number == 1 (0 != 1)\n"
        "# teardown all the same\n"
        "not ok 14 doubtful.is_not_run\n"
        "ok 15 runs_a_command\n"
        "ok 16 looks_at_the_system\n"
        "ok 17 asks_the_rig # SKIP not in mode mixed\n"
        "ok 18 gives_up # SKIP not in mode mixed\n"
        "ok 19 meets_no_number # SKIP not in mode mixed\n"
        "ok 20 comes_last # SKIP not in mode mixed\n"
        "# 6 passed, 9 failed, 5 skipped\n";
    g_autofree char *out = NULL, *err = NULL;
    Sample sample;

    sample_start(&sample, "mode=mixed");
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_FAIL);
    g_assert_cmpstr(out, ==, wanted);
    g_assert_nonnull(strstr(err, "this is not KTAP\n"));
}

static void test_all_skipped(void)
{
    g_autofree char *out = NULL, *err = NULL;
    Sample sample;

    sample_start(&sample, "mode=none");
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_SKIP);
    g_assert_true(g_str_has_suffix(out, "# 0 passed, 0 failed, 20 skipped\n"));
}

static void test_pass_among_skipped(void)
{
    g_autofree char *out = NULL, *err = NULL;
    Sample sample;

    sample_start(&sample, "mode=pass");
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_PASS);
    g_assert_nonnull(strstr(out, "\nok 20 comes_last\n# 1 passed, 0 failed, 19 skipped\n"));
}

static void test_request(void)
{
    char text[MMRIG_LINE_MAX];
    struct mmrig_line line;
    g_autofree char *out = NULL, *err = NULL, *reply = NULL, *refusal = NULL;
    Sample sample;

    sample_start(&sample, "mode=rig");
    agent_read(sample.agent, text, &line);
    g_assert_cmpuint(line.count, ==, 5);
    g_assert_cmpstr(line.words[0].data, ==, "request");
    g_assert_cmpstr(line.words[2].data, ==, "balloon-set");
    g_assert_cmpstr(line.words[3].data, ==, "bytes=4096");
    g_assert_cmpstr(line.words[4].data, ==, "note=a%b");
    /* First one for somebody else, and the right one in two pieces. */
    reply = g_strdup_printf("reply 1 ok actual=1\nreply %s ok act", line.words[1].data);
    agent_write(sample.agent, reply);
    agent_write(sample.agent, "ual=8192 hex=0x10\n");
    agent_read(sample.agent, text, &line);
    g_assert_cmpuint(line.count, ==, 4);
    refusal = g_strdup_printf("reply %s error not%%20that%%20little\n", line.words[1].data);
    agent_write(sample.agent, refusal);
    agent_read(sample.agent, text, &line);
    g_assert_cmpuint(line.count, ==, 4);
    g_assert_cmpstr(line.words[0].data, ==, "metric");
    g_assert_cmpstr(line.words[1].data, ==, "time taken");
    g_assert_cmpstr(line.words[2].data, ==, "0.25");
    g_assert_cmpstr(line.words[3].data, ==, "s");
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_PASS);
    g_assert_nonnull(strstr(out, "\nok 17 asks_the_rig\n"));
}

/* Each gives up on the program: the rest of the cases is not run. */
static void check_abort(const char *mode, const char *file, const char *message,
                        const char *ending)
{
    char text[MMRIG_LINE_MAX];
    struct mmrig_line line;
    g_autofree char *out = NULL, *err = NULL;
    Sample sample;

    sample_start(&sample, mode);
    agent_read(sample.agent, text, &line);
    g_assert_cmpuint(line.count, ==, 5);
    g_assert_cmpstr(line.words[0].data, ==, "abort");
    g_assert_cmpstr(line.words[1].data, ==, "0");
    g_assert_cmpstr(line.words[2].data, ==, file);
    g_assert_cmpint(g_ascii_strtoll(line.words[3].data, NULL, 10), >, 0);
    g_assert_cmpstr(line.words[4].data, ==, message);
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_FAIL);
    g_assert_true(g_str_has_suffix(out, ending));
}

static void test_abort(void)
{
    check_abort("mode=abort", "harness-sample.c", "no hope here",
                "# harness-sample.c:N: gives up: no hope here\n"
                "not ok 18 gives_up\n"
                "Bail out! gives_up gave up\n");
    check_abort("mode=number", "harness-guest.c",
                "the test's argument mode=number is no number",
                "not ok 19 meets_no_number\n"
                "Bail out! meets_no_number gave up\n");
}

/* The agent is gone: no waiting for a reply that will never come. */
static void test_agent_gone(void)
{
    g_autofree char *out = NULL, *err = NULL;
    char text[MMRIG_LINE_MAX];
    struct mmrig_line line;
    Sample sample;

    sample_start(&sample, "mode=rig");
    agent_read(sample.agent, text, &line);
    g_assert_cmpint(shutdown(sample.agent, SHUT_RDWR), ==, 0);
    g_assert_cmpint(sample_end(&sample, &out, &err), ==, MMRIG_TEST_FAIL);
    g_assert_nonnull(strstr(out, "gives up: the agent went away"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/harness/mixed", test_mixed);
    g_test_add_func("/harness/all-skipped", test_all_skipped);
    g_test_add_func("/harness/pass-among-skipped", test_pass_among_skipped);
    g_test_add_func("/harness/request", test_request);
    g_test_add_func("/harness/abort", test_abort);
    g_test_add_func("/harness/agent-gone", test_agent_gone);
    return g_test_run();
}
