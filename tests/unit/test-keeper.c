/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket between `mmrig inject` and a kept machine, with a QEMU and an agent that answer as
 * they are told: names, requests from beginning to end, and clients that mean ill.
 */
#include "keeper/keeper.h"
#include "scenario/scenario.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "keeper/keeper-private.h"

#define SCENARIO                                                                               \
    "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n[machine]\nmemory = 512M\n"          \
    "[pack ras0]\ntype = mmrig-ras\n[cxl mem0]\nvolatile = 256M\n"

typedef struct {
    char *name; /* of the scenario: no other process's */
    MmrigScenario *scenario;
    MmrigQmp *qmp;
    MmrigChannel *channel;
    MmrigKeeper *keeper;
    int qmp_fds[2], channel_fds[2];
    GThread *qemu, *agent;
    const char *answer;  /* JSON, what QEMU returns */
    const char *address; /* what the agent says: "ok 4096", or "error TEXT"; NULL: nothing */
    GMutex lock;
    GPtrArray *heard; /* commands and lines, of both */
} Fixture;

static void write_all(int fd, const char *text)
{
    gsize size = strlen(text);

    g_assert_cmpint(write(fd, text, size), ==, size);
}

static void hear(Fixture *fixture, char *text)
{
    g_mutex_lock(&fixture->lock);
    g_ptr_array_add(fixture->heard, text);
    g_mutex_unlock(&fixture->lock);
}

static gpointer qemu_run(gpointer data)
{
    Fixture *fixture = data;
    FILE *in = fdopen(dup(fixture->qmp_fds[1]), "r");
    char line[4096];

    write_all(fixture->qmp_fds[1], "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10, "
                                   "\"minor\": 0, \"micro\": 2}, \"package\": \"\"}, "
                                   "\"capabilities\": []}}\n");
    while (fgets(line, sizeof(line), in)) {
        g_autoptr(JsonNode) node = json_from_string(line, NULL);
        JsonObject *message = json_node_get_object(node);
        const char *command = json_object_get_string_member(message, "execute");
        g_autofree char *id = json_to_string(json_object_get_member(message, "id"), FALSE);
        gboolean negotiation = strcmp(command, "qmp_capabilities") == 0;
        JsonNode *arguments = json_object_get_member(message, "arguments");
        g_autofree char *text = arguments ? json_to_string(arguments, FALSE) : NULL;
        if (!negotiation)
            hear(fixture, g_strjoin(" ", command, text, NULL));
        g_autofree char *reply = g_strdup_printf("{\"return\": %s, \"id\": %s}\n",
                                                 negotiation ? "{}" : fixture->answer, id);
        write_all(fixture->qmp_fds[1], reply);
    }
    fclose(in);
    return NULL;
}

static gpointer agent_run(gpointer data)
{
    Fixture *fixture = data;
    FILE *in = fdopen(dup(fixture->channel_fds[1]), "r");
    char line[4096];
    guint64 number;

    while (fgets(line, sizeof(line), in)) {
        hear(fixture, g_strchomp(g_strdup(line)));
        g_assert_cmpint(sscanf(line, "translate %" G_GUINT64_FORMAT, &number), ==, 1);
        if (!fixture->address)
            continue;
        /* First one that nobody has asked for. */
        g_autofree char *reply =
            g_strdup_printf("translated 999 ok 1\ntranslated %" G_GUINT64_FORMAT " %s\n",
                            number, fixture->address);
        write_all(fixture->channel_fds[1], reply);
    }
    fclose(in);
    return NULL;
}

static void on_message(const MmrigGuestMessage *message, gpointer data)
{
    Fixture *fixture = data;

    g_assert_cmpint(message->kind, ==, MMRIG_GUEST_TRANSLATED);
    mmrig_keeper_translated(fixture->keeper, message);
}

static void on_closed(const GError *error, gpointer data G_GNUC_UNUSED)
{
    g_assert_no_error(error);
}

