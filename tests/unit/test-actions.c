/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest may ask for: what is refused, and what QEMU is told, byte for byte. */
#include "action-fixture.h"

#define HMP(line) "human-monitor-command {\"command-line\":\"" line "\"}"

/* ---- mmrig-ras -------------------------------------------------------------------------- */

#define QOM(verb, rest)                                                                        \
    "qom-" verb " {\"path\":\"/machine/peripheral/ras0\",\"property\":" rest "}"

static void test_ras(void)
{
    static const Case rows[] = {
        {.verb = "ras-inject",
         .args = "gpa=4096 kind=srao cpu=1 poison=off",
         .answer = "{}",
         .command =
             QOM("set", "\"inject\",\"value\":\"gpa=0x1000,kind=srao,cpu=1,poison=off\""),
         .reply = ""},
        {.verb = "ras-clear",
         .args = "gpa=0x40 len=64",
         .answer = "{}",
         .command = QOM("set", "\"clear\",\"value\":\"gpa=0x40,len=64\""),
         .reply = ""},
        {.verb = "ras-count",
         .args = "of=poisoned",
         .answer = "17",
         .command = QOM("get", "\"poisoned\""),
         .reply = "count=17"},
        {.verb = "ras-count",
         .args = "of=poisoned",
         .answer = "-1",
         .command = QOM("get", "\"poisoned\""),
         .error = "did not return a number"},
        {.verb = "ras-last",
         .args = "of=consumed",
         .answer = "\"access=load,gpa=0x1234,size=8,cpu=1\"",
         .command = QOM("get", "\"last\""),
         .reply = "access=load gpa=0x1234 size=8 cpu=1"},
        {.verb = "ras-last",
         .args = "of=consumed",
         .answer = "[]",
         .command = QOM("get", "\"last\""),
         .error = "did not return text"},
        {.verb = "ras-inject", .args = "kind=poison", .error = "gpa= is missing"},
        {.verb = "ras-inject", .args = "kind=a,b gpa=0", .error = "kind=a,b has a comma"},
        {.verb = "ras-inject",
         .args = "kind=poison gpa=all",
         .error = "gpa=all is not a number"},
        {.verb = "ras-count", .args = "of=type", .error = "no counter type"},
        {.verb = "ras-last", .args = "of=all", .error = "is not of=consumed"},
    };
    Target target = new_target();

    check(&target, &(const Case){.verb = "ras-inject",
                                 .args = "kind=poison gpa=0",
                                 .error = "the machine has no mmrig-ras"});
    add_device(&target, &mmrig_device_pack, "ras0", "type", "mmrig-ras");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&target, &rows[i]);

    target.fault.shift = (char *)"ras-inject";
    target.fault.shift_bytes = 64;
    check(&target, &(const Case){.verb = "ras-inject",
                                 .args = "kind=poison gpa=0x1000",
                                 .answer = "{}",
                                 .command = QOM("set", "\"inject\",\"value\":\"gpa=0x1040,"
                                                       "kind=poison\""),
                                 .reply = ""});
    mmrig_spec_free(target.spec);
}

/* ---- CXL devices ------------------------------------------------------------------------ */

