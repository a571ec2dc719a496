/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which machines start when: in order, within the budget, and every one in the end. */
#include <string.h>

#include "run/schedule-private.h"
#include "scenario/scenario.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static void test_load(void)
{
    static const char text[] =
        "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"
        "[machine]\ncpus = 3\nmemory = 512M\n"
        "[nvdimm a]\nsize = 256M\n[virtio-mem b]\nsize = 1G\n[balloon c]\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_parse(text, strlen(text), "s", "s.ini", NULL, &error);
    g_assert_no_error(error);

    MmrigLoad load = mmrig_schedule_load(mmrig_scenario_machine(scenario, 0), MMRIG_ACCEL_TCG);
    g_assert_cmpuint(load.machines, ==, 1);
    g_assert_cmpuint(load.cpus, ==, 3);
    g_assert_cmpuint(load.memory, ==, (512 + 256 + 1024 + 128) * MIB);
    g_assert_cmpuint(
        mmrig_schedule_load(mmrig_scenario_machine(scenario, 0), MMRIG_ACCEL_KVM).cpus, ==, 1);

    /* Sizes that no sum may wrap round to something small. */
    mmrig_scenario_machine(scenario, 0)->memory = G_MAXUINT64 - 1;
    load = mmrig_schedule_load(mmrig_scenario_machine(scenario, 0), MMRIG_ACCEL_TCG);
    g_assert_cmpuint(load.memory, ==, G_MAXUINT64);
}

static void test_budget(void)
{
    MmrigHostLimits limits = {.cpus = 8,
                              .memory = 5 * MIB,
                              .memory_limit = MMRIG_NO_LIMIT,
                              .tasks = MMRIG_NO_LIMIT,
                              .files = MMRIG_NO_LIMIT};
    MmrigLoad budget = mmrig_schedule_budget(0, &limits);
    g_assert_cmpuint(budget.machines, ==, 8);
    g_assert_cmpuint(budget.cpus, ==, 8);
    g_assert_cmpuint(budget.memory, ==, 5 * MIB);

    /* Who gives a number means machines, however many CPUs they have. */
    budget = mmrig_schedule_budget(30, &limits);
    g_assert_cmpuint(budget.machines, ==, 30);
    g_assert_cmpuint(budget.cpus, >=, 30 * 64);

    /* But there are no more than can be started at all, and always one. */
    limits.tasks = 5 * MMRIG_TASKS_PER_MACHINE;
    g_assert_cmpuint(mmrig_schedule_budget(30, &limits).machines, ==, 5);
    limits.files = 3 * MMRIG_FILES_PER_MACHINE + 1;
    g_assert_cmpuint(mmrig_schedule_budget(0, &limits).machines, ==, 3);
    limits.files = limits.tasks = limits.memory = 0;
    g_assert_cmpuint(mmrig_schedule_budget(0, &limits).machines, ==, 1);
}

/* Memory that templates or others take after the start is no machine's any more. */
static void test_memory(void)
{
    const MmrigHostLimits start = {.memory = 1000 * MIB, .shared = 50 * MIB};
    const struct {
        guint64 memory, shared, running, left;
    } rows[] = {
        {1000, 50, 0, 1000},  /* nothing has happened */
        {700, 50, 300, 1000}, /* the machines have taken what they may */
        {1000, 50, 300, 1000},
        {1000, 40, 0, 1000},  /* freed by others: what there was at the start is enough */
        {600, 450, 300, 600}, /* 400 of templates; the machines have touched nothing */
        {200, 50, 300, 500},  /* taken by others */
        {0, 2000, 300, 0},    /* tmpfs has grown by more than there was */
        {0, 50, 300, 300},    /* nothing left beside what runs */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const MmrigHostLimits now = {.memory = rows[i].memory * MIB,
                                     .shared = rows[i].shared * MIB};
        g_assert_cmpuint(mmrig_schedule_memory(&start, &now, rows[i].running * MIB), ==,
                         rows[i].left * MIB);
    }
    const MmrigHostLimits much = {.memory = G_MAXUINT64};
    g_assert_cmpuint(mmrig_schedule_memory(&much, &much, G_MAXUINT64), ==, G_MAXUINT64);
}