static const MmrigChannelCalls calls = {on_message, on_closed};

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_mutex_init(&fixture->lock);
    fixture->heard = g_ptr_array_new_with_free_func(g_free);
    fixture->answer = "{}";
    fixture->name = g_strdup_printf("unit-%d", (int)getpid());
    fixture->scenario =
        mmrig_scenario_parse(SCENARIO, strlen(SCENARIO), fixture->name, "x.ini", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture->qmp_fds), ==,
                    0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture->channel_fds),
                    ==, 0);
    fixture->qemu = g_thread_new("qemu", qemu_run, fixture);
    fixture->agent = g_thread_new("agent", agent_run, fixture);
    g_autoptr(GInputStream) in = g_unix_input_stream_new(fixture->qmp_fds[0], FALSE);
    g_autoptr(GOutputStream) out = g_unix_output_stream_new(fixture->qmp_fds[0], FALSE);
    g_autoptr(GIOStream) stream = g_simple_io_stream_new(in, out);
    fixture->qmp = mmrig_qmp_new(stream, NULL);
    mmrig_qmp_connect(fixture->qmp, 10000, &error);
    g_assert_no_error(error);
    fixture->channel = mmrig_channel_new(fixture->channel_fds[0], &calls, fixture, &error);
    g_assert_no_error(error);
    const MmrigKept kept = {mmrig_scenario_machine(fixture->scenario, 0), fixture->qmp,
                            getpid(), fixture->channel, NULL};
    fixture->keeper = mmrig_keeper_new(&kept, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    mmrig_keeper_free(fixture->keeper);
    mmrig_qmp_close(fixture->qmp);
    mmrig_channel_free(fixture->channel);
    g_object_unref(fixture->qmp);
    shutdown(fixture->qmp_fds[0], SHUT_RDWR);
    g_thread_join(fixture->qemu);
    g_thread_join(fixture->agent);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    close(fixture->qmp_fds[0]);
    close(fixture->qmp_fds[1]);
    close(fixture->channel_fds[1]);
    mmrig_scenario_free(fixture->scenario);
    g_ptr_array_unref(fixture->heard);
    g_mutex_clear(&fixture->lock);
    g_free(fixture->name);
}

/* ---- Asking, from another thread, as the keeper needs this one ------------------------------
 */

typedef struct {
    const char *run;
    GStrv words;
    gint done;
    JsonNode *answer;
    GError *error;
} Asking;

static gpointer ask_run(gpointer data)
{
    Asking *asking = data;

    asking->answer = mmrig_keeper_ask(getuid(), asking->run, (const char *const *)asking->words,
                                      &asking->error);
    g_atomic_int_set(&asking->done, 1);
    g_main_context_wakeup(NULL);
    return NULL;
}

/* The answer as JSON, or "error: TEXT". */
static char *ask(const char *run, const char *text)
{
    Asking asking = {.run = run, .words = g_strsplit(text, " ", -1)};
    GThread *thread = g_thread_new("ask", ask_run, &asking);

    while (!g_atomic_int_get(&asking.done))
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
    g_strfreev(asking.words);
    char *answer = asking.answer ? json_to_string(asking.answer, FALSE)
                                 : g_strconcat("error: ", asking.error->message, NULL);
    g_clear_pointer(&asking.answer, json_node_unref);
    g_clear_error(&asking.error);
    return answer;
}

static void expect(Fixture *fixture, const char *text, const char *answer, const char *heard)
{
    g_ptr_array_set_size(fixture->heard, 0);
    g_autofree char *got = ask(mmrig_keeper_name(fixture->keeper), text);
    g_assert_cmpstr(got, ==, answer);
    g_mutex_lock(&fixture->lock);
    g_ptr_array_add(fixture->heard, NULL);
    g_autofree char *all = g_strjoinv("\n", (GStrv)fixture->heard->pdata);
    g_ptr_array_set_size(fixture->heard, 0);
    g_mutex_unlock(&fixture->lock);
    g_assert_cmpstr(all, ==, heard);
}

#define RAS(verb, rest)                                                                        \
    "qom-" verb " {\"path\":\"/machine/peripheral/ras0\",\"property\":" rest "}"

#define PMEM(verb, rest)                                                                       \
    "qom-" verb " {\"path\":\"/machine/peripheral/nvdimm0\",\"property\":" rest "}"

