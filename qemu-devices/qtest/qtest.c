/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "qtest.h"

/* The exit status of a skipped test, for CTest. */
#define QTEST_SKIP    77
#define START_SECONDS 30
/* What a single command may take: a large frame under sanitizers on a busy machine. */
#define REPLY_SECONDS 60

struct QTest {
    GSubprocess *process;
    char *folder;
    GSocketConnection *line;
    GDataInputStream *line_in;
    GSocketConnection *qmp;
    GDataInputStream *qmp_in;
};

const char *qtest_emulator(void)
{
    const char *named = g_getenv("MMRIG_QEMU");

    return named ? named : "qemu-system-x86_64";
}

void qtest_begin(int *argc, char ***argv)
{
    g_autofree char *path = g_find_program_in_path(qtest_emulator());

    g_test_init(argc, argv, NULL);
    if (path)
        return;
    g_print("1..0 # SKIP there is no QEMU\n");
    exit(QTEST_SKIP);
}

GPtrArray *qtest_argv(const char *pack)
{
    static const char *const arguments[] = {
        "-nodefaults", "-no-user-config", "-display",    "none",    "-machine", "q35", "-m",
        "256",         "-accel",          "mmrig-qtest", "-plugin", NULL};
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(qtest_emulator()));
    for (guint i = 0; arguments[i]; i++)
        g_ptr_array_add(argv, g_strdup(arguments[i]));
    g_ptr_array_add(argv, g_strdup(pack ? pack : MMRIG_TEST_PACK));
    return argv;
}

static void die_with_parent(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

GSubprocess *qtest_spawn(GPtrArray *argv, GSubprocessFlags flags)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    /*
     * An instrumented pack needs the sanitizers' library in a QEMU that was not built with it.
     * What QEMU itself leaks at its end is not our matter.
     */
    g_subprocess_launcher_setenv(launcher, "LD_PRELOAD", MMRIG_TEST_PRELOAD MMRIG_TEST_ACCEL,
                                 TRUE);
    if (*MMRIG_TEST_PRELOAD) {
        g_subprocess_launcher_setenv(launcher, "ASAN_OPTIONS",
                                     "detect_leaks=0:abort_on_error=1", TRUE);
        g_subprocess_launcher_setenv(launcher, "UBSAN_OPTIONS", "print_stacktrace=1", TRUE);
    }
    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    g_ptr_array_add(argv, NULL);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &error);
    if (!process)
        g_error("%s: %s", qtest_emulator(), error->message);
    return process;
}

/* Without AddressSanitizer's notes, which it prints for any program that has coroutines. */
static char *without_notes(const char *text)
{
    static const char *const notes[] = {"==", "False positive error reports",
                                        "For details see"};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) rest = g_string_new(NULL);

    for (guint i = 0; lines[i]; i++) {
        gboolean note = *lines[i] == '\0';

        for (guint n = 0; n < G_N_ELEMENTS(notes); n++)
            note |= g_str_has_prefix(lines[i], notes[n]);
        if (!note)
            g_string_append_printf(rest, "%s\n", lines[i]);
    }
    return g_strdup(rest->str);
}

int qtest_run(GPtrArray *argv, char **errors)
{
    g_autoptr(GSubprocess) process = qtest_spawn(argv, G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) error = NULL;

    g_autofree char *text = NULL;

    if (!g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &text, &error))
        g_error("%s: %s", qtest_emulator(), error->message);
    *errors = *MMRIG_TEST_PRELOAD ? without_notes(text) : g_strdup(text);
    return g_subprocess_get_if_exited(process) ? g_subprocess_get_exit_status(process) : -1;
}

static GSocketListener *listen_at(const char *path)
{
    GSocketListener *listener = g_socket_listener_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) error = NULL;

    if (!g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM,
                                       G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error))
        g_error("%s: %s", path, error->message);
    return listener;
}

static gboolean cancel(gpointer cancellable)
{
    g_cancellable_cancel(cancellable);
    return G_SOURCE_REMOVE;
}

typedef struct {
    GCancellable *cancellable;
    gboolean waiting;
    gboolean done;
    GSocketConnection *connection;
    GError *error;
} Arrival;

