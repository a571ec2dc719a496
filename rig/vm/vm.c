/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"

/* A guest that prints for ever must not fill the disk. */
#define CONSOLE_LIMIT  (16 * 1024 * 1024)
#define QEMU_LOG_LIMIT (1024 * 1024)

/* How a panic looks on the console (Linux kernel/panic.c). */
#define PANIC_MARK "Kernel panic - not syncing: "
#define PANIC_MAX  512

/* What QEMU says as it dies of its issue 1921. */
#define RACE_MARK "iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed"

/* Descriptors with a fixed number in QEMU, besides standard error. */
#define CHANNELS (MMRIG_FD_BACKING - MMRIG_FD_QMP)

struct MmrigVm {
    pid_t pid; /* 0 once it is reaped */
    int wait_status;
    gboolean killed; /* by us */
    guint watch;
    int fds[CHANNELS]; /* our ends, by QEMU's number less MMRIG_FD_QMP; -1 if taken */
    MmrigQmp *qmp;
    MmrigTap *console, *messages;
    GString *panic_line; /* the console's line so far, while looking for PANIC_MARK */
    char *panic;
    MmrigVmEnded ended;
    gpointer data;
};

static void on_console(const char *bytes, gsize size, gpointer data)
{
    MmrigVm *vm = data;

    for (gsize i = 0; i < size && !vm->panic; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r') {
            if (vm->panic_line->len < PANIC_MAX)
                g_string_append_c(vm->panic_line, bytes[i]);
            continue;
        }
        char *mark = strstr(vm->panic_line->str, PANIC_MARK);
        if (mark)
            vm->panic = g_utf8_make_valid(mark + strlen(PANIC_MARK), -1);
        g_string_truncate(vm->panic_line, 0);
    }
}

static void on_child_exit(GPid pid G_GNUC_UNUSED, gint wait_status, gpointer data)
{
    MmrigVm *vm = data;

    vm->watch = 0;
    vm->pid = 0;
    vm->wait_status = wait_status;
    mmrig_tap_drain(vm->console);
    mmrig_tap_drain(vm->messages);
    if (vm->ended)
        vm->ended(vm, vm->data);
}

typedef struct {
    pid_t parent;
    const int *sources; /* descriptors to hand over, in order of their new numbers */
    int count;
} ChildSetup;

/*
 * Between fork and exec: async-signal-safe calls only. First all sources are moved out of the
 * way of the numbers they are to get, so that none is overwritten before it was copied.
 */
static void vm_set_up_child(gpointer data)
{
    const ChildSetup *setup = data;
    int moved[64];

    mmrig_child_bind(setup->parent);
    /* A QEMU that aborts must not leave its guest's memory behind as a core file. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (setup->count > (int)G_N_ELEMENTS(moved))
        _exit(127);
    for (int i = 0; i < setup->count; i++) {
        moved[i] = fcntl(setup->sources[i], F_DUPFD_CLOEXEC, MMRIG_FD_QMP + setup->count);
        if (moved[i] < 0)
            _exit(127);
    }
    for (int i = 0; i < setup->count; i++)
        if (dup2(moved[i], MMRIG_FD_QMP + i) < 0)
            _exit(127);
}

static gboolean save_arguments(const MmrigPlan *machine, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "qemu.argv", NULL);
    g_autofree char *lines = g_strjoinv("\n", machine->argv);
    g_autofree char *text = g_strconcat(lines, "\n", NULL);

    /* Not through a temporary file: a killed rig must leave none. */
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0666, error);
}

static MmrigTap *new_tap(int *fd, const char *folder, const char *name, gsize limit,
                         MmrigTapData callback, MmrigVm *vm, GError **error)
{
    g_autofree char *path = folder ? g_build_filename(folder, name, NULL) : NULL;
    MmrigTap *tap = mmrig_tap_new(*fd, path, limit, callback, vm, error);

    *fd = -1;
    return tap;
}

static GOutputStream *open_qmp_log(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "qmp.log", NULL);
    g_autoptr(GFile) file = g_file_new_for_path(path);

    return G_OUTPUT_STREAM(g_file_append_to(file, G_FILE_CREATE_NONE, NULL, error));
}

/* Our side of everything, once the descriptors are there. */
static gboolean connect_host_side(MmrigVm *vm, int *messages_fd, const char *folder,
                                  GError **error)
{
    g_autoptr(GOutputStream) log = NULL;

    vm->messages = new_tap(messages_fd, folder, "qemu.log", QEMU_LOG_LIMIT, NULL, vm, error);
    if (!vm->messages)
        return FALSE;
    vm->console = new_tap(&vm->fds[MMRIG_FD_CONSOLE - MMRIG_FD_QMP], folder, "console.log",
                          CONSOLE_LIMIT, on_console, vm, error);
    if (!vm->console)
        return FALSE;
    if (folder && !(log = open_qmp_log(folder, error)))
        return FALSE;
    g_autoptr(GSocket) socket = g_socket_new_from_fd(vm->fds[0], error);
    if (!socket)
        return FALSE;
    vm->fds[0] = -1;
    g_autoptr(GSocketConnection) connection =
        g_socket_connection_factory_create_connection(socket);
    vm->qmp = mmrig_qmp_new(G_IO_STREAM(connection), log);
    return TRUE;
}

