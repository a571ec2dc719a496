/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shell, or one command, in a scenario's machine. With a terminal on both sides and no
 * command, the guest's shell gets a terminal of its own and ours goes raw; else standard
 * input, output and error are passed through as they are, and so is the exit status.
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/paths.h"
#include "base/term.h"
#include "command-private.h"
#include "guest/channel.h"
#include "keeper/keeper.h"
#include "run/run.h"
#include "run/setup.h"
#include "vm/backing.h"
#include "vm/instance.h"

/* Input is not read any faster than the guest takes it. */
#define INPUT_QUEUE_MAX (64 * 1024)

/* The one exec of the session. */
#define EXEC_NUMBER 1
#define EXEC_ID     G_STRINGIFY(EXEC_NUMBER)

/* Seconds without a byte of the output that a guest has announced. */
#define REST_TIMEOUT_S 10

#define CONSOLE_TAIL 20

typedef struct {
    GMainLoop *loop;
    MmrigInstance *instance;
    const MmrigScenario *scenario;
    const char *name;    /* for `mmrig inject`, or NULL */
    MmrigKeeper *keeper; /* once QEMU can be asked */
    const char *const *command;
    gboolean terminal;
    struct termios saved;
    gboolean raw;
    GSource *input;
    guint input_pause;
    gboolean started, done;
    guint64 output_bytes;
    int status;
    GError *error;
} Shell;

static void shell_fail(Shell *shell, MmrigErrorCode code, const char *text)
{
    if (!shell->error)
        g_set_error_literal(&shell->error, MMRIG_ERROR, (int)code, text);
    g_main_loop_quit(shell->loop);
}