static void test_may_start(void)
{
    static const struct {
        const char *name;
        MmrigLoad budget, running, first;
        gboolean may;
    } rows[] = {
        {"fits", {4, 4, 100}, {1, 1, 50}, {1, 1, 50}, TRUE},
        {"a byte too much", {4, 4, 100}, {1, 1, 50}, {1, 1, 51}, FALSE},
        {"a CPU too much", {4, 4, 100}, {1, 1, 10}, {1, 4, 10}, FALSE},
        {"all CPUs", {4, 4, 100}, {1, 1, 10}, {1, 3, 10}, TRUE},
        {"a machine too much", {2, 4, 100}, {2, 2, 10}, {1, 1, 10}, FALSE},
        {"the last machine", {2, 4, 100}, {1, 1, 10}, {1, 1, 10}, TRUE},
        {"too large, alone", {2, 2, 100}, {0, 0, 0}, {1, 16, 1000}, TRUE},
        {"too large, in company", {2, 2, 100}, {1, 1, 1}, {1, 1, 1000}, FALSE},
        {"beside one too large", {4, 4, 100}, {1, 1, 1000}, {1, 1, 1}, FALSE},
        {"beside one with too many CPUs", {4, 4, 100}, {1, 16, 10}, {1, 1, 1}, FALSE},
        {"no memory at all, alone", {4, 4, 0}, {0, 0, 0}, {1, 1, 1}, TRUE},
        {"no memory at all, in company", {4, 4, 0}, {1, 1, 1}, {1, 1, 1}, FALSE},
        {"no sum wraps", {4, 4, 100}, {1, 1, 90}, {1, 1, G_MAXUINT64}, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].name);
        g_assert_cmpint(
            mmrig_schedule_may_start(&rows[i].budget, &rows[i].running, &rows[i].first), ==,
            rows[i].may);
    }
}

/* What runs in a made-up host: machines that end after some steps of time. */
typedef struct {
    MmrigLoad load;
    guint steps;
} Job;

/* Plays the queue to its end: nothing overtakes, budgets hold, everything starts. */
static void play(GRand *rand, const MmrigLoad *budget)
{
    enum { JOBS = 50, STEPS_MAX = 5 };
    Job jobs[JOBS];
    MmrigLoad running = {0, 0, 0};
    guint next = 0, time = 0;

    for (guint i = 0; i < JOBS; i++) {
        jobs[i].load = (MmrigLoad){1, (guint)g_rand_int_range(rand, 1, 6),
                                   (guint64)g_rand_int_range(rand, 1, 150)};
        jobs[i].steps = (guint)g_rand_int_range(rand, 1, STEPS_MAX + 1);
    }
    for (; next < JOBS || running.machines > 0; time++) {
        g_assert_cmpuint(time, <=, JOBS * STEPS_MAX);
        while (next < JOBS && mmrig_schedule_may_start(budget, &running, &jobs[next].load))
            mmrig_schedule_add(&running, &jobs[next++].load);
        g_assert_cmpuint(running.machines, >, 0);
        if (running.machines > 1) {
            g_assert_cmpuint(running.machines, <=, budget->machines);
            g_assert_cmpuint(running.cpus, <=, budget->cpus);
            g_assert_cmpuint(running.memory, <=, budget->memory);
        }
        /* One that waits would not have fitted. */
        if (next < JOBS)
            g_assert_true(running.machines + 1 > budget->machines ||
                          running.cpus + jobs[next].load.cpus > budget->cpus ||
                          running.memory + jobs[next].load.memory > budget->memory);
        for (guint i = 0; i < next; i++) {
            if (jobs[i].steps == 0)
                continue;
            jobs[i].steps--;
            if (jobs[i].steps == 0)
                mmrig_schedule_remove(&running, &jobs[i].load);
        }
    }
    g_assert_cmpuint(running.cpus, ==, 0);
    g_assert_cmpuint(running.memory, ==, 0);
}

static void test_queue(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int_range(0, G_MAXINT32));

    for (guint i = 0; i < 200; i++) {
        const MmrigHostLimits limits = {
            .cpus = i % 5 + 1, .memory = 100, .tasks = MMRIG_NO_LIMIT, .files = MMRIG_NO_LIMIT};
        MmrigLoad budget = mmrig_schedule_budget(i % 2 ? i % 7 + 1 : 0, &limits);
        play(rand, &budget);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/schedule/load", test_load);
    g_test_add_func("/schedule/budget", test_budget);
    g_test_add_func("/schedule/may-start", test_may_start);
    g_test_add_func("/schedule/queue", test_queue);
    g_test_add_func("/schedule/memory", test_memory);
    return g_test_run();
}