static pid_t vm_spawn(const MmrigPlan *machine, const int *sources, int count, int messages,
                      GError **error)
{
    ChildSetup setup = {.parent = getpid(), .sources = sources, .count = count};
    g_autoptr(GError) failure = NULL;
    GPid pid;

    /*
     * No close-on-exec by GLib: all of the rig's descriptors have that flag already, and
     * GLib's own sweep would come after set_up_child() and undo it.
     */
    if (!g_spawn_async_with_fds(NULL, machine->argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                                vm_set_up_child, &setup, &pid, -1, messages, messages,
                                &failure)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "cannot start %s: %s",
                    machine->argv[0], failure->message);
        return 0;
    }
    return pid;
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

MmrigVm *mmrig_vm_start(const MmrigPlan *machine, const GArray *backings, const char *folder,
                        MmrigVmEnded ended, gpointer data, GError **error)
{
    int count = CHANNELS + (int)machine->backings->len;
    g_autofree int *sources = g_new(int, count);
    int messages[2] = {-1, -1};
    g_autoptr(MmrigVm) vm = g_new0(MmrigVm, 1);

    vm->panic_line = g_string_new(NULL);
    for (int i = 0; i < CHANNELS; i++)
        vm->fds[i] = sources[i] = -1;
    for (guint i = 0; i < machine->backings->len; i++)
        sources[CHANNELS + i] = g_array_index(backings, int, i);
    for (int i = 0; i < CHANNELS; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make a socket: %s",
                        g_strerror(errno));
            close_all(sources, CHANNELS);
            return NULL;
        }
        vm->fds[i] = pair[0];
        sources[i] = pair[1];
    }
    if (pipe2(messages, O_CLOEXEC) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make a pipe: %s",
                    g_strerror(errno));
        close_all(sources, CHANNELS);
        return NULL;
    }
    /* The rest is done while QEMU starts; should it fail, vm's end is QEMU's. */
    vm->pid = vm_spawn(machine, sources, count, messages[1], error);
    gboolean ready = vm->pid != 0 && connect_host_side(vm, &messages[0], folder, error) &&
                     (!folder || save_arguments(machine, folder, error));
    close_all(sources, CHANNELS);
    close_all(messages, 2);
    if (!ready)
        return NULL;
    vm->watch = g_child_watch_add(vm->pid, on_child_exit, vm);
    vm->ended = ended;
    vm->data = data;
    return g_steal_pointer(&vm);
}

void mmrig_vm_free(MmrigVm *vm)
{
    if (!vm)
        return;
    if (vm->watch)
        g_source_remove(vm->watch);
    if (vm->pid) {
        kill(vm->pid, SIGKILL);
        while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (vm->qmp)
        mmrig_qmp_close(vm->qmp);
    g_clear_object(&vm->qmp);
    mmrig_tap_free(vm->console);
    mmrig_tap_free(vm->messages);
    close_all(vm->fds, CHANNELS);
    g_string_free(vm->panic_line, TRUE);
    g_free(vm->panic);
    g_free(vm);
}

pid_t mmrig_vm_pid(const MmrigVm *vm)
{
    return vm->pid;
}

MmrigQmp *mmrig_vm_qmp(const MmrigVm *vm)
{
    return vm->qmp;
}

static int vm_take(MmrigVm *vm, int number)
{
    int fd = vm->fds[number - MMRIG_FD_QMP];

    vm->fds[number - MMRIG_FD_QMP] = -1;
    return fd;
}

int mmrig_vm_take_control(MmrigVm *vm)
{
    return vm_take(vm, MMRIG_FD_CONTROL);
}

int mmrig_vm_take_ktap(MmrigVm *vm)
{
    return vm_take(vm, MMRIG_FD_KTAP);
}

void mmrig_vm_kill(MmrigVm *vm)
{
    vm->killed = TRUE;
    if (vm->pid)
        kill(vm->pid, SIGKILL);
}

char *mmrig_vm_console(const MmrigVm *vm, guint lines)
{
    return mmrig_tap_tail(vm->console, lines);
}

const char *mmrig_vm_panic(const MmrigVm *vm)
{
    return vm->panic;
}

char *mmrig_vm_obituary(const MmrigVm *vm)
{
    g_autofree char *said = mmrig_tap_tail(vm->messages, 3);
    const char *colon = *said ? ": " : "";

    g_strdelimit(said, "\n", ' ');
    if (WIFSIGNALED(vm->wait_status))
        return g_strdup_printf("QEMU was killed by %s%s%s%s",
                               g_strsignal(WTERMSIG(vm->wait_status)),
                               vm->killed ? " (from the rig)" : "", colon, said);
    return g_strdup_printf("QEMU ended with status %d%s%s", WEXITSTATUS(vm->wait_status), colon,
                           said);
}

gboolean mmrig_vm_died_of_race(const MmrigVm *vm)
{
    g_autofree char *said = mmrig_tap_tail(vm->messages, 3);

    return WIFSIGNALED(vm->wait_status) && WTERMSIG(vm->wait_status) == SIGABRT &&
           strstr(said, RACE_MARK);
}

const GError *mmrig_vm_log_error(const MmrigVm *vm)
{
    const GError *error = mmrig_tap_error(vm->console);

    return error ? error : mmrig_tap_error(vm->messages);
}
