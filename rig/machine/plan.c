/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <string.h>

#include "numa-private.h"
#include "plan-private.h"

const char *mmrig_accel_name(MmrigAccel accel)
{
    switch (accel) {
    case MMRIG_ACCEL_TCG:
        return "tcg";
    case MMRIG_ACCEL_KVM:
        return "kvm";
    }
    g_return_val_if_reached(NULL);
}

static void plan_backing_free(gpointer data)
{
    MmrigBacking *backing = data;

    g_free(backing->device);
    g_free(backing->source);
    mmrig_esp_free(backing->esp);
    g_free(backing);
}

void mmrig_plan_free(MmrigPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->qemu);
    g_free(plan->pack);
    g_array_unref(plan->nodes);
    g_array_unref(plan->paths);
    g_ptr_array_unref(plan->devices);
    mmrig_plan_boot_clear(&plan->boot);
    g_ptr_array_unref(plan->backings);
    g_strfreev(plan->argv);
    g_free(plan);
}

MmrigBacking *mmrig_plan_add_backing(MmrigPlan *plan, const char *device, guint64 size)
{
    MmrigBacking *backing = g_new0(MmrigBacking, 1);

    backing->device = g_strdup(device);
    backing->size = size;
    backing->fd = MMRIG_FD_BACKING + (int)plan->backings->len;
    g_ptr_array_add(plan->backings, backing);
    return backing;
}

int mmrig_plan_fd(const MmrigPlan *plan, const char *device)
{
    for (guint i = 0; i < plan->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(plan->backings, i);
        if (strcmp(backing->device, device) == 0)
            return backing->fd;
    }
    g_assert_not_reached();
}

/*
 * QEMU places device memory in this order. What Linux uses by whole memory blocks comes first,
 * where it starts on a gigabyte: an NVDIMM may end anywhere.
 */
static void plan_place_devices(MmrigPlan *plan, gboolean first)
{
    for (guint i = 0; i < plan->spec->devices->len; i++) {
        MmrigDevice *device = g_ptr_array_index(plan->spec->devices, i);
        if (device->class->placed_first == first)
            g_ptr_array_add(plan->devices, device);
    }
}

MmrigPlan *mmrig_plan_make(const MmrigMachineSpec *spec, const MmrigBootInputs *inputs,
                           GError **error)
{
    if (!mmrig_plan_check(spec, inputs, error))
        return NULL;

    MmrigPlan *plan = g_new0(MmrigPlan, 1);
    plan->spec = spec;
    plan->start = inputs->kind;
    plan->accel = inputs->accel;
    plan->qmp_object = inputs->qmp_object;
    plan->qemu = g_strdup(inputs->qemu);
    plan->pack = mmrig_spec_needs_pack(spec) ? g_strdup(inputs->pack) : NULL;
    plan->cpu = spec->cpu                          ? spec->cpu
                : inputs->accel == MMRIG_ACCEL_KVM ? spec->arch->cpu_kvm
                                                   : spec->arch->cpu_tcg;
    plan->nodes = mmrig_numa_nodes(spec);
    plan->paths = mmrig_numa_paths(spec);
    plan->backings = g_ptr_array_new_with_free_func(plan_backing_free);
    if (plan->start != MMRIG_START_COLD)
        mmrig_plan_add_backing(plan, MMRIG_BACKING_RAM, spec->memory);
    plan->devices = g_ptr_array_new();
    plan_place_devices(plan, TRUE);
    plan_place_devices(plan, FALSE);
    mmrig_plan_boot(plan, inputs);
    if (plan->start != MMRIG_START_COLD)
        mmrig_plan_add_backing(plan, MMRIG_BACKING_STATE, 0);
    plan->argv = mmrig_plan_emit_qemu(plan);
    return plan;
}

char *mmrig_plan_quote(const MmrigPlan *plan)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (char **word = plan->argv; *word; word++) {
        /* An option begins a line; its value stays beside it. */
        gboolean plain = strspn(*word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_=,.:/+@%") == strlen(*word);
        g_autofree char *quoted = plain && **word ? g_strdup(*word) : g_shell_quote(*word);
        if (word != plan->argv)
            g_string_append(text, **word == '-' ? " \\\n    " : " ");
        g_string_append(text, quoted);
    }
    g_string_append_c(text, '\n');
    return g_string_free(g_steal_pointer(&text), FALSE);
}
