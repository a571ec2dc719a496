/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both sides are the machine of boot-smoke with the same arguments but for the image. The
 * subject is the rig's own way, from planning to the agent's "ready". The baseline is only
 * launched: its channels are open but unread, and the time is until QEMU has ended. Its image
 * has one program, an init that powers off at once.
 */
#include <sys/stat.h>

#include "base/paths.h"
#include "bench.h"
#include "image/initramfs.h"
#include "vm/backing.h"
#include "vm/launcher.h"

/* No wait status of waitpid(). */
#define NOT_ENDED (-1)

/* The test is run as well, but boot_us is taken at "ready", before it. */
static gboolean measure_subject(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                                double *seconds, GError **error)
{
    MmrigRunOptions options = {.scenario = scenario, .inputs = inputs, .repeat = 1};
    g_autoptr(MmrigResult) result = mmrig_bench_run(&options, error);

    if (!result)
        return FALSE;
    *seconds = (double)result->boot_us / G_USEC_PER_SEC;
    return TRUE;
}

static char *bare_image(GError **error)
{
    g_autoptr(MmrigImage) image = mmrig_image_new();
    g_autofree char *init = g_build_filename(mmrig_path_guest(), "poweroff", NULL);

    if (!mmrig_image_add_folder(image, "/dev", 0755, error) ||
        !mmrig_image_add_device(image, "/dev/console", S_IFCHR | 0600, 5, 1, error) ||
        !mmrig_image_add_file(image, "/init", init, 0755, error))
        return NULL;
    return mmrig_image_ensure(image, error);
}

static void bench_boot_on_ended(int wait_status, gpointer data)
{
    *(int *)data = wait_status;
}

/* Starts QEMU and waits for its end; nothing of what it says is read. */
static gboolean bench_boot_bare(const MmrigPlan *plan, const GArray *backings, GError **error)
{
    const MmrigLauncher *launcher = &mmrig_launcher_direct;
    int status = NOT_ENDED;
    MmrigLaunchEnds ends;
    MmrigLaunch *launch =
        launcher->start(plan, backings, &ends, bench_boot_on_ended, &status, error);

    if (!launch)
        return FALSE;
    while (status == NOT_ENDED)
        g_main_context_iteration(NULL, TRUE);
    mmrig_launch_ends_close(&ends);
    launcher->free(launch);
    return g_spawn_check_wait_status(status, error);
}

static gboolean measure_baseline(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                                 double *seconds, GError **error)
{
    g_autofree char *image = bare_image(error);
    MmrigBootInputs bare = *inputs;

    if (!image)
        return FALSE;
    bare.initrd = image;
    g_autoptr(MmrigPlan) plan =
        mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &bare, error);
    g_autoptr(GArray) backings = plan ? mmrig_backings_new(plan, NULL, error) : NULL;
    if (!backings)
        return FALSE;
    gint64 start = g_get_monotonic_time();
    gboolean ended = bench_boot_bare(plan, backings, error);
    *seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    return ended;
}

gboolean mmrig_bench_boot(const MmrigSetup *setup, double *subject, double *baseline,
                          GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, "boot-smoke", NULL, error);
    g_autofree char *image =
        scenario ? mmrig_setup_image(setup, scenario, 0, NULL, error) : NULL;

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    return measure_baseline(scenario, &inputs, baseline, error) &&
           measure_subject(scenario, &inputs, subject, error);
}
