/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedule-private.h"

#include <string.h>

#define KIB 1024

/* Sizes come from a scenario's file: no sum of them may wrap. */
static guint64 schedule_sum(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

MmrigLoad mmrig_schedule_load(const MmrigScenario *scenario, MmrigAccel accel)
{
    MmrigLoad load = {1, accel == MMRIG_ACCEL_TCG ? scenario->cpus : 1,
                      schedule_sum(scenario->memory, MMRIG_QEMU_OVERHEAD)};

    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        load.memory = schedule_sum(load.memory, schedule_sum(device->size, device->persistent));
    }
    return load;
}

void mmrig_schedule_add(MmrigLoad *running, const MmrigLoad *load)
{
    running->machines += load->machines;
    running->cpus += load->cpus;
    running->memory += load->memory;
}

void mmrig_schedule_remove(MmrigLoad *running, const MmrigLoad *load)
{
    running->machines -= load->machines;
    running->cpus -= load->cpus;
    running->memory -= load->memory;
}

/* Without a sum that could wrap: what is larger than the budget runs alone. */
static gboolean schedule_fits(guint64 budget, guint64 running, guint64 more)
{
    return running <= budget && more <= budget - running;
}

gboolean mmrig_schedule_may_start(const MmrigLoad *budget, const MmrigLoad *running,
                                  const MmrigLoad *first)
{
    if (running->machines == 0)
        return TRUE;
    return schedule_fits(budget->machines, running->machines, first->machines) &&
           schedule_fits(budget->cpus, running->cpus, first->cpus) &&
           schedule_fits(budget->memory, running->memory, first->memory);
}

MmrigLoad mmrig_schedule_budget(guint jobs, guint cpus, guint64 available)
{
    MmrigLoad budget = {jobs ? jobs : MAX(cpus, 1), jobs ? G_MAXUINT : MAX(cpus, 1), available};

    return budget;
}

gboolean mmrig_schedule_available(const char *meminfo, guint64 *bytes)
{
    static const char key[] = "MemAvailable:";
    const char *line = meminfo;
    guint64 kib;

    while (!g_str_has_prefix(line, key)) {
        line = strchr(line, '\n');
        if (!line)
            return FALSE;
        line++;
    }
    g_autofree char *value = g_strndup(line + strlen(key), strcspn(line + strlen(key), "\n"));
    g_strstrip(value);
    if (!g_str_has_suffix(value, " kB"))
        return FALSE;
    value[strlen(value) - strlen(" kB")] = '\0';
    if (!g_ascii_string_to_unsigned(g_strstrip(value), 10, 0, G_MAXUINT64 / KIB, &kib, NULL))
        return FALSE;
    *bytes = kib * KIB;
    return TRUE;
}