static void test_requests(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    expect(fixture, "dram gpa=0x1000",
           "{\"target\":\"dram\",\"kind\":\"srar\",\"gpa\":4096,\"length\":64,\"ok\":true}",
           RAS("set", "\"inject\",\"value\":\"kind=poison,gpa=0x1000,len=64\""));
    expect(fixture, "clear dram gpa=0x1000 length=128",
           "{\"target\":\"dram\",\"gpa\":4096,\"length\":128,\"ok\":true}",
           RAS("set", "\"clear\",\"value\":\"gpa=0x1000,len=128\""));
    expect(fixture, "clear", "{\"ok\":true}",
           RAS("set", "\"clear\",\"value\":\"gpa=0,len=0xffffffffffffffff\""));
    expect(fixture, "cxl offset=128 length=64",
           "{\"target\":\"cxl\",\"device\":\"mem0\",\"offset\":128,\"length\":64,\"ok\":true}",
           "cxl-inject-poison {\"path\":\"/machine/peripheral/mem0\",\"start\":128,"
           "\"length\":64}");
    fixture->answer = "[{\"gpa\":64,\"length\":64,\"source\":\"ras\"}]";
    expect(fixture, "list",
           "{\"dram\":[{\"gpa\":64,\"length\":64,\"source\":\"ras\"}],"
           "\"cxl\":[{\"device\":\"mem0\",\"offset\":128,\"length\":64}],\"ok\":true}",
           RAS("get", "\"poison\""));
    fixture->answer = "\"\"";
    expect(fixture, "mce offset=0x2000 kind=srao",
           "{\"target\":\"mce\",\"kind\":\"srao\",\"gpa\":8192,\"ok\":true}",
           "human-monitor-command {\"command-line\":\"mce 0 9 0xbd000000000000c0 0x5 0x2000 "
           "0x8c\"}");
}

static void test_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    expect(fixture, "dram offset=0x20000000",
           "error: --offset: the machine has 512 MiB of memory", "");
    expect(fixture, "cxl offset=0x10000000",
           "error: cxl: mem0 has 256 MiB, which is poisoned by 64 bytes", "");
    expect(fixture, "cxl offset=32",
           "error: cxl: mem0 has 256 MiB, which is poisoned by 64 bytes", "");
    expect(fixture, "cxl offset=0 device=mem1",
           "error: cxl: the machine has no CXL device mem1; its scenario would have a section "
           "[cxl ID]",
           "");
    expect(
        fixture, "pmem gpa=0",
        "error: pmem: the machine has no mmrig-nvdimm; start it with --device mmrig-nvdimm, or "
        "with a section [pack ID] and type = mmrig-nvdimm in its scenario",
        "");
    expect(fixture, "fly",
           "error: \"fly\" cannot be injected; say dram, pmem, cxl or mce (or "
           "list, or clear)",
           "");
}

static void test_process(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    fixture->address = "ok 12288";
    expect(fixture, "dram pid=7 vaddr=0x10000",
           "{\"target\":\"dram\",\"kind\":\"srar\",\"gpa\":12288,\"length\":64,\"ok\":true}",
           "translate 1 7 65536\n" RAS(
               "set", "\"inject\",\"value\":\"kind=poison,gpa=0x3000,len=64\""));
    fixture->address = "error there%20is%20none";
    expect(fixture, "dram pid=7 vaddr=0x10000",
           "error: process 7, address 0x10000: there is none", "translate 2 7 65536");
    fixture->address = "ok 18446744073709551615";
    expect(fixture, "dram pid=7 vaddr=0x10000",
           "error: the guest's agent told an address that cannot be", "translate 3 7 65536");
}