static void test_cxl(void)
{
    static const Case rows[] = {
        {.verb = "cxl-poison",
         .args = "id=mem0 dpa=0x1000 len=128",
         .command = "cxl-inject-poison {\"path\":\"/machine/peripheral/mem0\",\"start\":4096,"
                    "\"length\":128}",
         .reply = ""},
        {.verb = "cxl-event",
         .args = "id=mem0 log=fatal dpa=64",
         .command = "cxl-inject-general-media-event {\"path\":\"/machine/peripheral/mem0\","
                    "\"log\":\"fatal\",\"flags\":1,\"dpa\":64,\"descriptor\":1,\"type\":0,"
                    "\"transaction-type\":5,\"channel\":3,\"rank\":17}",
         .reply = ""},
        {.verb = "cxl-poison", .args = "id=mem1 dpa=0", .error = "no such device: mem1"},
        {.verb = "cxl-poison", .args = "id=b0 dpa=0", .error = "no such device: b0"},
        {.verb = "cxl-poison", .args = "dpa=0", .error = "id= is missing"},
        {.verb = "cxl-poison", .args = "id=mem0", .error = "dpa= is missing"},
        {.verb = "cxl-poison", .args = "id=mem0 dpa=32", .error = "not a multiple of 64"},
        {.verb = "cxl-poison", .args = "id=mem0 dpa=0x10000000", .error = "not a number of 0"},
        {.verb = "cxl-poison", .args = "id=mem0 dpa=0xfffffc0 len=128", .error = "len=128"},
        {.verb = "cxl-poison", .args = "id=mem0 dpa=0 len=96", .error = "not a multiple of 64"},
        {.verb = "cxl-event", .args = "id=mem0 log=all dpa=0", .error = "log=all is none of"},
        {.verb = "cxl-event",
         .args = "id=mem0 log=fatal dpa=-1",
         .error = "dpa=-1 is not a number"},
        {.verb = "cxl-poison",
         .args = "id=mem0 dpa=0",
         .answer = "{\"class\":\"GenericError\",\"desc\":\"full\"}",
         .is_error = TRUE,
         .command = "cxl-inject-poison {\"path\":\"/machine/peripheral/mem0\",\"start\":0,"
                    "\"length\":64}",
         .error = "full"},
    };
    Target target = new_target();

    add_device(&target, &mmrig_device_cxl, "mem0", "volatile", "256M");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&target, &rows[i]);
    target.fault.shift = (char *)"cxl-poison";
    target.fault.shift_bytes = 64;
    check(&target,
          &(const Case){.verb = "cxl-poison",
                        .args = "id=mem0 dpa=0",
                        .command = "cxl-inject-poison {\"path\":\"/machine/peripheral/mem0\","
                                   "\"start\":64,\"length\":64}",
                        .reply = ""});
    check(&target, &(const Case){.verb = "cxl-poison",
                                 .args = "id=mem0 dpa=0xfffffc0",
                                 .error = "dpa=0x10000000 is not a number"});
    mmrig_spec_free(target.spec);
}

/* ---- Machine checks --------------------------------------------------------------------- */

static void test_mce(void)
{
    static const Case rows[] = {
        {.verb = "mce-inject",
         .args = "gpa=0x1234000 kind=srao",
         .answer = "\"\"",
         .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x1234000 0x8c"),
         .reply = ""},
        {.verb = "mce-inject",
         .args = "kind=srar cpu=1 gpa=4096",
         .answer = "\"\"",
         .command = HMP("mce 1 9 0xbd80000000000134 0xf 0x1000 0x86"),
         .reply = ""},
        {.verb = "mce-inject",
         .args = "gpa=0x1fffffff kind=fatal cpu=0",
         .answer = "\"\"",
         .command = HMP("mce 0 9 0xbe0000000000009f 0xc 0x1fffffff 0x86"),
         .reply = ""},
        /* Whatever the monitor prints is a refusal. */
        {.verb = "mce-inject",
         .args = "gpa=0 kind=srao",
         .answer = "\"CPU 0: Uncorrected error reporting disabled\\r\\n\"",
         .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x0 0x8c"),
         .error = "mce-inject: QEMU says: CPU 0: Uncorrected error reporting disabled"},
        {.verb = "mce-inject",
         .args = "gpa=0 kind=srao",
         .answer = "{}",
         .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x0 0x8c"),
         .error = "did not return text"},
        {.verb = "mce-inject",
         .args = "gpa=0 kind=srao",
         .answer = "{\"class\": \"CommandNotFound\", \"desc\": \"no such command\"}",
         .is_error = TRUE,
         .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x0 0x8c"),
         .error = "mce-inject: CommandNotFound: no such command"},
    };
    check_all(rows, G_N_ELEMENTS(rows));

    /* A lone CPU is not told that it is the only one to be told. */
    static const Case alone = {.verb = "mce-inject",
                               .args = "gpa=0x1234000 kind=srao",
                               .answer = "\"\"",
                               .command = HMP("mce 0 9 0xbd000000000000c0 0x5 0x1234000 0x8c"),
                               .reply = ""};
    Target target = new_target();
    target.spec->cpus = 1;
    check(&target, &alone);
    mmrig_spec_free(target.spec);
}

