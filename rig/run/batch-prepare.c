/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done before the first machine starts, and by the maker of a template. */
#include <string.h>

#include "base/error.h"
#include "batch-private.h"
#include "vm/esp-store.h"

static void batch_item_free(gpointer data)
{
    MmrigBatchItem *item = data;

    g_free(item->unmet);
    g_strfreev(item->images);
    g_free(item->template);
    g_free(item);
}

MmrigBootInputs mmrig_batch_template_inputs(const MmrigSetup *setup, const char *image)
{
    return mmrig_setup_inputs(setup, image, MMRIG_START_TEMPLATE);
}

void mmrig_batch_boot_instead(MmrigBatchItem *item, const char *why)
{
    const MmrigScenario *scenario = item->scenario;

    if (scenario->forked)
        item->unmet = g_strdup_printf("it is not forked: %s", why);
    else
        g_printerr("mmrig: %s%s%s is booted, not forked: %s\n", scenario->name,
                   scenario->twin ? ":" : "", scenario->twin ? scenario->twin : "", why);
}

/* Sets the name of the template to fork, if the machine is not to be booted. */
static void name_template(const MmrigSetup *setup, MmrigBatchItem *item, gboolean cold)
{
    const MmrigScenario *scenario = item->scenario;
    g_autoptr(GError) error = NULL;
    const char *why = mmrig_scenario_unforkable(scenario);

    if (cold) {
        if (scenario->forked)
            mmrig_batch_boot_instead(item, "it was asked to be booted");
        return;
    }
    if (!why) {
        const MmrigBootInputs inputs = mmrig_batch_template_inputs(setup, item->images[0]);

        g_autoptr(GPtrArray) words = g_ptr_array_new();
        const MmrigForkable what = mmrig_setup_forkable(scenario, 0, words);

        item->template = mmrig_template_name(&what, &inputs, &error);
        if (item->template)
            return;
        why = error->message;
    }
    mmrig_batch_boot_instead(item, why);
}

gboolean mmrig_batch_make_template(const MmrigSetup *setup, const MmrigScenario *scenario,
                                   const char *name, guint boot_timeout, GError **error)
{
    g_autofree char *image = mmrig_setup_image(setup, scenario, 0, NULL, error);

    if (!image)
        return FALSE;
    const MmrigBootInputs inputs = mmrig_batch_template_inputs(setup, image);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    MmrigForkable what = mmrig_setup_forkable(scenario, 0, words);

    g_autofree char *now = mmrig_template_name(&what, &inputs, error);
    if (!now)
        return FALSE;
    if (strcmp(now, name) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "no template: %s, or what its machine is made of, was changed meanwhile",
                    scenario->path);
        return FALSE;
    }
    what.boot_timeout = boot_timeout;
    g_autoptr(MmrigTemplate) template = mmrig_template_obtain(&what, &inputs, error);
    return template != NULL;
}

/* The images of the scenario's machines, NULL-terminated, or NULL with error. */
static GStrv prepare_images(const MmrigSetup *setup, const MmrigScenario *scenario,
                            GError **error)
{
    g_autoptr(GStrvBuilder) images = g_strv_builder_new();

    for (guint i = 0; i < scenario->machines->len; i++) {
        g_autofree char *image = mmrig_setup_image(setup, scenario, i, NULL, error);
        if (!image)
            return NULL;
        g_strv_builder_add(images, image);
    }
    return g_strv_builder_end(images);
}

/*
 * Makes the disks that machines boot from, if they have one, as long as no machine runs that
 * would have to wait. Errors are reported by the run, which makes the disk again.
 */
static void prepare_disks(const MmrigSetup *setup, const MmrigBatchItem *item)
{
    for (guint i = 0; i < item->scenario->machines->len; i++) {
        const MmrigBootInputs inputs =
            mmrig_setup_inputs(setup, item->images[i], MMRIG_START_COLD);
        g_autoptr(MmrigPlan) plan =
            mmrig_plan_make(mmrig_scenario_machine(item->scenario, i), &inputs, NULL);

        for (guint k = 0; plan && k < plan->backings->len; k++) {
            const MmrigBacking *backing = g_ptr_array_index(plan->backings, k);
            if (backing->esp)
                g_free(mmrig_esp_ensure(backing->esp, NULL));
        }
    }
}

GPtrArray *mmrig_batch_prepare(const MmrigSetup *setup, const GPtrArray *scenarios,
                               gboolean cold, GError **error)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(batch_item_free);

    for (guint i = 0; i < scenarios->len; i++) {
        MmrigBatchItem *item = g_new0(MmrigBatchItem, 1);
        g_autoptr(GError) cause = NULL;

        g_ptr_array_add(items, item);
        item->scenario = g_ptr_array_index(scenarios, i);
        item->unmet = mmrig_setup_unmet(setup, item->scenario);
        if (item->unmet)
            continue;
        item->images = prepare_images(setup, item->scenario, &cause);
        if (!cause) {
            name_template(setup, item, cold);
            /* A template's maker makes the disk itself. */
            if (!item->template && !item->unmet)
                prepare_disks(setup, item);
        } else if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_UNMET)) {
            /* Only this scenario is skipped; the others run. */
            item->unmet = g_strdup(cause->message);
        } else {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
    }
    return g_steal_pointer(&items);
}
