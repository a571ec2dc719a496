/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an idle fork costs the host besides what its guest wrote: the pages that are its own
 * (USS, from /proc/PID/smaps), less those of the guest's memory. Of that, the pages which the
 * guest wrote since the fork are its own by design, and the others are the template's.
 *
 * The forks run side by side, so that what they share counts for none of them, and have done
 * all that a fork does until it is asked for work. The baseline is as many bare QEMUs of the
 * same arguments that have loaded the same state and were never let go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "bench.h"
#include "stats.h"
#include "template/arrival.h"
#include "template/template-state.h"
#include "template/template.h"
#include "vm/backing.h"
#include "vm/instance.h"

#define SCENARIO "boot-identity"
#define FORKS    8
#define MIB      1048576.0

/* A fork is idle when its agent has answered and what it had still to do is done. */
#define REST_US (1 * G_USEC_PER_SEC)

typedef struct {
    MmrigInstance *instance;
    gboolean connected, arrived;
} Fork;

static void fork_free(gpointer data)
{
    Fork *fork = data;

    mmrig_instance_free(fork->instance);
    g_free(fork);
}

static void bench_memory_on_connected(MmrigInstance *instance G_GNUC_UNUSED, gpointer data)
{
    Fork *fork = data;

    fork->connected = TRUE;
}

static void bench_memory_on_ready(MmrigInstance *instance G_GNUC_UNUSED,
                                  const char *boot_id G_GNUC_UNUSED, gpointer data)
{
    Fork *fork = data;

    fork->arrived = TRUE;
}

static void bench_memory_on_arrived(GObject *source G_GNUC_UNUSED, GAsyncResult *result,
                                    gpointer data)
{
    Fork *fork = data;
    g_autoptr(GError) error = NULL;

    if (!mmrig_arrival_finish(result, &error) &&
        !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        mmrig_instance_blame_rig(fork->instance, error);
}

static Fork *fork_start(const MmrigTemplate *template, const MmrigPlan *plan,
                        const GArray *files, GError **error)
{
    static const MmrigInstanceCalls calls = {.connected = bench_memory_on_connected,
                                             .ready = bench_memory_on_ready};
    const MmrigInstanceOptions start = {
        .plan = plan, .backings = files, .kind = MMRIG_START_FORK, .nonce = template->nonce};
    Fork *fork = g_new0(Fork, 1);

    fork->instance = mmrig_instance_start(&start, &calls, fork, error);
    if (fork->instance && mmrig_instance_wait(fork->instance, &fork->connected, error))
        return fork;
    fork_free(fork);
    return NULL;
}

static gboolean bench_memory_arrive(Fork *fork, const MmrigPlan *plan, GError **error)
{
    mmrig_arrival_async(mmrig_instance_qmp(fork->instance), plan,
                        mmrig_instance_channel(fork->instance), NULL,
                        mmrig_instance_over(fork->instance), bench_memory_on_arrived, fork);
    return mmrig_instance_wait(fork->instance, &fork->arrived, error);
}

/* The status of the load; NULL with error. */
static char *load_status(MmrigQmp *qmp, GError **error)
{
    g_autoptr(JsonNode) reply =
        mmrig_qmp_execute(qmp, "query-migrate", NULL, MMRIG_QMP_TIMEOUT, error);

    if (!reply)
        return NULL;
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(reply) ? json_node_get_object(reply) : NULL;
    const char *status = object ? mmrig_qmp_member_string(object, "status") : NULL;
    return g_strdup(status ? status : "");
}

static gboolean load_only(Fork *fork, const MmrigPlan *machine, GError **error)
{
    MmrigQmp *qmp = mmrig_instance_qmp(fork->instance);
    g_autofree char *uri = mmrig_template_uri(machine);
    JsonObject *source = json_object_new();

    json_object_set_string_member(source, "uri", uri);
    g_autoptr(JsonNode) able =
        mmrig_qmp_execute(qmp, "migrate-set-capabilities", mmrig_template_capabilities(),
                          MMRIG_QMP_TIMEOUT, error);
    if (!able) {
        json_object_unref(source);
        return FALSE;
    }
    g_autoptr(JsonNode) asked =
        mmrig_qmp_execute(qmp, "migrate-incoming", source, MMRIG_QMP_TIMEOUT, error);
    if (!asked)
        return FALSE;
    for (;;) {
        g_autofree char *status = load_status(qmp, error);
        if (!status || strcmp(status, "completed") == 0)
            return status != NULL;
        if (strcmp(status, "failed") == 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU did not load the template");
            return FALSE;
        }
        g_usleep(5000);
    }
}

/*
 * Adds up the private pages of all mappings but those of the file ram (proc(5), smaps): KiB.
 */
static guint64 private_kib(const char *smaps, const struct stat *ram)
{
    g_auto(GStrv) lines = g_strsplit(smaps, "\n", -1);
    gboolean counts = TRUE;
    guint64 sum = 0;

    for (char **line = lines; *line; line++) {
        unsigned long start, end, offset, inode;
        unsigned major, minor, kib;
        char access[5];
        if (sscanf(*line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, access, &offset, &major,
                   &minor, &inode) == 7)
            counts = inode != ram->st_ino || makedev(major, minor) != ram->st_dev;
        else if (counts && (sscanf(*line, "Private_Clean: %u kB", &kib) == 1 ||
                            sscanf(*line, "Private_Dirty: %u kB", &kib) == 1))
            sum += kib;
    }
    return sum;
}

static gboolean bench_memory_weigh(const Fork *fork, const struct stat *ram, GArray *mebibytes,
                                   GError **error)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/smaps", mmrig_instance_pid(fork->instance));
    g_autofree char *smaps = NULL;

    if (!g_file_get_contents(path, &smaps, NULL, error))
        return FALSE;
    double own = (double)private_kib(smaps, ram) * 1024 / MIB;
    g_array_append_val(mebibytes, own);
    return TRUE;
}