static void test_mce_refused(void)
{
    static const Case rows[] = {
        {.verb = "mce-inject", .args = "kind=srao", .error = "gpa= is missing"},
        {.verb = "mce-inject", .args = "gpa=0", .error = "kind= is missing"},
        {.verb = "mce-inject", .args = "gpa=0 kind=", .error = "take srao, srar or fatal"},
        {.verb = "mce-inject", .args = "gpa=0 kind=SRAO", .error = "no kind=SRAO"},
        {.verb = "mce-inject",
         .args = "gpa=0 kind=srao cpu=2",
         .error = "cpu=2 is not a number"},
        {.verb = "mce-inject", .args = "gpa=0 kind=srao cpu=-1", .error = "cpu=-1 is not"},
        {.verb = "mce-inject", .args = "gpa=0 kind=srao cpu=", .error = "cpu= is not a number"},
        {.verb = "mce-inject",
         .args = "gpa=0x20000000 kind=srao",
         .error = "512 MiB of memory"},
        {.verb = "mce-inject",
         .args = "gpa=0xffffffffffffffff kind=srao",
         .error = "is not in"},
        {.verb = "mce-inject",
         .args = "gpa=0x10000000000000000 kind=srao",
         .error = "is not a n"},
        {.verb = "mce-inject", .args = "gpa=0x kind=srao", .error = "gpa=0x is not a number"},
        {.verb = "mce-inject", .args = "gpa=0x0x1 kind=srao", .error = "is not a number"},
        {.verb = "mce-inject", .args = "gpa=-4096 kind=srao", .error = "is not a number"},
        {.verb = "mce-inject", .args = "gpa=+4096 kind=srao", .error = "is not a number"},
        {.verb = "mce-inject", .args = "gpa=4096k kind=srao", .error = "is not a number"},
        {.verb = "mce-inject", .args = "gpa=0;quit kind=srao", .error = "is not a number"},
        {.verb = "mce-inject", .args = "gpa=0 gpa=0 kind=srao", .error = "gpa is given twice"},
        {.verb = "mce-inject", .args = "gpa=0 kind=srao bank=1", .error = "takes no \"bank\""},
        {.verb = "mce-inject", .args = "gpa=0 kind=srao =1", .error = "takes no \"\""},
        {.verb = "mce-inject", .args = "gpa=0 srao", .error = "\"srao\" is not KEY=VALUE"},
        {.verb = "mce-inject", .args = "gpa=0  kind=srao", .error = "\"\" is not KEY=VALUE"},
        {.verb = "mce-inject", .args = "gpa=0 kind=sr\033[2Jao", .error = "not plain ASCII"},
        {.verb = "mce-inject", .args = "gpa=0 kind=sr\nao", .error = "not plain ASCII"},
        {.verb = "mce-inject", .args = "gpa=0 kind=\xc3\xa4", .error = "not plain ASCII"},
        {.verb = "no\nsuch", .args = "", .error = "there is no such request"},
        {.verb = "", .args = "", .error = "there is no such request"},
    };
    check_all(rows, G_N_ELEMENTS(rows));
}