/* mmrig-nvdimm's own list tells what is where. */
static void test_pmem(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    MmrigDevice *nvdimm = mmrig_device_new(&mmrig_device_nvdimm, "pmem0");

    g_assert_true(mmrig_scenario_add_pack_device(fixture->scenario, "mmrig-nvdimm", &error));
    g_assert_no_error(error);
    g_ptr_array_add(mmrig_scenario_machine(fixture->scenario, 0)->devices, nvdimm);
    expect(fixture, "pmem offset=0x1000 length=512 notify",
           "{\"target\":\"pmem\",\"device\":\"pmem0\",\"offset\":4096,\"length\":512,"
           "\"ok\":true}",
           PMEM("set", "\"inject\",\"value\":\"pmem0 0x1000 0x200 notify\""));
    fixture->answer = "\"pmem0 0x100000000 0x8000000 handle 1\\n\"";
    expect(fixture, "pmem gpa=0x100002000",
           "{\"target\":\"pmem\",\"device\":\"pmem0\",\"offset\":8192,\"length\":64,"
           "\"ok\":true}",
           PMEM("get", "\"modules\"") "\n" PMEM("set",
                                                "\"inject\",\"value\":\"pmem0 0x2000 0x40\""));
    expect(fixture, "pmem gpa=0x1000", "error: pmem: no NVDIMM of the machine is at 0x1000",
           PMEM("get", "\"modules\""));
    expect(fixture, "clear pmem", "{\"target\":\"pmem\",\"ok\":true}",
           PMEM("set", "\"clear\",\"value\":\"all\""));
}

