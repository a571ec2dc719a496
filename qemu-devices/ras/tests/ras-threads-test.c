/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's other threads may find while the map of what is bad changes. A thread is held
 * where it is, by ptrace(2), so that what comes late comes late each time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mmrig-mirror-regs.h"
#include "ras-check.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define SLOT  4
#define REGS  0xe0000000u
#define PAGE  0x2000000u
#define DIMM  (UINT64_C(5) << 30)

/* Longer than anything here takes: something waits that must not. */
#define LIMIT 20

static void G_GNUC_PRINTF(2, 3) do_qmp(QTest *q, const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list values;

    va_start(values, format);
    command = g_strdup_vprintf(format, values);
    va_end(values);
    json_node_unref(qtest_qmp(q, "%s", command));
}

/* The thread of a processor. */
static pid_t find_processor(QTest *q, guint index)
{
    g_autoptr(JsonNode) node = qtest_qmp(q, "{'execute':'query-cpus-fast'}");
    JsonObject *cpu = json_array_get_object_element(json_node_get_array(node), index);

    return (pid_t)json_object_get_int_member(cpu, "thread-id");
}

/* FALSE if this system does not let us. */
static gboolean hold(pid_t thread)
{
    int status;

    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) {
        g_test_skip(g_strerror(errno));
        return FALSE;
    }
    g_assert_cmpint(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), ==, 0);
    g_assert_cmpint(waitpid(thread, &status, __WALL), ==, thread);
    g_assert_true(WIFSTOPPED(status));
    return TRUE;
}

static void let_go(pid_t thread)
{
    g_assert_cmpint(ptrace(PTRACE_DETACH, thread, NULL, NULL), ==, 0);
}

static uint64_t waiting(QTest *q)
{
    return qtest_get(q, "/machine/mmrig-poison", "waiting");
}

/* A mirror tells the processor of what it has corrected; a device's read goes on meanwhile, and
 * keeps the big lock. */
static void test_mirror(void)
{
    QTest *q = qtest_start("-cpu", INTEL, "-device", "mmrig-ras,id=ras0", "-device",
                           "mmrig-mirror,id=mirror,addr=4", NULL);
    pid_t processor = find_processor(q, 0);

    qtest_pci_map(q, SLOT, MMRIG_MIRROR_BAR_REGS, REGS);
    qtest_pci_command(q, SLOT, FALSE);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_BASE_LO, PAGE);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_SIZE_LO, 4096);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY_ATTRIBUTES, MMRIG_MIRROR_ATTRIBUTE_MIRROR);
    qtest_writel(q, REGS + MMRIG_MIRROR_APPLY, 1);
    fill(q, PAGE, 4096);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000040");
    if (hold(processor)) {
        alarm(LIMIT);
        g_assert_cmphex(qtest_readq(q, PAGE + 0x40), ==, word(PAGE + 0x40));
        g_assert_cmphex(qtest_readq(q, PAGE + 0x48), ==, word(PAGE + 0x48));
        alarm(0);
        let_go(processor);
        g_assert_cmpuint(qtest_get(q, "mirror", "corrected"), ==, 2);
    }
    qtest_stop(q);
}

/* QEMU's docs/specs/acpi_mem_hotplug: the slot, and in its controls bit 3, which ejects. */
#define MEMORY_SLOT    0xa00
#define MEMORY_CONTROL 0xa14
#define EJECT          8

/* A DIMM that comes back before anybody has looked does not bring its poison back. */
static void test_replugged(void)
{
    QTest *q = qtest_start("-cpu", INTEL, "-device", "mmrig-ras,id=ras0", "-m",
                           "size=128M,slots=2,maxmem=4G", "-object",
                           "memory-backend-ram,id=d0,size=128M", "-device",
                           "pc-dimm,id=dimm0,memdev=d0,addr=0x140000000", NULL);
    pid_t processor = find_processor(q, 0);

    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x140000040");
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1000040");
    if (!hold(processor)) {
        qtest_stop(q);
        return;
    }
    do_qmp(q, "{'execute':'device_del','arguments':{'id':'dimm0'}}");
    qtest_outl(q, MEMORY_SLOT, 0);
    qtest_outl(q, MEMORY_CONTROL, EJECT);
    do_qmp(q,
           "{'execute':'device_add','arguments':{'driver':'pc-dimm','id':'dimm1',"
           "'memdev':'d0','addr':%" G_GUINT64_FORMAT "}}",
           DIMM);
    /* Nobody could: what is to be done is a processor's to do. */
    assert_list(q, "1000040+40 ras;140000040+40 ras");
    let_go(processor);
    for (unsigned i = 0; i < 1000 && qtest_get(q, "ras0", "poisoned") > 1; i++)
        g_usleep(1000);
    assert_list(q, "1000040+40 ras");
    fill(q, DIMM, 4096);
    assert_filled(q, DIMM, 4096, 0, 0);
    g_assert_cmpuint(qtest_get(q, "ras0", "consumed-dma"), ==, 0);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x140000080");
    assert_filled(q, DIMM, 4096, DIMM + 0x80, 64);
    qtest_stop(q);
}

/* QEMU's docs/specs/acpi_cpu_hotplug on q35: a 0 turns today's registers on. */
#define CPU_SELECT 0xcd8
#define CPU_FLAGS  0xcdc

/*
 * A processor goes while it has yet to say that it has forgotten a page: the page is used again
 * once all others have said so of a later one.
 */
static void test_unplugged(void)
{
    QTest *q =
        qtest_start("-cpu", INTEL, "-smp", "1,maxcpus=2", "-device", "mmrig-ras,id=ras0", NULL);
    const uint64_t line[8] = {0};
    unsigned stuck = 0;

    qtest_outl(q, CPU_SELECT, 0);
    for (unsigned i = 0; i < 40; i++) {
        do_qmp(q, "{'execute':'device_add','arguments':{'driver':'qemu64-x86_64-cpu',"
                  "'id':'cpu1','socket-id':0,'core-id':1,'thread-id':0}}");
        qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1000040");
        g_assert_cmpuint(waiting(q), ==, 0);
        /* The line is good; the region over its page is taken away by the first processor,
           while the other one leaves. */
        qtest_write(q, 0x1000040, line, sizeof(line));
        qtest_outl(q, CPU_SELECT, 1);
        qtest_outl(q, CPU_FLAGS, EJECT);
        for (unsigned j = 0; j < 100 && waiting(q) > 0; j++)
            g_usleep(1000);
        stuck += waiting(q) > 0;
        /* All that are left say so of this one. */
        qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1100040");
        qtest_set(q, "ras0", "clear", "all");
        for (unsigned j = 0; j < 10000 && waiting(q) > 0; j++)
            g_usleep(1000);
        g_assert_cmpuint(waiting(q), ==, 0);
    }
    g_test_message("%u pages waited for a processor that was gone; %" PRIu64 " regions", stuck,
                   qtest_get(q, "/machine/mmrig-poison", "regions"));
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/ras/threads/mirror", test_mirror);
    g_test_add_func("/ras/threads/replugged", test_replugged);
    g_test_add_func("/ras/threads/unplugged", test_unplugged);
    return g_test_run();
}