/* The longest argument is looked at, a longer one is not even repeated. */
static void test_long(void)
{
    Target target = new_target();
    g_autofree char *zeros = g_strnfill(252, '0');
    g_autofree char *longest = g_strconcat("kind=srao gpa=", zeros, NULL);
    g_autofree char *longer = g_strconcat("kind=srao gpa=", zeros, "0", NULL);
    const Case rows[] = {
        {.verb = "mce-inject",
         .args = longest,
         .answer = "\"\"",
         .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x0 0x8c"),
         .reply = ""},
        {.verb = "mce-inject", .args = longer, .error = "is longer than 256 bytes"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&target, &rows[i]);
    mmrig_spec_free(target.spec);
}

/* Where RAM ends and, with more of it than fits below 4 GiB, where the hole is. */
static void test_ram(void)
{
    static const struct {
        guint64 memory_mib;
        const char *args;
        gboolean good;
    } rows[] = {
        {2815, "kind=srao gpa=0xafefffff", TRUE},  {2815, "kind=srao gpa=0xaff00000", FALSE},
        {2816, "kind=srao gpa=0x7fffffff", TRUE},  {2816, "kind=srao gpa=0x80000000", FALSE},
        {2816, "kind=srao gpa=0xffffffff", FALSE}, {2816, "kind=srao gpa=0x100000000", TRUE},
        {2816, "kind=srao gpa=0x12fffffff", TRUE}, {2816, "kind=srao gpa=0x130000000", FALSE},
        {8192, "kind=srao gpa=0x27fffffff", TRUE}, {8192, "kind=srao gpa=0x280000000", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Target target = new_target();
        g_autofree char *heard = g_strdup_printf(HMP("mce 0 9 0xbd000000000000c0 0xd %s 0x8c"),
                                                 strstr(rows[i].args, "gpa=") + strlen("gpa="));
        Case row = {.verb = "mce-inject", .args = rows[i].args, .answer = "\"\""};
        target.spec->memory = rows[i].memory_mib << 20;
        if (rows[i].good) {
            row.command = heard;
            row.reply = "";
        } else {
            row.error = "MiB of memory";
        }
        check(&target, &row);
        mmrig_spec_free(target.spec);
    }
}

/* ---- Memory ----------------------------------------------------------------------------- */

#define DIMM "{\"type\": \"nvdimm\", \"data\": {\"id\": \"vm0\", \"addr\": 0, \"size\": 1}}"
#define VIRTIO_MEM(id, requested, size)                                                        \
    "{\"type\": \"virtio-mem\", \"data\": {\"id\": \"" id "\", \"memaddr\": 4294967296, "      \
    "\"requested-size\": " requested ", \"size\": " size                                       \
    ", \"max-size\": 268435456, \"block-size\": 2097152, \"node\": 0, "                        \
    "\"memdev\": \"/objects/m\"}}"

static const Case memory_rows[] = {
    {.verb = "balloon-set",
     .args = "bytes=268435456",
     .command = "balloon {\"value\":268435456}",
     .reply = ""},
    {.verb = "balloon-set",
     .args = "bytes=0x1000000",
     .command = "balloon {\"value\":16777216}",
     .reply = ""},
    {.verb = "balloon-set",
     .args = "bytes=536870912",
     .answer = "{\"class\": \"DeviceNotActive\", \"desc\": \"No balloon device\"}",
     .is_error = TRUE,
     .command = "balloon {\"value\":536870912}",
     .error = "balloon-set: DeviceNotActive: No balloon device"},
    {.verb = "balloon-set", .args = "bytes=16777215", .error = "16777216 to 536870912"},
    {.verb = "balloon-set", .args = "bytes=536870913", .error = "16777216 to 536870912"},
    {.verb = "balloon-set", .args = "bytes=512M", .error = "is not a number"},
    {.verb = "balloon-set", .args = "", .error = "bytes= is missing"},
    {.verb = "balloon-query",
     .args = "",
     .answer = "{\"actual\": 214958080}",
     .command = "query-balloon",
     .reply = "actual=214958080"},
    {.verb = "balloon-query",
     .args = "",
     .answer = "{\"actual\": \"1\"}",
     .command = "query-balloon",
     .error = "no number actual"},
    {.verb = "balloon-query",
     .args = "",
     .answer = "{\"actual\": -1}",
     .command = "query-balloon",
     .error = "no number actual"},
    {.verb = "balloon-query",
     .args = "",
     .answer = "[]",
     .command = "query-balloon",
     .error = "did not return an object"},
    {.verb = "balloon-query", .args = "id=b0", .error = "takes no \"id\""},
    {.verb = "virtio-mem-set",
     .args = "id=vm0 requested=134217728",
     .command = "qom-set {\"path\":\"/machine/peripheral/vm0\",\"property\":"
                "\"requested-size\",\"value\":134217728}",
     .reply = ""},
    {.verb = "virtio-mem-set",
     .args = "id=vm0 requested=0",
     .command = "qom-set {\"path\":\"/machine/peripheral/vm0\",\"property\":"
                "\"requested-size\",\"value\":0}",
     .reply = ""},
    {.verb = "virtio-mem-set",
     .args = "id=vm0 requested=268435456",
     .command = "qom-set {\"path\":\"/machine/peripheral/vm0\",\"property\":"
                "\"requested-size\",\"value\":268435456}",
     .reply = ""},
    {.verb = "virtio-mem-set", .args = "id=vm0 requested=270532608", .error = "0 to 268435456"},
    {.verb = "virtio-mem-set", .args = "id=vm0 requested=1048576", .error = "not a multiple"},
    {.verb = "virtio-mem-set", .args = "id=vm0", .error = "requested= is missing"},
    {.verb = "virtio-mem-set", .args = "requested=0", .error = "id= is missing"},
    {.verb = "virtio-mem-set", .args = "id=vm1 requested=0", .error = "no such device: vm1"},
    {.verb = "virtio-mem-set", .args = "id= requested=0", .error = "no such device: "},
    {.verb = "virtio-mem-set", .args = "id=nv0 requested=0", .error = "no such device: nv0"},
    {.verb = "virtio-mem-set", .args = "id=../vm0 requested=0", .error = "no such device"},
    {.verb = "virtio-mem-query",
     .args = "id=vm0",
     .answer = "[" DIMM ", " VIRTIO_MEM("vm1", "1", "1") ", " VIRTIO_MEM("vm0", "134217728",
                                                                         "2097152") "]",
     .command = "query-memory-devices",
     .reply = "requested=134217728 plugged=2097152 block=2097152 max=268435456"},
    {.verb = "virtio-mem-query",
     .args = "id=vm0",
     .answer = "[" VIRTIO_MEM("vm0", "134217728", "2097152.5") "]",
     .command = "query-memory-devices",
     .error = "no number size"},
    {.verb = "virtio-mem-query",
     .args = "id=vm0",
     .answer = "[" DIMM ", 7, {}, {\"type\": \"virtio-mem\"}, "
               "{\"type\": \"virtio-mem\", \"data\": []}]",
     .command = "query-memory-devices",
     .error = "does not tell of vm0"},
    {.verb = "virtio-mem-query",
     .args = "id=vm0",
     .answer = "{}",
     .command = "query-memory-devices",
     .error = "does not tell of vm0"},
    {.verb = "virtio-mem-query", .args = "id=vm1", .error = "no such device: vm1"},
};

static void test_memory(void)
{
    check_all(memory_rows, G_N_ELEMENTS(memory_rows));
}

static void test_no_balloon(void)
{
    static const Case rows[] = {
        {.verb = "balloon-set", .args = "bytes=268435456", .error = "no such device"},
        {.verb = "balloon-query", .args = "", .error = "no such device"},
    };
    Target target = new_target();

    g_ptr_array_set_size(target.spec->devices, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&target, &rows[i]);
    mmrig_spec_free(target.spec);
}

static guint64 own_rss(void)
{
    g_autofree char *text = NULL;
    unsigned long resident;

    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%*u %lu", &resident), ==, 1);
    return (guint64)resident * (guint64)sysconf(_SC_PAGESIZE);
}

static void test_host_rss(void)
{
    Target target = new_target();
    MmrigActionContext context = {.pid = getpid(), .spec = target.spec, .fault = &target.fault};
    static const char *const none[] = {NULL};
    Outcome outcome = {0};

    mmrig_action_perform_async(&context, "host-rss", none, NULL, on_done, &outcome);
    while (!outcome.done)
        g_main_context_iteration(NULL, TRUE);
    g_assert_no_error(outcome.error);
    g_assert_cmpuint(g_strv_length(outcome.reply), ==, 1);
    g_assert_true(g_str_has_prefix(outcome.reply[0], "rss="));
    guint64 told = g_ascii_strtoull(outcome.reply[0] + strlen("rss="), NULL, 10);
    /* The kernel counts by and by: both figures can be off by some pages a CPU. */
    g_assert_cmpuint(told, >, own_rss() / 2);
    g_assert_cmpuint(told, <, own_rss() * 2);
    g_strfreev(outcome.reply);

    static const Case extra = {
        .verb = "host-rss", .args = "pid=1", .error = "takes no \"pid\""};
    check(&target, &extra);

    /* A QEMU that has died: not waited for yet, then gone for good. */
    static const Case dead = {.verb = "host-rss", .args = "", .error = "has no VmRSS line"};
    static const Case gone = {.verb = "host-rss", .args = "", .error = "No such file"};
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0)
        _exit(0);
    siginfo_t info;
    g_assert_cmpint(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), ==, 0);
    check_pid(&target, child, &dead);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    check_pid(&target, child, &gone);
    mmrig_spec_free(target.spec);
}

