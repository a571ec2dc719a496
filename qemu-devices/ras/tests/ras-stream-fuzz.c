/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration streams of mmrig-ras and of the map of poison that are not what they have saved. */
#include <string.h>

#include "fuzz-stream.h"
#include "ras-check.h"

#define PAGE 0x1234000ull

static QTest *start(const char *incoming)
{
    return qtest_start("-cpu", "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4",
                       "-device", "mmrig-ras,id=ras0", incoming ? "-incoming" : NULL, incoming,
                       NULL);
}

static void prepare(QTest *q)
{
    fill(q, PAGE, 8192);
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1234040,len=128");
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x2000000,len=4096");
    qtest_set(q, "ras0", "inject", "kind=ce,gpa=0x3000000");
    qtest_readb(q, PAGE + 0x40);
    /* Half of a line is stored. */
    for (unsigned i = 0; i < 32; i += 8)
        qtest_writeq(q, PAGE + 0x80 + i, 1);
}

static void use(QTest *q)
{
    g_free(list(q));
    for (uint64_t at = PAGE; at < PAGE + 8192; at += 64)
        qtest_readq(q, at);
    for (uint64_t at = PAGE; at < PAGE + 4096; at += 8)
        qtest_writeq(q, at, word(at));
    qtest_set(q, "ras0", "inject", "kind=poison,gpa=0x1235000,len=64");
    qtest_readq(q, PAGE + 4096);
    qtest_set(q, "ras0", "clear", "all");
    qtest_readq(q, 0x2000000);
}

static void test_stream(void)
{
    static const char *const sections[] = {"mmrig-poison", "mmrig-ras", NULL};
    const FuzzStream stream = {sections, start, prepare, use, NULL};

    fuzz_stream(&stream);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/ras/stream-fuzz", test_stream);
}