static void arrived(GObject *source, GAsyncResult *result, gpointer data)
{
    Arrival *arrival = data;

    arrival->connection = g_socket_listener_accept_finish(G_SOCKET_LISTENER(source), result,
                                                          NULL, &arrival->error);
    arrival->done = TRUE;
}

/* Runs when QEMU has ended, and when the wait for that was cancelled. */
static void ended(GObject *source, GAsyncResult *result, gpointer data)
{
    Arrival *arrival = data;

    arrival->waiting = FALSE;
    if (g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL))
        g_cancellable_cancel(arrival->cancellable);
}

static GSocketConnection *accept_one(QTest *q, GSocketListener *listener)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timeout = g_timeout_source_new_seconds(START_SECONDS);
    g_autoptr(GCancellable) no_wait = g_cancellable_new();
    Arrival arrival = {.cancellable = cancellable, .waiting = TRUE};

    g_main_context_push_thread_default(context);
    g_source_set_callback(timeout, cancel, cancellable, NULL);
    g_source_attach(timeout, context);
    g_socket_listener_accept_async(listener, cancellable, arrived, &arrival);
    g_subprocess_wait_async(q->process, no_wait, ended, &arrival);
    while (!arrival.done)
        g_main_context_iteration(context, TRUE);
    g_cancellable_cancel(no_wait);
    while (arrival.waiting)
        g_main_context_iteration(context, TRUE);
    g_source_destroy(timeout);
    g_main_context_pop_thread_default(context);
    if (!arrival.connection)
        g_error("QEMU did not connect: %s", arrival.error->message);
    g_socket_set_timeout(g_socket_connection_get_socket(arrival.connection), REPLY_SECONDS);
    return arrival.connection;
}

static char *read_line(GDataInputStream *stream, const char *what)
{
    g_autoptr(GError) error = NULL;
    char *line = g_data_input_stream_read_line(stream, NULL, NULL, &error);

    if (!line)
        g_error("%s: %s", what, error ? error->message : "QEMU has closed the connection");
    return line;
}

static void write_text(GSocketConnection *connection, const char *text)
{
    GOutputStream *stream = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_autoptr(GError) error = NULL;

    if (!g_output_stream_write_all(stream, text, strlen(text), NULL, NULL, &error))
        g_error("cannot write to QEMU: %s", error->message);
}

QTest *qtest_start(const char *first, ...)
{
    QTest *q = g_new0(QTest, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) argv = qtest_argv(NULL);
    g_autofree char *line_path = NULL;
    g_autofree char *qmp_path = NULL;
    g_autoptr(GSocketListener) line = NULL;
    g_autoptr(GSocketListener) qmp = NULL;
    va_list arguments;

    q->folder = g_dir_make_tmp("mmrig-qtest-XXXXXX", &error);
    if (!q->folder)
        g_error("%s", error->message);
    line_path = g_build_filename(q->folder, "qtest", NULL);
    qmp_path = g_build_filename(q->folder, "qmp", NULL);
    line = listen_at(line_path);
    qmp = listen_at(qmp_path);
    g_ptr_array_add(argv, g_strdup("-qtest"));
    g_ptr_array_add(argv, g_strdup_printf("unix:%s", line_path));
    g_ptr_array_add(argv, g_strdup("-qtest-log"));
    g_ptr_array_add(argv, g_strdup("none"));
    g_ptr_array_add(argv, g_strdup("-qmp"));
    g_ptr_array_add(argv, g_strdup_printf("unix:%s", qmp_path));
    va_start(arguments, first);
    for (const char *a = first; a; a = va_arg(arguments, const char *))
        g_ptr_array_add(argv, g_strdup(a));
    va_end(arguments);
    q->process = qtest_spawn(argv, G_SUBPROCESS_FLAGS_NONE);
    /* QEMU connects in this order, whatever that of the arguments. */
    q->qmp = accept_one(q, qmp);
    q->line = accept_one(q, line);
    q->line_in = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(q->line)));
    q->qmp_in = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(q->qmp)));
    g_free(read_line(q->qmp_in, "greeting"));
    json_node_unref(qtest_qmp(q, "{\"execute\": \"qmp_capabilities\"}"));
    g_unlink(line_path);
    g_unlink(qmp_path);
    return q;
}

