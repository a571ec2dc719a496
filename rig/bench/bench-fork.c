/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subject is a whole process, from before its start to after its end: `mmrig run` of the
 * scenario that does least. The first baseline is a bare QEMU of the same arguments: started,
 * told over QMP to load the same template's state, and timed until it says that it is loaded.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/store.h"
#include "bench.h"
#include "template/template-state.h"
#include "template/template.h"
#include "vm/vm.h"

#define SCENARIO "boot-identity"

static double bench_fork_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

static gboolean run_command(const MmrigSetup *setup, gboolean cold, double *seconds,
                            GError **error)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", error);
    g_autofree char *folder = g_dir_make_tmp("mmrig-bench-XXXXXX", error);
    g_autofree char *out = folder ? g_build_filename(folder, "out", NULL) : NULL;
    int status = 0;

    if (!self || !folder)
        return FALSE;
    const char *argv[] = {self,
                          "run",
                          SCENARIO,
                          "--kernel",
                          setup->kernel->spec,
                          "--accel",
                          mmrig_accel_name(setup->accel),
                          "--out",
                          out,
                          cold ? "--cold" : NULL,
                          NULL};
    gint64 start = g_get_monotonic_time();
    gboolean ran = g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                                NULL, NULL, NULL, &status, error) &&
                   g_spawn_check_wait_status(status, error);
    *seconds = bench_fork_since(start);
    return mmrig_remove_tree(folder, ran ? error : NULL) && ran;
}

typedef struct {
    gboolean loaded, failed;
} Loading;

static void bench_fork_on_event(MmrigQmp *qmp G_GNUC_UNUSED, const char *name, JsonObject *data,
                                Loading *loading)
{
    const char *status = json_object_get_string_member_with_default(data, "status", "");

    if (strcmp(name, "MIGRATION") == 0) {
        loading->loaded |= strcmp(status, "completed") == 0;
        loading->failed |= strcmp(status, "failed") == 0;
    }
}

static void bench_fork_on_ended(MmrigVm *vm G_GNUC_UNUSED, gpointer data)
{
    ((Loading *)data)->failed = TRUE;
}

static gboolean bench_fork_command(MmrigVm *vm, const char *name, JsonObject *arguments,
                                   GError **error)
{
    g_autoptr(JsonNode) reply =
        mmrig_qmp_execute(mmrig_vm_qmp(vm), name, arguments, MMRIG_QMP_TIMEOUT, error);

    return reply != NULL;
}

static gboolean load_bare(const MmrigPlan *machine, const GArray *files, double *seconds,
                          GError **error)
{
    g_autofree char *uri = mmrig_template_uri(machine);
    JsonObject *source = json_object_new();
    Loading loading = {FALSE, FALSE};
    gint64 start = g_get_monotonic_time();
    g_autoptr(MmrigVm) vm =
        mmrig_vm_start(machine, files, NULL, bench_fork_on_ended, &loading, error);

    json_object_set_string_member(source, "uri", uri);
    if (!vm) {
        json_object_unref(source);
        return FALSE;
    }
    g_signal_connect(mmrig_vm_qmp(vm), "event", G_CALLBACK(bench_fork_on_event), &loading);
    gboolean asked = mmrig_qmp_connect(mmrig_vm_qmp(vm), MMRIG_QMP_TIMEOUT, error) &&
                     bench_fork_command(vm, "migrate-set-capabilities",
                                        mmrig_template_capabilities(), error) &&
                     bench_fork_command(vm, "migrate-incoming", json_object_ref(source), error);
    json_object_unref(source);
    while (asked && !loading.loaded && !loading.failed)
        g_main_context_iteration(NULL, TRUE);
    *seconds = bench_fork_since(start);
    if (asked && loading.failed)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU did not load the template");
    return asked && loading.loaded;
}

static gboolean measure_load(const MmrigSetup *setup, double *seconds, GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, SCENARIO, NULL, error);
    g_autofree char *image = scenario ? mmrig_setup_image(setup, scenario, NULL, error) : NULL;

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_FORK);
    g_autoptr(MmrigTemplate) template = mmrig_template_obtain(scenario, &inputs, error);
    g_autoptr(MmrigPlan) machine = template ? mmrig_plan_make(scenario, &inputs, error) : NULL;
    g_autoptr(GArray) files =
        machine ? mmrig_template_backings(template, machine, error) : NULL;
    return files && load_bare(machine, files, seconds, error);
}

gboolean mmrig_bench_fork(const MmrigSetup *setup, double *subject, double *baseline,
                          GError **error)
{
    return measure_load(setup, baseline, error) && run_command(setup, FALSE, subject, error);
}

gboolean mmrig_bench_fork_cold(const MmrigSetup *setup, double *subject, double *baseline,
                               GError **error)
{
    return run_command(setup, TRUE, baseline, error) &&
           run_command(setup, FALSE, subject, error);
}
