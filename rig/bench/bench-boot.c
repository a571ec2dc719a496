/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both sides are the machine of boot-smoke with the same arguments but for the image. The
 * subject is the rig's own way, from planning to the agent's "ready". The baseline is started
 * without any of the rig's code on the way: one spawn, its channels open but unread (the
 * console goes to /dev/null), and the time until QEMU has ended. Its image has one program, an
 * init that powers off at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/paths.h"
#include "bench.h"
#include "image/initramfs.h"

/* A test that does nothing would still be run; boot_us is taken at "ready". */
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

typedef struct {
    pid_t parent;
    const int *sources;
} ChildSetup;

/* Between fork and exec: async-signal-safe calls only. */
static void bench_boot_set_up_child(gpointer data)
{
    const ChildSetup *setup = data;

    mmrig_child_bind(setup->parent);
    for (int fd = MMRIG_FD_QMP; fd < MMRIG_FD_BACKING; fd++)
        if (dup2(setup->sources[fd - MMRIG_FD_QMP], fd) < 0)
            _exit(127);
}

static gboolean spawn_and_wait(char **argv, const int *sources, GError **error)
{
    ChildSetup setup = {getpid(), sources};
    GPid pid;
    int status;

    if (!g_spawn_async_with_fds(NULL, argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                                    G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                bench_boot_set_up_child, &setup, &pid, -1, -1, -1, error))
        return FALSE;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return g_spawn_check_wait_status(status, error);
}

static gboolean measure_baseline(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                                 double *seconds, GError **error)
{
    g_autofree char *image = bare_image(error);
    int ours[MMRIG_FD_BACKING - MMRIG_FD_QMP], theirs[MMRIG_FD_BACKING - MMRIG_FD_QMP];
    MmrigBootInputs bare = *inputs;
    int made = 0;

    if (!image)
        return FALSE;
    bare.initrd = image;
    g_autoptr(MmrigPlan) machine = mmrig_plan_make(scenario, &bare, error);
    if (!machine)
        return FALSE;
    for (; made < (int)G_N_ELEMENTS(ours); made++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            break;
        ours[made] = pair[0];
        /* Out of the way of the numbers that the child is to get. */
        theirs[made] = fcntl(pair[1], F_DUPFD_CLOEXEC, MMRIG_FD_BACKING);
        close(pair[1]);
    }
    gboolean measured = made == (int)G_N_ELEMENTS(ours);
    if (measured) {
        gint64 start = g_get_monotonic_time();
        measured = spawn_and_wait(machine->argv, theirs, error);
        *seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    } else {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make a socket: %s",
                    g_strerror(errno));
    }
    for (int i = 0; i < made; i++) {
        close(ours[i]);
        close(theirs[i]);
    }
    return measured;
}

gboolean mmrig_bench_boot(const MmrigSetup *setup, double *subject, double *baseline,
                          GError **error)
{
    g_autofree char *folder = g_build_filename(mmrig_path_data(), "scenarios", NULL);
    g_autoptr(MmrigScenario) scenario = mmrig_scenario_load(folder, "boot-smoke", NULL, error);
    g_autofree char *image = scenario ? mmrig_setup_image(setup, scenario, NULL, error) : NULL;

    if (!image)
        return FALSE;
    MmrigBootInputs inputs = mmrig_setup_inputs(setup, image, MMRIG_START_COLD);
    return measure_baseline(scenario, &inputs, baseline, error) &&
           measure_subject(scenario, &inputs, subject, error);
}
