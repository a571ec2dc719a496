/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poison as a processor meets it, with no kernel between: bare/bare.c runs on TCG, and says
 * what the exception left in registers and banks. QEMU must answer all the while, and come to
 * an end.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "bare/bare.h"
#include "qtest.h"

#define MODEL "max,vendor=GenuineIntel,family=6,model=143,stepping=4"
/* Generous; a case takes half a second. */
#define LIMIT 30

/* %x in what is said stands for "at", the address of the instruction. */
typedef struct {
    const char *name;
    uint64_t poison;
    int status; /* of isa-debug-exit; 0: the guest was reset */
    const char *said;
} BareCase;

#define LOAD(addr)                                                                             \
    "mcg=0000000000000007\nbank=0000000000000001\nstatus=bd80000000000134\naddr=" addr "\n"
#define MC "vector=0000000000000012\n"

static const BareCase cases[] = {
    {"load", BARE_DATA + 0x40, 1, MC "eip=%0\n" LOAD("0000000000301044") "done\n"},
    {"fetch", BARE_CODE + 0x40, 1,
     MC "eip=0000000000302040\n"
        "mcg=0000000000000007\nbank=0000000000000000\nstatus=bd80000000000150\n"
        "addr=0000000000302040\ndone\n"},
    /* The exception was on its way to its entry in the table: the machine check takes its
       place. */
    {"idt", BARE_TABLE, 1,
     MC "eip=%0\n" LOAD("0000000000300030") "at=%1\nvector=0000000000000006\neip=%1\ndone\n"},
    {"all", BARE_TABLE + 0x80, 0, ""},
    {"gdt", BARE_TABLE + 0x40, 1, MC "eip=%0\n" LOAD("0000000000300050") "done\n"},
    /* VMRUN itself is the second instruction. */
    {"vmrun", BARE_VMCB, 1, MC "eip=%2\n" LOAD("000000000030300c") "done\n"},
};

typedef struct {
    GSubprocess *qemu;
    GDataInputStream *replies;
    char *folder, *console;
} Bare;

/* Sends a command and waits for its reply, past all events; FALSE if QEMU has ended. */
static gboolean bare_qmp(Bare *bare, const char *command)
{
    GOutputStream *out = g_subprocess_get_stdin_pipe(bare->qemu);

    if (!g_output_stream_write_all(out, command, strlen(command), NULL, NULL, NULL))
        return FALSE;
    for (;;) {
        g_autofree char *line = g_data_input_stream_read_line(bare->replies, NULL, NULL, NULL);
        if (!line)
            return FALSE;
        if (strstr(line, "\"error\"") && !strstr(command, "device_add"))
            g_error("%s: %s", command, line);
        if (strstr(line, "\"return\"") || strstr(line, "\"error\""))
            return TRUE;
    }
}

static gboolean bare_on_limit(gpointer data)
{
    Bare *bare = data;

    g_subprocess_force_exit(bare->qemu);
    g_error("QEMU neither ended nor answered in %d s", LIMIT);
    return G_SOURCE_REMOVE;
}

static gpointer bare_watch(gpointer data)
{
    Bare *bare = data;

    /* In a thread of its own, as the test waits for QEMU's replies. */
    for (unsigned i = 0; i < LIMIT * 100; i++) {
        if (!g_subprocess_get_identifier(bare->qemu))
            return NULL;
        g_usleep(10000);
    }
    bare_on_limit(bare);
    return NULL;
}

