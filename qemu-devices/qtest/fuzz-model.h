/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers have in common that work a device beside a model of it, written from its
 * specification: whatever is read must be what the model says. A fuzzer defines struct Model,
 * which has the machine in it, and a plan of what is done to both.
 */
#ifndef MMRIG_QTEST_FUZZ_MODEL_H
#define MMRIG_QTEST_FUZZ_MODEL_H

#include <string.h>

#include "fuzz.h"

/* ---- The plan ---------------------------------------------------------------------------- */

typedef struct Model Model;

/* Done so often among all of them: its weight of their sum. */
typedef struct {
    const char *name;
    int weight;
    void (*step)(Model *m);
} FuzzStep;

typedef struct {
    const FuzzStep *steps;
    size_t step_count;
    void (*after)(Model *m);   /* each step: what can be looked at in no time; or NULL */
    void (*often)(Model *m);   /* each 256 steps; or NULL */
    void (*check)(Model *m);   /* all of the state, each 2,048 steps and at the end */
    void (*migrate)(Model *m); /* to another QEMU, each 4,096 steps; or NULL */
    guint machine_steps;       /* then a new machine is to be made */
} FuzzPlan;

static inline const FuzzStep *fuzz_pick(const FuzzPlan *plan)
{
    int sum = 0;
    int left;

    for (size_t i = 0; i < plan->step_count; i++)
        sum += plan->steps[i].weight;
    left = g_test_rand_int_range(0, sum);
    for (size_t i = 0;; i++) {
        left -= plan->steps[i].weight;
        if (left < 0)
            return &plan->steps[i];
    }
}

/* One machine, until the plan or the time is over; how many steps were done. */
static inline guint fuzz_machine(Model *m, const FuzzPlan *plan, gint64 end)
{
    const gboolean verbose = g_getenv("MMRIG_FUZZ_VERBOSE") != NULL;
    guint i;

    plan->check(m);
    for (i = 0; i < plan->machine_steps && g_get_monotonic_time() < end; i++) {
        const FuzzStep *step = fuzz_pick(plan);

        if (verbose)
            g_printerr("step %u: %s\n", i, step->name);
        step->step(m);
        if (plan->after)
            plan->after(m);
        if (plan->often && i % 256 == 0)
            plan->often(m);
        if (i % 2048 == 0)
            plan->check(m);
        if (plan->migrate && i % 4096 == 4095) {
            plan->migrate(m);
            plan->check(m);
        }
    }
    plan->check(m);
    return i;
}

/* ---- Numbers ----------------------------------------------------------------------------- */

/* One of these, the sum of two, or of any size; the last of them often whole pages. */
static inline uint64_t fuzz_number(const uint64_t *odd, size_t count)
{
    const int most = (int)count;

    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        return odd[g_test_rand_int_range(0, most)];
    case 1:
        return odd[g_test_rand_int_range(0, most)] + odd[g_test_rand_int_range(0, most)];
    case 2:
        return any_64() >> g_test_rand_int_range(0, 64);
    default:
        return any_64() >> g_test_rand_int_range(0, 64) & ~0xfffull;
    }
}

/* 1, 2, 4 or 8. */
static inline unsigned fuzz_size(void)
{
    return 1u << g_test_rand_int_range(0, 4);
}

/* ---- Accesses ---------------------------------------------------------------------------- */

/* The value of so many bytes, 1 to 8, that are all set. */
static inline uint64_t fuzz_ones(unsigned size)
{
    g_assert(size >= 1 && size <= 8);
    return UINT64_MAX >> (64 - 8 * size);
}

static inline uint64_t fuzz_read(QTest *q, uint64_t address, unsigned size)
{
    switch (size) {
    case 1:
        return qtest_readb(q, address);
    case 2:
        return qtest_readw(q, address);
    case 4:
        return qtest_readl(q, address);
    default:
        return qtest_readq(q, address);
    }
}

static inline void fuzz_write(QTest *q, uint64_t address, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        qtest_writeb(q, address, (uint8_t)value);
        break;
    case 2:
        qtest_writew(q, address, (uint16_t)value);
        break;
    case 4:
        qtest_writel(q, address, (uint32_t)value);
        break;
    default:
        qtest_writeq(q, address, value);
        break;
    }
}

/* What memory holds in which each 64-bit word is its address, at any alignment. */
static inline uint64_t fuzz_word(uint64_t address, unsigned size)
{
    uint64_t words[2] = {address & ~7ull, (address & ~7ull) + 8};
    uint64_t value = 0;

    memcpy(&value, (const uint8_t *)words + (address & 7), size);
    return value;
}

/* Makes it hold that. */
static inline void fuzz_fill(QTest *q, uint64_t address, uint64_t size)
{
    for (uint64_t at = address; at < address + size; at += 8)
        qtest_writeq(q, at, at);
}

/* ---- Properties, resets, migrations ------------------------------------------------------ */

/* Sets a property, as text; why that was refused, or NULL. */
static inline char *fuzz_try_set(QTest *q, const char *path, const char *property,
                                 const char *value)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
    g_autofree char *quoted = NULL;

    json_node_set_string(node, value);
    quoted = json_to_string(node, FALSE);
    return qtest_qmp_error(q,
                           "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"%s\","
                           "\"property\":\"%s\",\"value\":%s}}",
                           path, property, quoted);
}

/* The same, where the model knows whether it is to be taken. */
static inline void fuzz_set(QTest *q, const char *path, const char *property, const char *value,
                            gboolean good)
{
    g_autofree char *why = fuzz_try_set(q, path, property, value);

    if ((why == NULL) != good)
        g_error("%s=%s: %s", property, value, why ? why : "was taken");
}

/* Resets the machine. The main loop does so some time after it was asked to; it is done when a
 * PCI device whose decoding was on decodes no more. */
static inline void fuzz_reset(QTest *q, unsigned slot)
{
    enum { COMMAND = 0x04, MEMORY = 2 };

    json_node_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    for (unsigned i = 0; i < 1000 && qtest_pci_readl(q, slot, COMMAND) & MEMORY; i++)
        g_usleep(5000);
    g_assert_cmphex(qtest_pci_readl(q, slot, COMMAND) & MEMORY, ==, 0);
}

/* Goes on in another QEMU, which start() makes with that for its -incoming. Nothing is told to
 * it but what the stream holds. */
static inline QTest *
fuzz_migrate(QTest *q, QTest *(*start)(const Model *m, const char *incoming), const Model *m)
{
    g_autofree char *uri = qtest_save(q);

    q = start(m, uri);
    qtest_migrated(q);
    qtest_forget(uri);
    return q;
}

/* Writes anything to a PCI device's configuration space. */
static inline void fuzz_configuration(QTest *q, unsigned slot, uint64_t (*number)(void))
{
    int writes = g_test_rand_int_range(1, 10);

    for (int i = 0; i < writes; i++)
        qtest_pci_writel(q, slot, (unsigned)g_test_rand_int_range(0, 64) * 4,
                         (uint32_t)number());
}

#endif
