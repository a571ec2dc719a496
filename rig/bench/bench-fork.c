/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subject is a whole process, from before its start to after its end: `mmrig run` of the
 * scenario that does least. The first baseline is a bare QEMU of the same arguments: started,
 * told over QMP to load the same template's state, and timed until it says that it is loaded.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/store.h"
#include "bench.h"
#include "template/template-state.h"
#include "template/template.h"
#include "vm/instance.h"

#define SCENARIO "boot-identity"

static double bench_fork_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

/* Between fork and exec: async-signal-safe calls only. */
static void bench_fork_set_up_child(gpointer data)
{
    mmrig_child_bind((pid_t)GPOINTER_TO_INT(data));
}

static gboolean bench_fork_spawn(const char *const *argv, GError **error)
{
    /* The folder stays until the command is gone as well. QEMU gets no file of this number. */
    const int held = mmrig_child_held(), number = MMRIG_FD_QMP;
    GPid pid;
    int status;

    if (!g_spawn_async_with_pipes_and_fds(
            NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL,
            bench_fork_set_up_child, GINT_TO_POINTER((int)getpid()), -1, -1, -1, &held, &number,
            held >= 0 ? 1 : 0, &pid, NULL, NULL, NULL, error))
        return FALSE;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return g_spawn_check_wait_status(status, error);
}

typedef struct {
    const MmrigSetup *setup;
    gboolean cold;
    double seconds;
} Command;

static gboolean bench_fork_run_in(const char *folder, gpointer data, GError **error)
{
    Command *command = data;
    g_autofree char *self = g_file_read_link("/proc/self/exe", error);
    g_autofree char *out = g_build_filename(folder, "out", NULL);

    if (!self)
        return FALSE;
    const char *argv[] = {self,
                          "run",
                          SCENARIO,
                          "--kernel",
                          command->setup->kernel->spec,
                          "--accel",
                          mmrig_accel_name(command->setup->accel),
                          "--out",
                          out,
                          command->cold ? "--cold" : NULL,
                          NULL};
    gint64 start = g_get_monotonic_time();
    gboolean ran = bench_fork_spawn(argv, error);
    command->seconds = bench_fork_since(start);
    return ran;
}

/* The results go to a folder that is removed even if this process is killed. */
static gboolean run_command(const MmrigSetup *setup, gboolean cold, double *seconds,
                            GError **error)
{
    g_autofree char *scratch = mmrig_path_cache("scratch", error);
    Command command = {setup, cold, 0};

    if (!scratch || !mmrig_store_scratch(scratch, bench_fork_run_in, &command, error))
        return FALSE;
    *seconds = command.seconds;
    return TRUE;
}

typedef struct {
    gboolean connected, loaded;
} Loading;

static void bench_fork_on_connected(MmrigInstance *instance G_GNUC_UNUSED, gpointer data)
{
    ((Loading *)data)->connected = TRUE;
}

static void bench_fork_on_event(MmrigInstance *instance, const char *name, JsonObject *event,
                                gpointer data)
{
    Loading *loading = data;
    const char *status = mmrig_qmp_member_string(event, "status");

    if (strcmp(name, "MIGRATION") != 0)
        return;
    loading->loaded |= g_strcmp0(status, "completed") == 0;
    if (g_strcmp0(status, "failed") == 0) {
        g_autoptr(GError) error = g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_QEMU,
                                                      "QEMU did not load the template");
        mmrig_instance_blame_rig(instance, error);
    }
}

static gboolean bench_fork_command(MmrigInstance *instance, const char *name,
                                   JsonObject *arguments, GError **error)
{
    g_autoptr(JsonNode) reply = mmrig_qmp_execute(mmrig_instance_qmp(instance), name, arguments,
                                                  MMRIG_QMP_TIMEOUT, error);

    return reply != NULL;
}

static gboolean load_bare(const MmrigPlan *plan, const GArray *files, double *seconds,
                          GError **error)
{
    static const MmrigInstanceCalls calls = {.connected = bench_fork_on_connected,
                                             .event = bench_fork_on_event};
    const MmrigInstanceOptions options = {
        .plan = plan, .backings = files, .kind = MMRIG_START_FORK};
    g_autofree char *uri = mmrig_template_uri(plan);
    g_autoptr(JsonObject) source = json_object_new();
    Loading loading = {FALSE, FALSE};
    gint64 start = g_get_monotonic_time();
    g_autoptr(MmrigInstance) instance = mmrig_instance_start(&options, &calls, &loading, error);

    json_object_set_string_member(source, "uri", uri);
    if (!instance || !mmrig_instance_wait(instance, &loading.connected, error) ||
        !bench_fork_command(instance, "migrate-set-capabilities", mmrig_template_capabilities(),
                            error) ||
        !bench_fork_command(instance, "migrate-incoming", json_object_ref(source), error) ||
        !mmrig_instance_wait(instance, &loading.loaded, error))
        return FALSE;
    *seconds = bench_fork_since(start);
    return TRUE;
}

static gboolean measure_load(const MmrigSetup *setup, double *seconds, GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, SCENARIO, NULL, error);
    g_autofree char *image =
        scenario ? mmrig_setup_image(setup, scenario, 0, NULL, error) : NULL;

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_FORK);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const MmrigForkable what = mmrig_setup_forkable(scenario, 0, words);
    g_autoptr(MmrigTemplate) template = mmrig_template_obtain(&what, &inputs, error);
    g_autoptr(MmrigPlan) machine =
        template ? mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &inputs, error) : NULL;
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
