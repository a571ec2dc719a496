/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of what this process may have of the host, which may be less than all. */
#include "doctor-checks-private.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* The largest machine of the scenarios that come with mmrig, and QEMU's own needs. */
#define MEMORY_NEEDED (GIB)
#define MEMORY_EASY   (2 * GIB)

/* What one machine takes: threads, descriptors; logs and templates; QEMU with its guest. */
#define TASKS_NEEDED   16
#define FILES_NEEDED   64
#define FILE_SIZE_EASY (4 * GIB)
#define ADDRESSES_EASY (8 * GIB)

void mmrig_doctor_check_memory(const MmrigHost *host, MmrigFinding *finding)
{
    const MmrigHostLimits *limits = host->limits;
    g_autofree char *size = mmrig_doctor_size(limits->memory);
    g_autofree char *by =
        limits->memory_by ? g_strdup_printf(" within the limit of cgroup %s", limits->memory_by)
                          : g_strdup("");
    const char *mend = limits->memory_by
                           ? "raise the cgroup's limit (memory.max, memory.high), or run fewer "
                             "guests at a time"
                           : "free some memory, or run fewer guests at a time";

    if (limits->memory == 0 && !limits->memory_by)
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, "mount /proc",
                         "/proc/meminfo does not tell how much is available");
    else if (limits->memory < MEMORY_NEEDED)
        mmrig_doctor_say(finding, MMRIG_CHECK_FAIL, mend,
                         "%s available%s: too little for one guest", size, by);
    else if (limits->memory < MEMORY_EASY)
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend,
                         "%s available%s: room for one guest at a time", size, by);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s available%s", size, by);
}

void mmrig_doctor_check_cpus(const MmrigHost *host, MmrigFinding *finding)
{
    const MmrigHostLimits *limits = host->limits;

    if (limits->cpus_by)
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL,
                         "%u at a time, by the quota of cgroup %s", limits->cpus,
                         limits->cpus_by);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%u to run on", limits->cpus);
}

static void limits_note(GString *text, const char *what, guint64 limit, guint64 needed)
{
    if (limit >= needed)
        return;
    g_autofree char *size = mmrig_doctor_size(limit);
    g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "", what, size);
}

void mmrig_doctor_check_limits(const MmrigHost *host, MmrigFinding *finding)
{
    const MmrigHostLimits *limits = host->limits;
    g_autoptr(GString) text = g_string_new(NULL);

    if (limits->tasks < TASKS_NEEDED || limits->files < FILES_NEEDED) {
        mmrig_doctor_say(finding, MMRIG_CHECK_FAIL,
                         "raise them: ulimit -u, ulimit -n, pids.max",
                         "%" G_GUINT64_FORMAT " more tasks and %" G_GUINT64_FORMAT
                         " open files are allowed: too few for one guest",
                         limits->tasks, limits->files);
        return;
    }
    limits_note(text, "files of", limits->file_size, FILE_SIZE_EASY);
    limits_note(text, "address spaces of", limits->address_space, ADDRESSES_EASY);
    if (text->len > 0)
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, "ulimit -f unlimited; ulimit -v unlimited",
                         "no more than %s: large guests and their templates need more",
                         text->str);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL,
                         "tasks, open files, file sizes and address space suffice");
}

void mmrig_doctor_check_memlock(const MmrigHost *host, MmrigFinding *finding)
{
    if (host->limits->locked == MMRIG_NO_LIMIT || host->is_root) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "no limit");
        return;
    }
    g_autofree char *size = mmrig_doctor_size(host->limits->locked);
    mmrig_doctor_say(
        finding, MMRIG_CHECK_INFO,
        "if guests are to be locked in memory: raise memlock in /etc/security/limits.conf",
        "%s may be locked; no scenario locks any", size);
}
