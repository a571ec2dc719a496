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

#define INTEL "max,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define LOCAL INTEL ",lmce=on"
#define AMD   "EPYC-Milan,x-force-features=on,succor=on,overflow-recov=on"
/* Generous; a case takes half a second. */
#define LIMIT 30

/* In what is said %0 and %1 stand for "at", the addresses of the instructions. */
typedef struct {
    const char *name;
    const char *run; /* the program's case */
    const char *model;
    const char *cpus;
    const char *inject[4];
    int status;       /* of isa-debug-exit; 0: the guest was reset */
    const char *said; /* NULL: any, as it was on its way to more */
} BareCase;

#define AT              "at=%0\n"
#define MC              "vector=0000000000000012\n"
#define MCG(n)          "mcg=000000000000000" #n "\n"
#define BANK(n)         "bank=000000000000000" #n "\n"
#define STATUS(text)    "status=" text "\n"
#define ADDR(text)      "addr=0000000000" text "\n"
#define LOAD(addr)      MCG(7) BANK(1) STATUS("bd80000000000134") ADDR(addr)
#define LOAD_LMCE(addr) MCG(f) BANK(1) STATUS("bd80000000000134") ADDR(addr)
#define POISON(gpa)                                                                            \
    {                                                                                          \
        "kind=poison,gpa=" gpa                                                                 \
    }
#define CE "kind=ce,gpa=0x1000"

static const BareCase cases[] = {
    {"load", "load", INTEL, "1", POISON("0x301040"), 1,
     AT MC "eip=%0\n" LOAD("301044") "done\n"},
    {"fetch", "fetch", INTEL, "1", POISON("0x302040"), 1,
     AT MC "eip=0000000000302040\n" MCG(7) BANK(0) STATUS("bd80000000000150")
         ADDR("302040") "done\n"},
    /* The exception was on its way to its entry in the table: the machine check takes its
       place. */
    {"idt", "idt", INTEL, "1", POISON("0x300000"), 1,
     AT MC "eip=%0\n" LOAD("300030") "at=%1\nvector=0000000000000006\neip=%1\ndone\n"},
    {"all", "all", INTEL, "1", {"kind=poison,gpa=0x300080", "kind=poison,gpa=0x301040"}, 0, AT},
    {"gdt", "gdt", INTEL, "1", POISON("0x300040"), 1, AT MC "eip=%0\n" LOAD("300050") "done\n"},
    {"tss", "tss", INTEL, "1", POISON("0x304040"), 1, AT MC "eip=%0\n" LOAD("304040") "done\n"},
    /* VMRUN itself is the second instruction. */
    {"vmrun", "vmrun", INTEL, "1", POISON("0x303000"), 1,
     AT MC "eip=%2\n" LOAD("30300c") "done\n"},
    {"push", "push", INTEL, "1", POISON("0x305800"), 1,
     "pushed\n" AT MC "eip=%0\n" LOAD("305834") "done\n"},
    {"iret", "iret", INTEL, "1", POISON("0x305800"), 1,
     AT MC "eip=%0\n" LOAD("305800") "done\n"},
    {"lock", "lock", LOCAL, "2", POISON("0x301040"), 1,
     AT MC "eip=%0\n" LOAD_LMCE("301044") "at=%1\n" MC "eip=%1\n" LOAD_LMCE("301048") "done\n"},
    {"split-second", "split", INTEL, "1", POISON("0x302000"), 1,
     AT MC "eip=%0\n" LOAD("302000") "done\n"},
    {"split-first", "split", INTEL, "1", POISON("0x301fc0"), 1,
     AT MC "eip=%0\n" LOAD("301ffe") "done\n"},
    {"double", "double", INTEL, "1", POISON("0x300040"), 1,
     AT MC "eip=%0\n" LOAD("300068") "at=%1\nvector=000000000000000d\neip=%1\ndone\n"},

    /* Banks. */
    {"over",
     "over",
     INTEL,
     "1",
     {"kind=poison,gpa=0x301040,len=128"},
     1,
     AT MC "eip=%0\n" LOAD("301044") "at=%1\n" MC "eip=%1\n" MCG(7) BANK(1)
         STATUS("fd80000000000134") ADDR("301044") "done\n"},
    {"corrected-count",
     "logged",
     INTEL,
     "1",
     {CE, CE ",count=2", "kind=ce,gpa=0x2000"},
     1,
     MCG(0) BANK(7) STATUS("dc00010000000090") ADDR("002000") "done\n"},
    {"uncorrected-over-corrected",
     "logged",
     INTEL,
     "1",
     {CE, "kind=ucna,gpa=0x2000,poison=off"},
     1,
     MCG(0) BANK(7) STATUS("fc00004000000090") ADDR("002000") "done\n"},
    {"uncorrected-stays",
     "logged",
     INTEL,
     "1",
     {"kind=ucna,gpa=0x2000,poison=off", "kind=ucna,gpa=0x3000,poison=off", CE},
     1,
     MCG(0) BANK(7) STATUS("fc00004000000090") ADDR("002000") "done\n"},
    {"off", "off", INTEL, "1", POISON("0x301040"), 1,
     AT MCG(0) BANK(1) STATUS("ac00000000000134") ADDR("301044") "at=%1\n" MCG(0) BANK(1)
         STATUS("ac00000000000134") ADDR("301044") "done\n"},

    /* Two processors. */
    {"meet", "meet", INTEL, "2", POISON("0x301040"), 1,
     AT MC "eip=%0\nboth\ncpu=0000000000000000\n" LOAD("301044") "cpu=0000000000000001\n" MCG(
         5) "done\n"},
    {"local", "meet", LOCAL, "2", POISON("0x301040"), 1,
     AT MC "eip=%0\nalone\ncpu=0000000000000000\n" LOAD_LMCE("301044") "done\n"},
    /* The other one cannot take a machine check. */
    {"asleep", "asleep", INTEL, "2", POISON("0x301040"), 0, NULL},

    /* AMD's. */
    {"amd-load", "load", AMD, "1", POISON("0x301040"), 1,
     AT MC "eip=%0\n" MCG(7) BANK(0) STATUS("b400080000000135") ADDR("301044") "done\n"},
    {"amd-fetch", "fetch", AMD, "1", POISON("0x302040"), 1,
     AT MC "eip=0000000000302040\n" MCG(7) BANK(1) STATUS("b400080000000151")
         ADDR("302040") "done\n"},
    {"amd-local", "meet", AMD, "2", POISON("0x301040"), 1,
     AT MC "eip=%0\nalone\ncpu=0000000000000000\n" MCG(7) BANK(0) STATUS("b400080000000135")
         ADDR("301044") "done\n"},
    {"amd-deferred",
     "logged",
     AMD,
     "1",
     {CE, "kind=srao,gpa=0x2000,poison=off", CE},
     1,
     MCG(0) BANK(4) STATUS("d400310000080a13") ADDR("002000") "done\n"},
};