void qtest_stop(QTest *q)
{
    g_autoptr(GError) error = NULL;

    json_node_unref(qtest_qmp(q, "{\"execute\": \"quit\"}"));
    if (!g_subprocess_wait(q->process, NULL, &error))
        g_error("%s", error->message);
    if (!g_subprocess_get_if_exited(q->process) ||
        g_subprocess_get_exit_status(q->process) != 0)
        g_error("QEMU ended with wait status %d", g_subprocess_get_status(q->process));
    g_rmdir(q->folder);
    g_free(q->folder);
    g_object_unref(q->line_in);
    g_object_unref(q->qmp_in);
    g_object_unref(q->line);
    g_object_unref(q->qmp);
    g_object_unref(q->process);
    g_free(q);
}

/* ---- Commands --------------------------------------------------------------------------- */

/* What stands behind "OK". */
static char *command(QTest *q, const char *format, ...) G_GNUC_PRINTF(2, 3);

static char *command(QTest *q, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    write_text(q->line, text);
    for (;;) {
        g_autofree char *line = read_line(q->line_in, text);

        if (g_str_has_prefix(line, "IRQ "))
            continue;
        if (!g_str_has_prefix(line, "OK"))
            g_error("%s: QEMU said '%s'", text, line);
        return g_strdup(line[2] ? line + 3 : line + 2);
    }
}

static uint64_t ask(QTest *q, const char *verb, uint64_t address)
{
    g_autofree char *answer = command(q, "%s 0x%" PRIx64 "\n", verb, address);

    return g_ascii_strtoull(answer, NULL, 16);
}

static void tell(QTest *q, const char *verb, uint64_t address, uint64_t value)
{
    g_free(command(q, "%s 0x%" PRIx64 " 0x%" PRIx64 "\n", verb, address, value));
}

uint8_t qtest_readb(QTest *q, uint64_t address)
{
    return (uint8_t)ask(q, "readb", address);
}

uint16_t qtest_readw(QTest *q, uint64_t address)
{
    return (uint16_t)ask(q, "readw", address);
}

uint32_t qtest_readl(QTest *q, uint64_t address)
{
    return (uint32_t)ask(q, "readl", address);
}

uint64_t qtest_readq(QTest *q, uint64_t address)
{
    return ask(q, "readq", address);
}

void qtest_writeb(QTest *q, uint64_t address, uint8_t value)
{
    tell(q, "writeb", address, value);
}

void qtest_writew(QTest *q, uint64_t address, uint16_t value)
{
    tell(q, "writew", address, value);
}

void qtest_writel(QTest *q, uint64_t address, uint32_t value)
{
    tell(q, "writel", address, value);
}

void qtest_writeq(QTest *q, uint64_t address, uint64_t value)
{
    tell(q, "writeq", address, value);
}

uint32_t qtest_inl(QTest *q, uint16_t port)
{
    return (uint32_t)ask(q, "inl", port);
}

void qtest_outw(QTest *q, uint16_t port, uint16_t value)
{
    tell(q, "outw", port, value);
}

void qtest_outl(QTest *q, uint16_t port, uint32_t value)
{
    tell(q, "outl", port, value);
}

void qtest_read(QTest *q, uint64_t address, void *to, size_t size)
{
    g_autofree char *answer = command(q, "b64read 0x%" PRIx64 " 0x%zx\n", address, size);
    g_autofree guchar *bytes = NULL;
    gsize count;

    bytes = g_base64_decode(answer, &count);
    if (count != size)
        g_error("b64read: %zu bytes instead of %zu", (size_t)count, size);
    memcpy(to, bytes, size);
}

void qtest_write(QTest *q, uint64_t address, const void *from, size_t size)
{
    g_autofree char *text = g_base64_encode(from, size);

    g_free(command(q, "b64write 0x%" PRIx64 " 0x%zx %s\n", address, size, text));
}

void qtest_fill(QTest *q, uint64_t address, size_t size, uint8_t value)
{
    g_free(command(q, "memset 0x%" PRIx64 " 0x%zx 0x%x\n", address, size, value));
}

void qtest_clock_step(QTest *q, int64_t ns)
{
    g_free(command(q, "clock_step %" PRId64 "\n", ns));
}