static Bare *bare_start(const BareCase *one)
{
    Bare *bare = g_new0(Bare, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *plugin = g_strdup_printf("file=%s", MMRIG_TEST_PACK);

    bare->folder = g_dir_make_tmp("mmrig-bare-XXXXXX", &error);
    g_assert_no_error(error);
    bare->console = g_build_filename(bare->folder, "console", NULL);
    g_autofree char *debugcon = g_strdup_printf("file:%s", bare->console);
    const char *const words[] = {qtest_emulator(),
                                 "-nodefaults",
                                 "-display",
                                 "none",
                                 "-machine",
                                 "q35",
                                 "-accel",
                                 "tcg",
                                 "-cpu",
                                 MODEL,
                                 "-m",
                                 "64M",
                                 "-plugin",
                                 plugin,
                                 "-device",
                                 "mmrig-ras,id=ras0,store-clears=never",
                                 "-kernel",
                                 MMRIG_TEST_BARE,
                                 "-append",
                                 one->name,
                                 "-debugcon",
                                 debugcon,
                                 "-device",
                                 "isa-debug-exit,iobase=0xf4",
                                 "-S",
                                 "-no-reboot",
                                 "-qmp",
                                 "stdio"};
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        g_ptr_array_add(argv, g_strdup(words[i]));
    /* A QEMU that goes wrong here has been seen to write 30 MB a second. */
    bare->qemu =
        qtest_spawn(argv, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                              G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    bare->replies = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bare->qemu));
    return bare;
}

static void bare_free(Bare *bare)
{
    g_remove(bare->console);
    g_rmdir(bare->folder);
    g_free(bare->console);
    g_free(bare->folder);
    g_object_unref(bare->replies);
    g_object_unref(bare->qemu);
    g_free(bare);
}

/* What must have been said, with the addresses that the guest gave for its instructions. */
static char *bare_expected(const char *said, const char *output)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
    const char *at[2] = {"", ""};
    unsigned count = 0;

    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "at=") && count < 2)
            at[count++] = *line + 3;
    g_string_append_printf(text, "at=%s\n", at[0]);
    for (; *said; said++) {
        if (*said != '%')
            g_string_append_c(text, *said);
        else if (*++said == '2')
            g_string_append_printf(text, "%016" G_GINT64_MODIFIER "x",
                                   g_ascii_strtoull(at[0], NULL, 16) + 2);
        else
            g_string_append(text, at[*said - '0']);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_bare(gconstpointer data)
{
    const BareCase *one = data;
    Bare *bare = bare_start(one);
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;
    g_autofree char *inject =
        g_strdup_printf("{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"ras0\", "
                        "\"property\": \"inject\", "
                        "\"value\": \"kind=poison,gpa=0x%" G_GINT64_MODIFIER "x\"}}\n",
                        one->poison);
    GThread *watch = g_thread_new("watch", bare_watch, bare);

    g_assert_true(bare_qmp(bare, "{\"execute\": \"qmp_capabilities\"}\n"));
    g_assert_true(bare_qmp(bare, inject));
    /* In the case of all, a load of what is bad brings the machine check about. */
    if (strcmp(one->name, "all") == 0)
        g_assert_true(bare_qmp(bare,
                               "{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"ras0\", "
                               "\"property\": \"inject\", \"value\": "
                               "\"kind=poison,gpa=0x301040\"}}\n"));
    g_assert_true(bare_qmp(bare, "{\"execute\": \"cont\"}\n"));
    /* A device that cannot be made: QEMU waits for all readers of its memory map. */
    while (bare_qmp(bare, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                          "\"virtio-net-pci\", \"bus\": \"pcie.0\", \"addr\": \"0.0\"}}\n"))
        g_usleep(10000);
    g_subprocess_wait(bare->qemu, NULL, &error);
    g_assert_no_error(error);
    g_thread_join(watch);
    g_assert_true(g_subprocess_get_if_exited(bare->qemu));
    g_assert_cmpint(g_subprocess_get_exit_status(bare->qemu), ==, one->status);
    g_file_get_contents(bare->console, &output, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *expected = bare_expected(one->said, output);
    g_assert_cmpstr(output, ==, expected);
    bare_free(bare);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    /* QEMU may end while it is asked. */
    signal(SIGPIPE, SIG_IGN);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/bare/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_bare);
    }
    return g_test_run();
}