typedef struct {
    GSubprocess *qemu;
    GDataInputStream *replies;
    char *folder, *console;
} Bare;

/* Sends a command and waits for its reply, past all events; NULL if QEMU has ended. */
static char *bare_reply(Bare *bare, const char *command)
{
    GOutputStream *out = g_subprocess_get_stdin_pipe(bare->qemu);

    if (!g_output_stream_write_all(out, command, strlen(command), NULL, NULL, NULL))
        return NULL;
    for (;;) {
        g_autofree char *line = g_data_input_stream_read_line(bare->replies, NULL, NULL, NULL);
        if (!line)
            return NULL;
        if (strstr(line, "\"error\"") && !strstr(command, "device_add"))
            g_error("%s: %s", command, line);
        if (strstr(line, "\"return\"") || strstr(line, "\"error\""))
            return g_steal_pointer(&line);
    }
}

static gboolean bare_qmp(Bare *bare, const char *command)
{
    g_autofree char *reply = bare_reply(bare, command);

    return reply != NULL;
}

/* Waits until the program has switched the machine off. */
static void bare_wait(Bare *bare)
{
    for (;;) {
        g_autofree char *reply = bare_reply(bare, "{\"execute\": \"query-status\"}\n");

        g_assert_nonnull(reply);
        if (strstr(reply, "\"shutdown\""))
            return;
        g_usleep(10000);
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
    const char *const words[] = {
        qtest_emulator(), "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg",
        "-cpu", one->model, "-smp", one->cpus, "-m", "64M", "-plugin", plugin, "-device",
        "mmrig-ras,id=ras0,store-clears=never", "-kernel", MMRIG_TEST_BARE, "-append", one->run,
        "-debugcon", debugcon, "-device", "isa-debug-exit,iobase=0xf4", "-S", "-no-reboot",
        /*
         * It ends when it is told to, with the program's status: while it
         * is asked something, it can wait for its monitor for ever.
         */
        "-action", "shutdown=pause", "-qmp", "stdio"};
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
    GThread *watch = g_thread_new("watch", bare_watch, bare);

    g_assert_true(bare_qmp(bare, "{\"execute\": \"qmp_capabilities\"}\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(one->inject) && one->inject[i]; i++) {
        g_autofree char *inject =
            g_strdup_printf("{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"ras0\", "
                            "\"property\": \"inject\", \"value\": \"%s\"}}\n",
                            one->inject[i]);
        g_assert_true(bare_qmp(bare, inject));
    }
    g_assert_true(bare_qmp(bare, "{\"execute\": \"cont\"}\n"));
    bare_wait(bare);
    /* A device that cannot be made: QEMU waits for all readers of its memory map. */
    g_assert_true(bare_qmp(bare,
                           "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                           "\"virtio-net-pci\", \"bus\": \"pcie.0\", \"addr\": \"0.0\"}}\n"));
    g_assert_true(bare_qmp(bare, "{\"execute\": \"quit\"}\n"));
    g_subprocess_wait(bare->qemu, NULL, &error);
    g_assert_no_error(error);
    g_thread_join(watch);
    g_assert_true(g_subprocess_get_if_exited(bare->qemu));
    g_assert_cmpint(g_subprocess_get_exit_status(bare->qemu), ==, one->status);
    g_file_get_contents(bare->console, &output, NULL, &error);
    g_assert_no_error(error);
    if (one->said) {
        g_autofree char *expected = bare_expected(one->said, output);
        g_assert_cmpstr(output, ==, expected);
    }
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