/* ---- What scenarios decide -------------------------------------------------------------- */

static void test_drop(void)
{
    static const Case rows[] = {
        /* Looks like success, and QEMU never hears of it. */
        {.verb = "balloon-set", .args = "bytes=268435456", .reply = ""},
        /* A bad request stays one. */
        {.verb = "balloon-set", .args = "bytes=1", .error = "is not a number"},
        /* Others are carried out. */
        {.verb = "balloon-query",
         .args = "",
         .answer = "{\"actual\": 1}",
         .command = "query-balloon",
         .reply = "actual=1"},
    };
    Target target = new_target();

    target.fault.drop = (char *)"balloon-set";
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check(&target, &rows[i]);
    mmrig_spec_free(target.spec);
}

/* What a scenario may shift, and what is for several machines. */
static void test_verbs(void)
{
    static const char *const with[] = {"mce-inject", "ras-inject", "ras-clear", "pmem-inject",
                                       "pmem-clear", "cxl-poison", "cxl-event", "mirror-spoil"};
    static const char *const without[] = {"balloon-set", "balloon-query",    "virtio-mem-set",
                                          "host-rss",    "virtio-mem-query", "ras-count",
                                          "meet",        "no-such-verb"};

    for (gsize i = 0; i < G_N_ELEMENTS(with); i++)
        g_assert_true(mmrig_action_has_address(with[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(without); i++)
        g_assert_false(mmrig_action_has_address(without[i]));
    g_assert_true(mmrig_action_joins_machines("meet"));
    g_assert_false(mmrig_action_joins_machines("host-rss"));
    g_assert_cmpstr(mmrig_action_nearest("mce-injekt"), ==, "mce-inject");
    g_assert_null(mmrig_action_nearest("zzz"));

    /* Where there is one machine, nobody can carry it out. */
    Target target = new_target();
    check(&target, &(const Case){.verb = "meet",
                                 .args = "name=x",
                                 .error = "there is no such request here"});
    mmrig_spec_free(target.spec);
}

static void test_shift(void)
{
    static const Case up = {.verb = "mce-inject",
                            .args = "gpa=0x1000 kind=srao",
                            .answer = "\"\"",
                            .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x2000 0x8c"),
                            .reply = ""};
    static const Case down = {.verb = "mce-inject",
                              .args = "gpa=0x1000 kind=srao",
                              .answer = "\"\"",
                              .command = HMP("mce 0 9 0xbd000000000000c0 0xd 0x0 0x8c"),
                              .reply = ""};
    static const Case below = {.verb = "mce-inject",
                               .args = "gpa=0xfff kind=srao",
                               .error = "[fault] shift: mce-inject: gpa="};
    static const Case other = {.verb = "balloon-set",
                               .args = "bytes=268435456",
                               .command = "balloon {\"value\":268435456}",
                               .reply = ""};
    static const Case above = {.verb = "mce-inject",
                               .args = "gpa=0x1fffffff kind=srao",
                               .error = "[fault] shift: mce-inject: gpa="};
    /* What the guest asks for is checked as it was asked. */
    static const Case outside = {
        .verb = "mce-inject", .args = "gpa=0x20000000 kind=srao", .error = "512 MiB of memory"};
    Target target = new_target();

    target.fault.shift = (char *)"mce-inject";
    target.fault.shift_bytes = 4096;
    check(&target, &up);
    check(&target, &above);
    check(&target, &other);
    target.fault.shift_bytes = -4096;
    check(&target, &down);
    check(&target, &below);
    check(&target, &outside);
    mmrig_spec_free(target.spec);
}

static void test_registry(void)
{
    static const char *const all_verbs[] = {"mce-inject",
                                            "balloon-set",
                                            "balloon-query",
                                            "virtio-mem-set",
                                            "virtio-mem-query",
                                            "host-rss",
                                            "ras-inject",
                                            "ras-clear",
                                            "ras-count",
                                            "ras-last",
                                            "cxl-poison",
                                            "cxl-event",
                                            "meet",
                                            NULL};

    for (gsize i = 0; all_verbs[i]; i++) {
        g_assert_true(mmrig_action_exists(all_verbs[i]));
        g_assert_nonnull(mmrig_action_commands(all_verbs[i]));
    }
    g_assert_cmpstr(mmrig_action_commands("mce-inject")[0], ==, "human-monitor-command");
    g_assert_null(mmrig_action_commands("mce-inject")[1]);
    g_assert_null(mmrig_action_commands("host-rss")[0]);
    g_assert_false(mmrig_action_exists("mce"));
    g_assert_false(mmrig_action_exists(""));
    g_assert_null(mmrig_action_commands("quit"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/actions/ras", test_ras);
    g_test_add_func("/actions/cxl", test_cxl);
    g_test_add_func("/actions/mce", test_mce);
    g_test_add_func("/actions/mce-refused", test_mce_refused);
    g_test_add_func("/actions/long", test_long);
    g_test_add_func("/actions/ram", test_ram);
    g_test_add_func("/actions/memory", test_memory);
    g_test_add_func("/actions/no-balloon", test_no_balloon);
    g_test_add_func("/actions/host-rss", test_host_rss);
    g_test_add_func("/actions/drop", test_drop);
    g_test_add_func("/actions/shift", test_shift);
    g_test_add_func("/actions/verbs", test_verbs);
    g_test_add_func("/actions/registry", test_registry);
    return g_test_run();
}