static void make_raw(Shell *shell)
{
    struct termios raw;

    if (!shell->terminal || tcgetattr(STDIN_FILENO, &shell->saved) != 0)
        return;
    raw = shell->saved;
    cfmakeraw(&raw);
    shell->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void restore_terminal(Shell *shell)
{
    if (shell->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &shell->saved);
    shell->raw = FALSE;
}

static gboolean send_size(gpointer data)
{
    Shell *shell = data;
    struct winsize size;
    char rows[8], columns[8];

    if (!shell->started || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0)
        return G_SOURCE_CONTINUE;
    g_snprintf(rows, sizeof(rows), "%u", size.ws_row);
    g_snprintf(columns, sizeof(columns), "%u", size.ws_col);
    mmrig_instance_send(shell->instance,
                        (const char *const[]){"resize", EXEC_ID, rows, columns, NULL});
    return G_SOURCE_CONTINUE;
}

static void watch_input(Shell *shell);

static gboolean resume_input(gpointer data)
{
    Shell *shell = data;

    if (mmrig_channel_queued(mmrig_instance_channel(shell->instance)) > INPUT_QUEUE_MAX / 2)
        return G_SOURCE_CONTINUE;
    shell->input_pause = 0;
    watch_input(shell);
    return G_SOURCE_REMOVE;
}

static gboolean on_input(int fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    Shell *shell = data;
    MmrigChannel *channel = mmrig_instance_channel(shell->instance);
    char bytes[MMRIG_CHUNK_MAX];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    g_autoptr(GError) error = NULL;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (got <= 0) {
        mmrig_instance_send(shell->instance, (const char *const[]){"stdin-end", EXEC_ID, NULL});
    } else if (!mmrig_channel_send_input(channel, EXEC_NUMBER, bytes, (gsize)got, &error)) {
        mmrig_instance_blame_guest(shell->instance, "%s", error->message);
    }
    if (got > 0 && mmrig_channel_queued(channel) <= INPUT_QUEUE_MAX)
        return G_SOURCE_CONTINUE;
    if (got > 0)
        shell->input_pause = g_timeout_add(10, resume_input, shell);
    g_clear_pointer(&shell->input, g_source_unref);
    return G_SOURCE_REMOVE;
}

static void watch_input(Shell *shell)
{
    shell->input = g_unix_fd_source_new(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(shell->input, G_SOURCE_FUNC(on_input), shell, NULL);
    g_source_attach(shell->input, NULL);
}

static void shell_on_ready(MmrigInstance *instance, const char *boot_id G_GNUC_UNUSED,
                           gpointer data)
{
    Shell *shell = data;
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    g_ptr_array_add(words, (gpointer) "exec");
    g_ptr_array_add(words, (gpointer)EXEC_ID);
    g_ptr_array_add(words, (gpointer) "0");
    g_ptr_array_add(words, (gpointer)(shell->terminal ? "tty" : "pipe"));
    for (const char *const *word = shell->command; *word; word++)
        g_ptr_array_add(words, (gpointer)*word);
    g_ptr_array_add(words, NULL);
    mmrig_instance_send(instance, (const char *const *)words->pdata);
    if (mmrig_instance_is_ending(instance))
        return;
    shell->started = TRUE;
    make_raw(shell);
    send_size(shell);
    watch_input(shell);
}

static gboolean shell_is_whole(const Shell *shell)
{
    return shell->done && mmrig_instance_output_total(shell->instance) >= shell->output_bytes;
}

/*
 * Once the command is done: the end, or a time limit on the rest of its output, which begins
 * anew with all that comes. However slow our reader is, the guest is given its time.
 */
static void shell_await_rest(Shell *shell)
{
    if (shell_is_whole(shell))
        g_main_loop_quit(shell->loop);
    else if (shell->done)
        mmrig_instance_limit(shell->instance, REST_TIMEOUT_S,
                             "nothing came for " G_STRINGIFY(REST_TIMEOUT_S) " s");
}

static void shell_on_interrupt(gpointer data)
{
    shell_fail(data, MMRIG_ERROR_RIG, "interrupted; the guest was stopped");
}

/* Standard output and error may be slow, or gone; the guest's output waits for them. */
static void pass_on(Shell *shell, int fd, const char *bytes, gsize size)
{
    while (size > 0) {
        if (!mmrig_interrupt_await_room(fd)) {
            shell_on_interrupt(shell);
            return;
        }
        ssize_t written = write(fd, bytes, MIN(size, MMRIG_ROOM_BYTES));
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written < 0) {
            g_autofree char *text =
                g_strdup_printf("cannot write the output: %s", g_strerror(errno));
            shell_fail(shell, MMRIG_ERROR_RIG, text);
            return;
        }
        bytes += written;
        size -= (gsize)written;
    }
}

static void shell_on_output(MmrigInstance *instance G_GNUC_UNUSED, const char *bytes,
                            gsize size, gpointer data)
{
    Shell *shell = data;

    pass_on(shell, STDOUT_FILENO, bytes, size);
    shell_await_rest(shell);
}

static void on_done(Shell *shell, const MmrigGuestMessage *message)
{
    int number = (int)message->done.number;

    /* No time limit was set either, and the number that comes with one could be any. */
    if (!shell->started || shell->done || message->number != EXEC_NUMBER ||
        message->done.how == MMRIG_DONE_BY_TIMEOUT) {
        mmrig_instance_blame_guest(
            shell->instance,
            "the agent said that a command was done which it was not asked to run");
        return;
    }
    /* As a shell would say it. */
    shell->status = message->done.how == MMRIG_DONE_BY_SIGNAL ? 128 + number : number;
    shell->output_bytes = message->done.output_bytes;
    shell->done = TRUE;
    shell_await_rest(shell);
}

static void shell_on_message(MmrigInstance *instance, const MmrigGuestMessage *message,
                             gpointer data)
{
    Shell *shell = data;
    g_autofree char *number = NULL;

    switch (message->kind) {
    case MMRIG_GUEST_STDERR:
        pass_on(shell, STDERR_FILENO, message->err.bytes, message->err.size);
        break;
    case MMRIG_GUEST_DONE:
        on_done(shell, message);
        break;
    case MMRIG_GUEST_REQUEST:
        number = g_strdup_printf("%" G_GUINT64_FORMAT, message->number);
        mmrig_instance_send(
            instance, (const char *const[]){"reply", number, "error",
                                            "`mmrig shell` carries out no requests", NULL});
        break;
    case MMRIG_GUEST_TRANSLATED:
        if (shell->keeper)
            mmrig_keeper_translated(shell->keeper, message);
        break;
    case MMRIG_GUEST_METRIC:
    case MMRIG_GUEST_POINT:
    case MMRIG_GUEST_KERNEL:
    case MMRIG_GUEST_ABORT:
    case MMRIG_GUEST_KEPT:
    case MMRIG_GUEST_FORKED:
    case MMRIG_GUEST_CLOCK:
    case MMRIG_GUEST_READY:
    case MMRIG_GUEST_FAIL:
        break; /* of tests and templates only, or the instance's affair */
    }
}

/* All channels were read to their ends, so output that is still missing will not come. */
static void shell_on_ended(MmrigInstance *instance, gpointer data)
{
    Shell *shell = data;
    g_autoptr(GError) failure = mmrig_instance_failure(instance);

    if (shell_is_whole(shell)) {
        g_main_loop_quit(shell->loop);
    } else if (shell->done) {
        g_autofree char *text = g_strdup_printf(
            "the guest announced %" G_GUINT64_FORMAT " bytes of output, but only "
            "%" G_GUINT64_FORMAT " came: %s",
            shell->output_bytes, mmrig_instance_output_total(instance), failure->message);
        shell_fail(shell, MMRIG_ERROR_GUEST, text);
    } else {
        shell_fail(shell, (MmrigErrorCode)failure->code, failure->message);
    }
}

/* From now on `mmrig inject` reaches the machine. The machine goes on if this fails. */
static void shell_on_connected(MmrigInstance *instance, gpointer data)
{
    g_autoptr(GError) error = NULL;
    Shell *shell = data;
    const MmrigKept kept = {mmrig_scenario_machine(shell->scenario, 0),
                            mmrig_instance_qmp(instance), mmrig_instance_pid(instance),
                            mmrig_instance_channel(instance), shell->name};

    shell->keeper = mmrig_keeper_new(&kept, &error);
    if (!shell->keeper)
        g_printerr("mmrig: `mmrig inject` cannot reach this machine: %s\n", error->message);
    else if (shell->terminal)
        g_printerr("mmrig: for `mmrig inject`, this machine is \"%s\"\r\n",
                   mmrig_keeper_name(shell->keeper));
}

static const MmrigInstanceCalls shell_calls = {
    .connected = shell_on_connected,
    .ready = shell_on_ready,
    .message = shell_on_message,
    .output = shell_on_output,
    .ended = shell_on_ended,
};

static void close_guest(Shell *shell)
{
    if (shell->input) {
        g_source_destroy(shell->input);
        g_source_unref(shell->input);
    }
    g_clear_handle_id(&shell->input_pause, g_source_remove);
    mmrig_keeper_free(shell->keeper);
    mmrig_instance_free(shell->instance);
    restore_terminal(shell);
}

/* The guest command's exit status, or one of the contract's with error. */
static int run_shell(const MmrigSetup *setup, const MmrigScenario *scenario,
                     const char *const *command, const char *name, GError **error)
{
    static const char *const sh[] = {"sh", NULL};
    Shell shell = {.command = *command ? command : sh, .status = MMRIG_EXIT_RIG};
    g_autofree char *image = mmrig_setup_image(setup, scenario, 0, "shell", error);
    if (!image)
        return -1;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    g_autoptr(MmrigPlan) plan =
        mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &inputs, error);
    g_autoptr(GArray) backings = plan ? mmrig_backings_new(plan, NULL, error) : NULL;
    if (!backings)
        return -1;
    const MmrigInstanceOptions start = {
        .plan = plan, .backings = backings, .kind = MMRIG_START_COLD};

    shell.terminal = !*command && mmrig_term_is_terminal(STDIN_FILENO) &&
                     mmrig_term_is_terminal(STDOUT_FILENO);
    shell.scenario = scenario;
    shell.name = name;
    shell.loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(MmrigInterrupt) interrupt G_GNUC_UNUSED =
        mmrig_interrupt_new(shell_on_interrupt, &shell);
    guint resized = g_unix_signal_add(SIGWINCH, send_size, &shell);
    shell.instance = mmrig_instance_start(&start, &shell_calls, &shell, &shell.error);
    if (shell.instance)
        g_main_loop_run(shell.loop);
    g_autofree char *console = shell.error && shell.instance
                                   ? mmrig_instance_console(shell.instance, CONSOLE_TAIL)
                                   : NULL;
    close_guest(&shell);
    g_source_remove(resized);
    /* Cancelled requests call back now, while the data of their callbacks exists. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_main_loop_unref(shell.loop);
    if (!shell.error)
        return shell.status;
    if (console && *console)
        g_printerr("%s\n", console);
    g_propagate_error(error, shell.error);
    return -1;
}

MmrigExit mmrig_cmd_shell(int argc, char **argv)
{
    g_autofree char *kernel = NULL, *accel = NULL, *scenarios = NULL, *name = NULL;
    g_autofree char *machine = NULL;
    g_auto(GStrv) rest = NULL, devices = NULL;
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        MMRIG_OPTION_KERNEL(&kernel),
        MMRIG_OPTION_ACCEL(&accel),
        MMRIG_OPTION_SCENARIOS(&scenarios),
        {"machine", 0, 0, G_OPTION_ARG_STRING, &machine,
         "Which machine, in a scenario of several; the others are not started", "MACHINE"},
        {"name", 0, 0, G_OPTION_ARG_STRING, &name,
         "What `mmrig inject` is to know the machine by (default: its scenario's name)", "RUN"},
        MMRIG_OPTION_DEVICES(&devices),
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &rest, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("NAME [-- COMMAND [ARG...]]");

    g_option_context_set_summary(context, "Opens a shell in a scenario's machine, or runs one "
                                          "command there and ends with its status.");
    if (!mmrig_command_parse(context, entries, &argc, &argv, &error))
        return mmrig_error_report(error);
    if (!rest) {
        g_set_error(&error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "shell: which scenario? give one name; `mmrig list` shows them");
        return mmrig_error_report(error);
    }
    const char *const *words = (const char *const *)rest;
    const char *const chosen_name[] = {words[0], NULL};
    g_autofree char *installed = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    MmrigSelection selection = {.folder = scenarios ? scenarios : installed,
                                .names = chosen_name};
    g_autoptr(GPtrArray) chosen = mmrig_setup_select(&selection, &error);
    if (!chosen)
        return mmrig_error_report(error);
    if ((name && !mmrig_keeper_name_free(name, &error)) ||
        !mmrig_scenario_choose_machine(g_ptr_array_index(chosen, 0), machine, &error))
        return mmrig_error_report(error);
    for (char **device = devices; device && *device; device++) {
        if (!mmrig_scenario_add_pack_device(g_ptr_array_index(chosen, 0), *device, &error))
            return mmrig_error_report(error);
    }
    g_autoptr(MmrigSetup) setup = mmrig_setup_open(kernel, accel ? accel : "auto", &error);
    mmrig_setup_say_note(setup);
    if (!setup)
        return mmrig_error_report(error);
    const char *const *command = words + 1;
    if (*command && strcmp(*command, "--") == 0)
        command++;
    int status = run_shell(setup, g_ptr_array_index(chosen, 0), command, name, &error);
    return status < 0 ? mmrig_error_report(error) : (MmrigExit)status;
}
