/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-ras on a bare machine, against docs/devices/ras.md. */
#include <string.h>

#include "mmrig-ras-regs.h"
#include "qtest.h"

#define INTEL "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4"
#define PAGE  0x1234000ull

static QTest *start(void)
{
    return qtest_start("-cpu", INTEL, "-m", "256M", "-device", "mmrig-ras,id=ras0", NULL);
}

static void set(QTest *q, const char *property, const char *value)
{
    g_autoptr(JsonNode) answer = NULL;

    answer = qtest_qmp(q,
                       "{'execute':'qom-set','arguments':{'path':'ras0','property':'%s',"
                       "'value':'%s'}}",
                       property, value);
}

static uint64_t get(QTest *q, const char *property)
{
    g_autoptr(JsonNode) answer = qtest_qmp(
        q, "{'execute':'qom-get','arguments':{'path':'ras0','property':'%s'}}", property);

    return (uint64_t)json_node_get_int(answer);
}

/* A device's read of poison ends in an error; what is around it is as it was. */
static void test_lay(void)
{
    QTest *q = start();

    for (unsigned i = 0; i < 4096; i += 8)
        qtest_writeq(q, PAGE + i, 0x1000 + i);
    set(q, "inject", "kind=poison,gpa=0x1234040,len=64");
    g_assert_cmpuint(get(q, "poisoned"), ==, 1);
    for (unsigned i = 0; i < 4096; i += 8)
        if (i < 0x40 || i >= 0x80)
            g_assert_cmphex(qtest_readq(q, PAGE + i), ==, 0x1000 + i);
    g_assert_cmpuint(get(q, "consumed-dma"), ==, 0);
    g_assert_cmphex(qtest_readq(q, PAGE + 0x40), !=, 0x1040);
    g_assert_cmpuint(get(q, "consumed-dma"), ==, 1);
    set(q, "clear", "gpa=0x1234040");
    g_assert_cmpuint(get(q, "poisoned"), ==, 0);
    for (unsigned i = 0; i < 4096; i += 8)
        g_assert_cmphex(qtest_readq(q, PAGE + i), ==, 0x1000 + i);
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!qtest_available())
        return QTEST_SKIP;
    g_test_add_func("/ras/lay", test_lay);
    return g_test_run();
}