typedef struct {
    MmrigTemplate *template;
    MmrigPlan *machine;
    struct stat ram;
} Bench;

static void bench_clear(Bench *bench)
{
    mmrig_template_free(bench->template);
    mmrig_plan_free(bench->machine);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static gboolean prepare(Bench *bench, const MmrigSetup *setup, GError **error)
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
    bench->template = mmrig_template_obtain(&what, &inputs, error);
    if (bench->template)
        bench->machine = mmrig_plan_make(mmrig_scenario_machine(scenario, 0), &inputs, error);
    if (!bench->machine)
        return FALSE;
    for (guint i = 0; i < bench->machine->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(bench->machine->backings, i);
        if (strcmp(backing->device, MMRIG_BACKING_RAM) == 0 &&
            fstat(g_array_index(bench->template->files, int, i), &bench->ram) == 0)
            return TRUE;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: cannot look at its memory: %s",
                bench->template->folder, g_strerror(errno));
    return FALSE;
}

/* The median of FORKS machines side by side, in MiB. */
static gboolean weigh_all(const Bench *bench, gboolean bare, double *median, GError **error)
{
    g_autoptr(GPtrArray) forks = g_ptr_array_new_with_free_func(fork_free);
    g_autoptr(GArray) mebibytes = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < FORKS; i++) {
        g_autoptr(GArray) files =
            mmrig_template_backings(bench->template, bench->machine, error);
        Fork *fork = files ? fork_start(bench->template, bench->machine, files, error) : NULL;
        if (!fork)
            return FALSE;
        g_ptr_array_add(forks, fork);
        if (!(bare ? load_only : bench_memory_arrive)(fork, bench->machine, error))
            return FALSE;
    }
    g_usleep(REST_US);
    for (guint i = 0; i < FORKS; i++)
        if (!bench_memory_weigh(g_ptr_array_index(forks, i), &bench->ram, mebibytes, error))
            return FALSE;
    *median = mmrig_stats(mebibytes).median;
    return TRUE;
}

gboolean mmrig_bench_fork_memory(const MmrigSetup *setup, double *subject, double *baseline,
                                 GError **error)
{
    g_auto(Bench) bench = {0};

    return prepare(&bench, setup, error) && weigh_all(&bench, TRUE, baseline, error) &&
           weigh_all(&bench, FALSE, subject, error);
}
