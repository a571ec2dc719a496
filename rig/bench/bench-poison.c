/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bad pages cost those who do not touch them. One guest measures itself with and without,
 * in turns (guest-kernel/tests/test-poison-bandwidth.c); a pair is one run of it.
 */
#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "bench.h"

static gboolean take_metric(const MmrigResult *result, const char *name, double *value,
                            GError **error)
{
    for (guint i = 0; i < result->metrics->len; i++) {
        const MmrigMetric *metric = g_ptr_array_index(result->metrics, i);
        if (strcmp(metric->name, name) == 0) {
            *value = metric->value;
            return TRUE;
        }
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "%s: the test measured no \"%s\"",
                result->scenario, name);
    return FALSE;
}

static gboolean bench_poison_measure(const MmrigSetup *setup, const char *with, double *subject,
                                     double *baseline, GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario =
        mmrig_scenario_load(folder, "poison-bandwidth", NULL, error);
    g_autofree char *image =
        scenario ? mmrig_setup_image(setup, scenario, 0, NULL, error) : NULL;

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    MmrigRunOptions options = {.scenario = scenario, .inputs = &inputs, .repeat = 1};
    g_autoptr(MmrigResult) result = mmrig_bench_run(&options, error);
    if (!result)
        return FALSE;
    return take_metric(result, with, subject, error) &&
           take_metric(result, "none", baseline, error);
}

gboolean mmrig_bench_poison(const MmrigSetup *setup, double *subject, double *baseline,
                            GError **error)
{
    return bench_poison_measure(setup, "many", subject, baseline, error);
}

gboolean mmrig_bench_poison_one(const MmrigSetup *setup, double *subject, double *baseline,
                                GError **error)
{
    return bench_poison_measure(setup, "one", subject, baseline, error);
}