static void test_names(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *second_name = g_strconcat(fixture->name, "-2", NULL);
    const MmrigKept kept = {mmrig_scenario_machine(fixture->scenario, 0), fixture->qmp,
                            getpid(), fixture->channel, NULL};
    MmrigKeeper *second = mmrig_keeper_new(&kept, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mmrig_keeper_name(fixture->keeper), ==, fixture->name);
    g_assert_cmpstr(mmrig_keeper_name(second), ==, second_name);
    g_auto(GStrv) runs = mmrig_keeper_list(getuid());
    g_assert_true(g_strv_contains((const char *const *)runs, fixture->name));
    g_assert_true(g_strv_contains((const char *const *)runs, second_name));
    mmrig_keeper_free(second);
    g_auto(GStrv) fewer = mmrig_keeper_list(getuid());
    g_assert_false(g_strv_contains((const char *const *)fewer, second_name));

    g_assert_false(mmrig_keeper_name_free(fixture->name, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_true(mmrig_keeper_name_free(second_name, &error));
    const MmrigKept same = {mmrig_scenario_machine(fixture->scenario, 0), fixture->qmp,
                            getpid(), fixture->channel, fixture->name};
    g_assert_null(mmrig_keeper_new(&same, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_clear_error(&error);

    static const char *const bad[] = {"no-such-run", "../x", "", "A"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *answer = ask(bad[i], "list");
        g_assert_true(g_str_has_prefix(answer, "error: no machine is kept as "));
        g_assert_nonnull(strstr(answer, fixture->name));
    }
}

/* ---- Ill will -------------------------------------------------------------------------------
 */

static GSocketConnection *dial(const Fixture *fixture)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GError) error = NULL;
    char name[108];

    g_assert_true(mmrig_keeper_socket_name(getuid(), fixture->name, name, sizeof(name)));
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new_with_type(name, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
    GSocketConnection *connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
    g_assert_no_error(error);
    return connection;
}

/* All that comes, up to its end. */
static char *answer_to(Fixture *fixture, const char *bytes, gsize size)
{
    g_autoptr(GSocketConnection) connection = dial(fixture);
    GSocket *socket = g_socket_connection_get_socket(connection);
    g_autoptr(GString) text = g_string_new(NULL);
    char got[1024];
    gssize count;

    g_socket_set_blocking(socket, FALSE);
    if (size)
        g_socket_send(socket, bytes, size, NULL, NULL);
    else
        g_socket_shutdown(socket, FALSE, TRUE, NULL);
    for (;;) {
        g_autoptr(GError) error = NULL;
        count = g_socket_receive(socket, got, sizeof(got), NULL, &error);
        if (count > 0)
            g_string_append_len(text, got, count);
        else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
            break;
        else
            g_main_context_iteration(NULL, FALSE);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_hostile(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    char flood[4 * MMRIG_INJECT_REQUEST_MAX];
    g_autofree char *nothing = answer_to(fixture, "", 0);
    g_autofree char *empty = answer_to(fixture, "\n", 1);
    g_autofree char *malformed = answer_to(fixture, "dram %zz\n", 9);
    g_autofree char *zero = answer_to(fixture, "list%00x\n", 9);

    g_assert_cmpstr(nothing, ==, "");
    g_assert_nonnull(strstr(empty, "\"ok\":false"));
    g_assert_nonnull(strstr(malformed, "no line of words"));
    g_assert_nonnull(strstr(zero, "no line of words"));
    memset(flood, 'a', sizeof(flood));
    g_autofree char *flooded = answer_to(fixture, flood, sizeof(flood));
    g_assert_cmpstr(flooded, ==, "");
    g_assert_cmpuint(fixture->heard->len, ==, 0);

    /* More than are served at once: the others are let go at once, and all goes on after them.
     */
    GSocketConnection *idle[MMRIG_KEEPER_CLIENTS];
    for (gsize i = 0; i < G_N_ELEMENTS(idle); i++) {
        idle[i] = dial(fixture);
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
    g_autofree char *refused = answer_to(fixture, "list\n", 5);
    g_assert_cmpstr(refused, ==, "");
    for (gsize i = 0; i < G_N_ELEMENTS(idle); i++)
        g_object_unref(idle[i]);
    fixture->answer = "[]";
    for (guint i = 0; i < 100; i++)
        g_main_context_iteration(NULL, FALSE);
    expect(fixture, "list", "{\"dram\":[],\"cxl\":[],\"ok\":true}", RAS("get", "\"poison\""));
}

typedef struct {
    const Fixture *fixture;
    gint done;
    gssize got;
} Stranger;

/* Only this thread becomes another user, whom the keeper then sees (SO_PEERCRED). */
static gpointer stranger_run(gpointer data)
{
    Stranger *stranger = data;
    char answer[64];

    g_assert_cmpint(syscall(SYS_setresuid, 65534, 65534, 65534), ==, 0);
    /* The name is the owner's, so it is not looked up but written as it is. */
    g_autofree char *name = g_strdup_printf("mmrig/0/%s", stranger->fixture->name);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new_with_type(name, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
    g_assert_nonnull(connection);
    GSocket *socket = g_socket_connection_get_socket(connection);
    g_socket_send(socket, "list\n", 5, NULL, NULL);
    stranger->got = g_socket_receive(socket, answer, sizeof(answer), NULL, NULL);
    g_atomic_int_set(&stranger->done, 1);
    g_main_context_wakeup(NULL);
    return NULL;
}

static void test_stranger(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    Stranger stranger = {.fixture = fixture};

    if (getuid() != 0) {
        g_test_skip("only root can become another user");
        return;
    }
    GThread *thread = g_thread_new("stranger", stranger_run, &stranger);
    while (!g_atomic_int_get(&stranger.done))
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
    g_assert_cmpint(stranger.got, <=, 0);
    g_assert_cmpuint(fixture->heard->len, ==, 0);
}

/* The machine ends while the guest is still being asked. */
static void test_end_in_between(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    Asking asking = {.run = fixture->name,
                     .words = g_strsplit("dram pid=1 vaddr=4096", " ", -1)};
    GThread *thread = g_thread_new("ask", ask_run, &asking);
    guint heard = 0;

    while (heard == 0) {
        g_main_context_iteration(NULL, FALSE);
        g_mutex_lock(&fixture->lock);
        heard = fixture->heard->len;
        g_mutex_unlock(&fixture->lock);
    }
    g_clear_pointer(&fixture->keeper, mmrig_keeper_free);
    while (!g_atomic_int_get(&asking.done))
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
    g_assert_error(asking.error, MMRIG_ERROR, MMRIG_ERROR_RIG);
    g_clear_error(&asking.error);
    g_strfreev(asking.words);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*test)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/keeper/requests", test_requests}, {"/keeper/refused", test_refused},
        {"/keeper/process", test_process},   {"/keeper/pmem", test_pmem},
        {"/keeper/names", test_names},       {"/keeper/hostile", test_hostile},
        {"/keeper/stranger", test_stranger}, {"/keeper/end-in-between", test_end_in_between},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
    return g_test_run();
}