/* ---- QMP -------------------------------------------------------------------------------- */

/* The reply to one command: an object with "return" or with "error". */
static JsonNode *qmp_reply(QTest *q, const char *text)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    write_text(q->qmp, line);
    for (;;) {
        g_autofree char *reply = read_line(q->qmp_in, text);
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_from_string(reply, &error);

        if (!node || !JSON_NODE_HOLDS_OBJECT(node))
            g_error("%s: QEMU said '%s'", text, reply);
        if (!json_object_has_member(json_node_get_object(node), "event"))
            return g_steal_pointer(&node);
    }
}

JsonNode *qtest_qmp(QTest *q, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autoptr(JsonNode) reply = qmp_reply(q, text);
    JsonObject *object = json_node_get_object(reply);
    if (!json_object_has_member(object, "return")) {
        g_autofree char *said = json_to_string(reply, FALSE);
        g_error("%s: QEMU said '%s'", text, said);
    }
    return json_node_ref(json_object_get_member(object, "return"));
}

char *qtest_qmp_error(QTest *q, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autoptr(JsonNode) reply = qmp_reply(q, text);
    JsonObject *object = json_node_get_object(reply);
    if (!json_object_has_member(object, "error"))
        return NULL;
    return g_strdup(
        json_object_get_string_member(json_object_get_object_member(object, "error"), "desc"));
}

pid_t qtest_pid(QTest *q)
{
    return (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(q->process), NULL, 10);
}

void qtest_migrated(QTest *q)
{
    gint64 end = g_get_monotonic_time() + (gint64)REPLY_SECONDS * G_USEC_PER_SEC;

    while (g_get_monotonic_time() < end) {
        g_autoptr(JsonNode) node = qtest_qmp(q, "{\"execute\": \"query-migrate\"}");
        JsonObject *object = json_node_get_object(node);
        const char *status =
            json_object_get_string_member_with_default(object, "status", "none");

        if (strcmp(status, "completed") == 0)
            return;
        if (strcmp(status, "failed") == 0)
            g_error("the migration failed");
        g_usleep(5000);
    }
    g_error("the migration did not end");
}

#define FILE_URI "file:"

char *qtest_save(QTest *q)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mmrig-qtest-XXXXXX", &error);
    char *uri;

    if (!folder)
        g_error("%s", error->message);
    uri = g_strconcat(FILE_URI, folder, "/state", NULL);
    json_node_unref(qtest_qmp(q, "{'execute':'migrate','arguments':{'uri':'%s'}}", uri));
    qtest_migrated(q);
    qtest_stop(q);
    return uri;
}

void qtest_forget(const char *uri)
{
    const char *path = uri + strlen(FILE_URI);
    g_autofree char *folder = g_path_get_dirname(path);

    g_unlink(path);
    g_rmdir(folder);
}

void qtest_patch(const char *uri, const void *find, size_t find_size, ptrdiff_t offset,
                 const void *bytes, size_t size)
{
    const char *path = uri + strlen(FILE_URI);
    g_autofree char *state = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;
    char *found;

    if (!g_file_get_contents(path, &state, &length, &error))
        g_error("%s", error->message);
    found = memmem(state, length, find, find_size);
    if (!found || memmem(found + 1, length - (size_t)(found + 1 - state), find, find_size))
        g_error("%s: what was to be found is not there, or not once", path);
    found += offset;
    g_assert_true(found >= state && (size_t)(found - state) + size <= length);
    memcpy(found, bytes, size);
    if (!g_file_set_contents(path, state, (gssize)length, &error))
        g_error("%s", error->message);
}

void qtest_set(QTest *q, const char *path, const char *property, const char *value)
{
    json_node_unref(qtest_qmp(
        q, "{'execute':'qom-set','arguments':{'path':'%s','property':'%s','value':'%s'}}", path,
        property, value));
}

uint64_t qtest_get(QTest *q, const char *path, const char *property)
{
    g_autoptr(JsonNode) answer = qtest_qmp(
        q, "{'execute':'qom-get','arguments':{'path':'%s','property':'%s'}}", path, property);

    return (uint64_t)json_node_get_int(answer);
}
