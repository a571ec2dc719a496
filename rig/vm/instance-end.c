/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "instance-private.h"

/* QEMU's last line when it dies of its issue 1921. */
#define RACE_MARK "iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed"

gboolean mmrig_instance_was_race(int wait_status, const char *said)
{
    return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGABRT &&
           strstr(said, RACE_MARK);
}

char *mmrig_instance_describe_end(int wait_status, gboolean by_rig, const char *said)
{
    g_autofree char *words = g_strdelimit(g_strdup(said), "\n", ' ');
    const char *colon = *words ? ": " : "";

    if (WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        if (number == SIGKILL && by_rig)
            return g_strdup_printf("the rig ended QEMU%s%s", colon, words);
        if (number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGHUP)
            return g_strdup_printf("QEMU was killed from outside (signal %d: %s)%s%s", number,
                                   g_strsignal(number), colon, words);
        return g_strdup_printf("QEMU crashed (signal %d: %s)%s%s", number, g_strsignal(number),
                               colon, words);
    }
    if (WEXITSTATUS(wait_status) == 0)
        return g_strdup_printf("QEMU ended without an error, though nobody had asked it to%s%s",
                               colon, words);
    return g_strdup_printf("QEMU ended with status %d%s%s", WEXITSTATUS(wait_status), colon,
                           words);
}

GError *mmrig_instance_evidence_error(const MmrigInstanceEvidence *seen)
{
    if (seen->rig_error)
        return g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_RIG, seen->rig_error);
    if (seen->panic)
        return g_error_new(MMRIG_ERROR, MMRIG_ERROR_GUEST, "the guest panicked: %s",
                           seen->panic);
    if (seen->agent_failure)
        return g_error_new(MMRIG_ERROR, MMRIG_ERROR_GUEST, "the agent could not go on: %s",
                           seen->agent_failure);
    if (seen->protocol_error)
        return g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_GUEST, seen->protocol_error);
    if (seen->time_limit)
        return g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_TIMEOUT, seen->time_limit);
    if (seen->guest_end)
        return g_error_new(MMRIG_ERROR, MMRIG_ERROR_GUEST, "the guest %s", seen->guest_end);
    return g_error_new_literal(
        MMRIG_ERROR, seen->died_of_race ? MMRIG_ERROR_QEMU_RACE : MMRIG_ERROR_QEMU, seen->end);
}
