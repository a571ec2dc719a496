/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which records of the kernel log the agent takes for trouble. */
#include <glib.h>

#include "agent.h"

static void check(const char *kind, const char *record, const char *wanted)
{
    const char *text = NULL;
    size_t size = 0;
    size_t record_size = strlen(record);
    /* Without the NUL, so that ASan sees any step outside. */
    g_autofree char *copy = record_size > 0 ? g_memdup2(record, record_size) : g_strdup("");
    g_autofree char *found = NULL;

    g_test_message("%s", record);
    g_assert_cmpstr(kmsg_classify(copy, record_size, &text, &size), ==, kind);
    if (kind) {
        found = g_strndup(text, size);
        g_assert_cmpstr(found, ==, wanted);
    }
}

static void test_trouble(void)
{
    check(MMRIG_KERNEL_WARNING,
          "4,339,5140900,-;WARNING: CPU: 1 PID: 39 at mm/x.c:7 f+0x1a/0x20\n",
          "WARNING: CPU: 1 PID: 39 at mm/x.c:7 f+0x1a/0x20");
    check(MMRIG_KERNEL_WARNING, "3,1,1,-;UBSAN: array-index-out-of-bounds in mm/x.c:1:2\n",
          "UBSAN: array-index-out-of-bounds in mm/x.c:1:2");
    check(MMRIG_KERNEL_OOPS, "1,1,1,-;BUG: kernel NULL pointer dereference, address: 08\n",
          "BUG: kernel NULL pointer dereference, address: 08");
    check(MMRIG_KERNEL_OOPS, "2,1,1,-;kernel BUG at mm/x.c:7!\n", "kernel BUG at mm/x.c:7!");
    check(MMRIG_KERNEL_OOPS, "1,1,1,-;Oops: Oops: 0002 [#1] SMP\n",
          "Oops: Oops: 0002 [#1] SMP");
    check(MMRIG_KERNEL_OOPS, "1,1,1,-;general protection fault: 0000 [#1] SMP\n",
          "general protection fault: 0000 [#1] SMP");
    check(MMRIG_KERNEL_OOPS, "3,1,1,-;BUG: KASAN: use-after-free in f+0x1/0x2\n",
          "BUG: KASAN: use-after-free in f+0x1/0x2");
    check(MMRIG_KERNEL_OOPS,
          "0,1,1,-;watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [x:1]\n",
          "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [x:1]");
    check(MMRIG_KERNEL_OOPS, "3,1,1,-;INFO: task x:12 blocked for more than 120 seconds.\n",
          "INFO: task x:12 blocked for more than 120 seconds.");
    check(MMRIG_KERNEL_OOPS, "3,1,1,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n",
          "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:");
    check(MMRIG_KERNEL_PANIC, "0,1,1,-;Kernel panic - not syncing: Fatal machine check\n",
          "Kernel panic - not syncing: Fatal machine check");
}

/* A field more in the prefix (CONFIG_PRINTK_CALLER), and lines of properties after. */
static void test_shape(void)
{
    check(MMRIG_KERNEL_OOPS, "1,1,1,-,caller=T12;BUG: x\n SUBSYSTEM=pci\n DEVICE=+pci:0\n",
          "BUG: x");
    check(NULL, "6,1,1,-;harmless\n SUBSYSTEM=BUG: x\n", NULL);
    check(MMRIG_KERNEL_OOPS, "1,1,1,-;BUG: no LF", "BUG: no LF");
    check(NULL, "", NULL);
    check(NULL, "1", NULL);
    check(NULL, "1,1,1,-", NULL);
    check(NULL, "x,1,1,-;BUG: x\n", NULL);
    check(NULL, ";BUG: x\n", NULL);
    check(NULL, "1,1,1,-;", NULL);
    check(NULL, "99999999999999999999,1,1,-;BUG: x\n", NULL);
}

/* Facility 1 is LOG_USER: 8 + level. */
static void test_user_space(void)
{
    check(NULL, "8,1,1,-;BUG: from user space\n", NULL);
    check(NULL, "12,1,1,-;WARNING: from user space\n", NULL);
    check(NULL, "30,1,1,-;Kernel panic - not really\n", NULL);
}

static void test_harmless(void)
{
    check(NULL, "6,1,1,-;traps: prog[12] general protection fault ip:1 sp:2 error:0\n", NULL);
    check(NULL, "6,1,1,-;Linux version 6.12.117\n", NULL);
    check(NULL, "4,1,1,-;[Firmware Bug]: something\n", NULL);
    check(NULL, "6,1,1,-;INFO: task x is fine\n", NULL);
    check(NULL, "6,1,1,-;rcu: INFO: all well\n", NULL);
    check(NULL, "6,1,1,-;driver: WARNING: loose talk\n", NULL);
    check(NULL, "3,1,1,-;Memory failure: 0x12: recovery action for dirty page: Recovered\n",
          NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kmsg/trouble", test_trouble);
    g_test_add_func("/kmsg/shape", test_shape);
    g_test_add_func("/kmsg/user-space", test_user_space);
    g_test_add_func("/kmsg/harmless", test_harmless);
    return g_test_run();
}
