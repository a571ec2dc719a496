/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine whose requests are carried out, against a QEMU that answers as it is told. */
#pragma once

#include "actions/actions.h"
#include "base/error.h"
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A QEMU that answers as it is told -------------------------------------------------- */

typedef struct {
    int fd;
    const char *answer; /* JSON of the reply's "return", or of its "error" if is_error */
    gboolean is_error;
    GPtrArray *heard; /* "COMMAND ARGUMENTS" of all but the negotiation */
} Peer;

static void peer_write(int fd, const char *text)
{
    gsize size = strlen(text);

    g_assert_cmpint(write(fd, text, size), ==, size);
}

static char *node_text(JsonNode *node)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();

    json_generator_set_root(generator, node);
    return json_generator_to_data(generator, NULL);
}

static gpointer peer_run(gpointer data)
{
    Peer *peer = data;
    FILE *in = fdopen(dup(peer->fd), "r");
    char line[4096];

    g_assert_nonnull(in);
    peer_write(peer->fd, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10, \"minor\": 0, "
                         "\"micro\": 2}, \"package\": \"\"}, \"capabilities\": []}}\n");
    while (fgets(line, sizeof(line), in)) {
        g_autoptr(JsonNode) node = json_from_string(line, NULL);
        g_assert_nonnull(node);
        JsonObject *message = json_node_get_object(node);
        const char *command = json_object_get_string_member(message, "execute");
        g_autofree char *id = node_text(json_object_get_member(message, "id"));
        gboolean negotiation = strcmp(command, "qmp_capabilities") == 0;
        if (!negotiation) {
            JsonNode *arguments = json_object_get_member(message, "arguments");
            g_autofree char *text = arguments ? node_text(arguments) : NULL;
            g_ptr_array_add(peer->heard, g_strjoin(" ", command, text, NULL));
        }
        g_autofree char *reply = g_strdup_printf(
            "{\"%s\": %s, \"id\": %s}\n", !negotiation && peer->is_error ? "error" : "return",
            negotiation ? "{}" : peer->answer, id);
        peer_write(peer->fd, reply);
    }
    fclose(in);
    return NULL;
}

/* ---- One request ------------------------------------------------------------------------ */

typedef struct {
    gboolean done;
    GStrv reply;
    GError *error;
} Outcome;

static void on_done(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
    Outcome *outcome = data;

    outcome->reply = mmrig_action_perform_finish(result, &outcome->error);
    outcome->done = TRUE;
}

/* A machine, and what is done wrong to its requests. */
typedef struct {
    MmrigMachineSpec *spec;
    MmrigActionFault fault;
} Target;

static void add_device(const Target *target, const MmrigDeviceClass *class, const char *id,
                       const char *key, const char *value)
{
    MmrigDevice *device = mmrig_device_new(class, id);
    g_autofree char *problem = NULL;

    g_ptr_array_add(target->spec->devices, device);
    if (key)
        g_assert_true(
            mmrig_ini_set(mmrig_ini_find(&class->section, key), device, value, &problem));
}

/* A machine of two CPUs and 512 MiB with a balloon and a virtio-mem device of 256 MiB. */
static Target new_target(void)
{
    Target target = {.spec = mmrig_spec_new(NULL, "x")};
    g_autofree char *problem = NULL;

    target.spec->cpus = 2;
    target.spec->memory = G_GUINT64_CONSTANT(512) << 20;
    add_device(&target, &mmrig_device_nvdimm, "nv0", "size", "64M");
    add_device(&target, &mmrig_device_balloon, "b0", NULL, NULL);
    add_device(&target, &mmrig_device_virtio_mem, "vm0", "size", "256M");
    MmrigDevice *memory = g_ptr_array_index(target.spec->devices, 2);
    g_assert_true(mmrig_ini_set(mmrig_ini_find(&memory->class->section, "block-size"), memory,
                                "2M", &problem));
    return target;
}

typedef struct {
    const char *verb;
    const char *args;    /* separated by blanks; "" for none */
    const char *answer;  /* what QEMU returns; NULL: {} */
    gboolean is_error;   /* ... as an error */
    const char *command; /* what QEMU must hear; NULL: nothing */
    const char *reply;   /* what the guest gets, joined by blanks; NULL: an error */
    const char *error;   /* the error's message must have this in it */
} Case;

static void check_pid(const Target *target, pid_t pid, const Case *row)
{
    Outcome outcome = {0};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) args = g_strsplit(row->args, " ", -1);
    int fds[2];

    g_autofree char *shown = g_strescape(row->args, NULL);
    g_test_message("%s %s", row->verb, shown);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    Peer peer = {
        .fd = fds[1],
        .answer = row->answer ? row->answer : "{}",
        .is_error = row->is_error,
        .heard = g_ptr_array_new_with_free_func(g_free),
    };
    GThread *thread = g_thread_new("peer", peer_run, &peer);
    g_autoptr(GInputStream) in = g_unix_input_stream_new(fds[0], FALSE);
    g_autoptr(GOutputStream) out = g_unix_output_stream_new(fds[0], FALSE);
    g_autoptr(GIOStream) stream = g_simple_io_stream_new(in, out);
    MmrigQmp *qmp = mmrig_qmp_new(stream, NULL);
    mmrig_qmp_connect(qmp, 10000, &error);
    g_assert_no_error(error);

    MmrigActionContext context = {
        .qmp = qmp, .pid = pid, .spec = target->spec, .fault = &target->fault};
    mmrig_action_perform_async(&context, row->verb, (const char *const *)args, NULL, on_done,
                               &outcome);
    /* The answer comes from the main loop, never from within the call. */
    g_assert_false(outcome.done);
    while (!outcome.done)
        g_main_context_iteration(NULL, TRUE);

    mmrig_qmp_close(qmp);
    g_object_unref(qmp);
    g_assert_cmpint(shutdown(fds[0], SHUT_RDWR), ==, 0);
    g_thread_join(thread);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    close(fds[0]);
    close(fds[1]);

    if (row->command) {
        g_assert_cmpuint(peer.heard->len, ==, 1);
        g_assert_cmpstr(g_ptr_array_index(peer.heard, 0), ==, row->command);
    } else {
        g_assert_cmpuint(peer.heard->len, ==, 0);
    }
    if (row->reply) {
        g_assert_no_error(outcome.error);
        g_autofree char *reply = g_strjoinv(" ", outcome.reply);
        g_assert_cmpstr(reply, ==, row->reply);
    } else {
        g_assert_null(outcome.reply);
        g_assert_nonnull(outcome.error);
        if (!strstr(outcome.error->message, row->error))
            g_error("expected \"%s\" in \"%s\"", row->error, outcome.error->message);
        g_assert_null(strchr(outcome.error->message, '\n'));
    }
    g_ptr_array_unref(peer.heard);
    g_strfreev(outcome.reply);
    g_clear_error(&outcome.error);
}

static void check(const Target *target, const Case *row)
{
    check_pid(target, getpid(), row);
}

static void check_all(const Case *rows, gsize count)
{
    Target target = new_target();

    for (gsize i = 0; i < count; i++)
        check(&target, &rows[i]);
    mmrig_spec_free(target.spec);
}
