/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a scenario: refused with one line, or understood within all bounds, and so is
 * each of its twins; what is understood can be planned.
 */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "machine/device-pack.h"
#include "machine/plan.h"
#include "scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const GError *error)
{
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\n'));
    g_assert_true(g_str_has_prefix(error->message, "x.ini: "));
}

static void check_device(const MmrigDevice *device)
{
    g_assert_true(mmrig_id_valid(device->id));
    g_assert_cmpuint(mmrig_device_memory(device), <, G_GUINT64_CONSTANT(4) << 40);
    if (device->class == &mmrig_device_pack)
        g_assert_true(mmrig_name_valid(((const MmrigPackDevice *)device)->type));
}

static void check_plan(const MmrigMachineSpec *spec)
{
    static const MmrigBootInputs parts = {.qemu = "qemu",
                                          .accel = MMRIG_ACCEL_TCG,
                                          .kernel = "kernel",
                                          .initrd = "initrd",
                                          .kind = MMRIG_START_COLD,
                                          .pack = "pack",
                                          .efi_kernel = "efi-kernel",
                                          .firmware = "firmware",
                                          .variables = "variables",
                                          .loader = "loader"};
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigPlan) machine = mmrig_plan_make(spec, &parts, &error);
    g_auto(GStrv) back = NULL;

    g_assert_no_error(error);
    g_autofree char *quoted = mmrig_plan_quote(machine);
    g_assert_true(g_shell_parse_argv(quoted, NULL, &back, NULL));
    g_assert_true(g_strv_equal((const char *const *)back, (const char *const *)machine->argv));
}

static MmrigScenario *parse(const uint8_t *data, size_t size, const char *twin)
{
    g_autoptr(GError) error = NULL;
    MmrigScenario *scenario =
        mmrig_scenario_parse((const char *)data, size, "x", "x.ini", twin, &error);

    if (!scenario) {
        check_error(error);
        return NULL;
    }
    g_assert_no_error(error);
    g_assert_cmpuint(scenario->machines->len, <=, MMRIG_SCENARIO_MACHINES_MAX);
    g_assert_cmpuint(scenario->machines->len, ==, scenario->tests->len);
    for (guint number = 0; number < scenario->machines->len; number++) {
        const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
        g_assert_true(spec->cpus >= 1 && spec->cpus <= MMRIG_CPUS_MAX);
        g_assert_true(mmrig_name_valid(mmrig_scenario_test(scenario, number)->test));
        g_assert_cmpuint(spec->devices->len, <=, MMRIG_DEVICES_MAX);
        for (guint i = 0; i < spec->devices->len; i++)
            check_device(g_ptr_array_index(spec->devices, i));
        check_plan(spec);
    }
    return scenario;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MmrigScenario) scenario = parse(data, size, NULL);

    for (char **twin = scenario ? scenario->twins : NULL; twin && *twin; twin++)
        mmrig_scenario_free(parse(data, size, *twin));
    return 0;
}
