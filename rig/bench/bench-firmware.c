/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mmrig-mirror's option ROM costs a boot: the machine of mirror-map from starting
 * QEMU until the agent is ready, with the ROM and without, and nothing else that differs.
 */
#include "base/paths.h"
#include "bench.h"
#include "machine/device-pack.h"

/* The device stays as it is, but its ROM is not there. */
static gboolean take_rom(MmrigScenario *scenario, GError **error)
{
    const MmrigDevice *device =
        mmrig_spec_pack_device(mmrig_scenario_machine(scenario, 0), "mmrig-mirror");
    MmrigPackDevice *mirror = (MmrigPackDevice *)device;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    if (!mirror) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: there is no mmrig-mirror",
                    scenario->path);
        return FALSE;
    }
    if (mirror->properties)
        g_strv_builder_addv(builder, (const char **)mirror->properties);
    g_strv_builder_add(builder, "rombar=0");
    g_strfreev(mirror->properties);
    mirror->properties = g_strv_builder_end(builder);
    return TRUE;
}

static gboolean bench_firmware_measure(const MmrigSetup *setup, gboolean rom, double *seconds,
                                       GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, "mirror-map", NULL, error);

    if (!scenario || (!rom && !take_rom(scenario, error)))
        return FALSE;
    g_autofree char *unmet = mmrig_setup_unmet(setup, scenario);
    if (unmet) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET, "%s", unmet);
        return FALSE;
    }
    mmrig_test_replace(mmrig_scenario_test(scenario, 0), "memmap");
    g_autofree char *image = mmrig_setup_image(setup, scenario, 0, NULL, error);
    if (!image)
        return FALSE;
    const MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    MmrigRunOptions options = {.scenario = scenario, .inputs = &inputs, .repeat = 1};
    g_autoptr(MmrigResult) result = mmrig_bench_run(&options, error);
    if (!result)
        return FALSE;
    *seconds = (double)result->boot_us / G_USEC_PER_SEC;
    return TRUE;
}

gboolean mmrig_bench_firmware(const MmrigSetup *setup, double *subject, double *baseline,
                              GError **error)
{
    static guint turn;

    /* Each goes first in half of the pairs. */
    if (turn++ % 2)
        return bench_firmware_measure(setup, TRUE, subject, error) &&
               bench_firmware_measure(setup, FALSE, baseline, error);
    return bench_firmware_measure(setup, FALSE, baseline, error) &&
           bench_firmware_measure(setup, TRUE, subject, error);
}
