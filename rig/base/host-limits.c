/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host-limits.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB 1024
#define MIB (KIB * KIB)

/* Version 1 writes a number larger than this for "no limit"; no host has as much memory. */
#define NO_SUCH_AMOUNT (G_GUINT64_CONSTANT(1) << 60)

/* A cgroup is not nested deeper than this. */
#define LEVELS_MAX 64

/* --- files --- */

/* A file's text without white space at its ends, or NULL. */
static char *limits_text(const char *folder, const char *name)
{
    g_autofree char *path = g_strconcat(folder, "/", name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strstrip(text) : NULL;
}

static guint64 limits_parse(const char *text)
{
    guint64 number;

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL)
               ? number
               : MMRIG_NO_LIMIT;
}

/* The file's number; "max", and what is none, is no limit. */
static guint64 limits_number(const char *folder, const char *name)
{
    g_autofree char *text = limits_text(folder, name);
    guint64 number = limits_parse(text);

    return number >= NO_SUCH_AMOUNT ? MMRIG_NO_LIMIT : number;
}

/* What follows the word at the beginning of a line, to the line's end, or NULL. */
static char *limits_field(const char *text, const char *word)
{
    const char *line = text;

    while (line && !g_str_has_prefix(line, word)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return NULL;
    line += strlen(word);
    return g_strstrip(g_strndup(line, strcspn(line, "\n")));
}

/* The number after the word, times unit; 0 if there is none. */
static guint64 limits_count(const char *text, const char *word, const char *unit, guint64 times)
{
    g_autofree char *value = text ? limits_field(text, word) : NULL;

    if (!value || !g_str_has_suffix(value, unit))
        return 0;
    value[strlen(value) - strlen(unit)] = '\0';
    guint64 number = limits_parse(g_strstrip(value));
    return number > G_MAXUINT64 / times ? 0 : number * times;
}

/* --- where the cgroups are --- */

/* The folders of this process's cgroup, from its own up to the highest that is mounted. */
typedef struct {
    gboolean unified; /* version 2 */
    GPtrArray *folders;
    GPtrArray *names; /* as the system calls them: "/user.slice" */
} Hierarchy;

static void hierarchy_free(Hierarchy *hierarchy)
{
    g_ptr_array_unref(hierarchy->folders);
    g_ptr_array_unref(hierarchy->names);
    g_free(hierarchy);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hierarchy, hierarchy_free)

static gboolean limits_list_has(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    return g_strv_contains((const char *const *)words, word);
}

/*
 * The process's path in the hierarchy with the controller, "" for version 2's (proc(5) has
 * "ID:CONTROLLERS:PATH"), or NULL.
 */
static char *limits_cgroup_path(const char *root, const char *controller)
{
    g_autofree char *text = limits_text(root, "proc/self/cgroup");
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;

    for (char **line = lines; line && *line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, ":", 3);
        if (g_strv_length(parts) == 3 &&
            (*controller ? limits_list_has(parts[1], controller) : *parts[1] == '\0'))
            return g_strdup(parts[2]);
    }
    return NULL;
}

/*
 * Where the hierarchy is mounted, and what part of it (mountinfo: "ID PARENT MAJOR:MINOR ROOT
 * POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS"). NULL if it is not.
 */
static char *limits_cgroup_mount(const char *root, const char *controller, char **part)
{
    g_autofree char *text = limits_text(root, "proc/self/mountinfo");
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;

    for (char **line = lines; line && *line; line++) {
        char *tail = strstr(*line, " - ");
        if (!tail)
            continue;
        g_auto(GStrv) after = g_strsplit(tail + strlen(" - "), " ", -1);
        g_auto(GStrv) before = g_strsplit(*line, " ", 6);
        if (g_strv_length(after) < 3 || g_strv_length(before) < 6 ||
            strcmp(after[0], *controller ? "cgroup" : "cgroup2") != 0 ||
            (*controller && !limits_list_has(after[2], controller)))
            continue;
        *part = g_strcompress(before[3]);
        return g_strcompress(before[4]);
    }
    return NULL;
}

static Hierarchy *limits_hierarchy_open(const char *root, const char *controller)
{
    g_autofree char *part = NULL;
    g_autofree char *path = limits_cgroup_path(root, controller);
    g_autofree char *point = path ? limits_cgroup_mount(root, controller, &part) : NULL;

    if (!point)
        return NULL;
    Hierarchy *hierarchy = g_new0(Hierarchy, 1);
    hierarchy->unified = !*controller;
    hierarchy->folders = g_ptr_array_new_with_free_func(g_free);
    hierarchy->names = g_ptr_array_new_with_free_func(g_free);
    /* In a container the mount may begin at the container's own cgroup, or even below it. */
    const char *below = path;
    if (strcmp(part, "/") != 0)
        below = g_str_has_prefix(path, part) ? path + strlen(part) : "";
    g_autofree char *rest = g_strdup(strstr(below, "/..") ? "" : below);
    for (guint level = 0; level < LEVELS_MAX; level++) {
        while (g_str_has_suffix(rest, "/"))
            rest[strlen(rest) - 1] = '\0';
        g_ptr_array_add(hierarchy->folders, g_strconcat(root, point, rest, NULL));
        g_ptr_array_add(hierarchy->names, *rest ? g_strdup(rest) : g_strdup("/"));
        char *slash = strrchr(rest, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    return hierarchy;
}

/* The hierarchy that has the controller: version 1's if there is one, else version 2's. */
static Hierarchy *limits_hierarchy(const char *root, const char *controller)
{
    Hierarchy *own = limits_hierarchy_open(root, controller);

    return own ? own : limits_hierarchy_open(root, "");
}

/* --- each controller --- */

/* What a cgroup with this limit has left: what it holds of files' contents can be dropped. */
static guint64 limits_memory_left(const char *folder, gboolean unified, guint64 limit)
{
    guint64 used = limits_number(folder, unified ? "memory.current" : "memory.usage_in_bytes");
    g_autofree char *statistics = limits_text(folder, "memory.stat");
    const char *const *fields =
        unified ? (const char *const[]){"inactive_file ", "active_file "}
                : (const char *const[]){"total_inactive_file ", "total_active_file "};

    if (used == MMRIG_NO_LIMIT)
        used = 0;
    for (gsize i = 0; i < 2; i++) {
        guint64 cached = limits_count(statistics, fields[i], "", 1);
        used -= MIN(used, cached);
    }
    return limit - MIN(limit, used);
}

static void limits_read_memory(MmrigHostLimits *limits, const char *root)
{
    static const char *const files[2][2] = {{"memory.limit_in_bytes", NULL},
                                            {"memory.max", "memory.high"}};
    g_autofree char *meminfo = limits_text(root, "proc/meminfo");
    g_autoptr(Hierarchy) memory = limits_hierarchy(root, "memory");

    limits->memory = limits_count(meminfo, "MemAvailable:", " kB", KIB);
    limits->shared = limits_count(meminfo, "Shmem:", " kB", KIB);
    limits->memory_limit = MMRIG_NO_LIMIT;
    for (guint i = 0; memory && i < memory->folders->len; i++) {
        const char *folder = g_ptr_array_index(memory->folders, i);
        const char *name = g_ptr_array_index(memory->names, i);
        guint64 limit = MMRIG_NO_LIMIT;
        for (gsize file = 0; file < 2 && files[memory->unified][file]; file++)
            limit = MIN(limit, limits_number(folder, files[memory->unified][file]));
        if (limit == MMRIG_NO_LIMIT)
            continue;
        if (limit < limits->memory_limit) {
            limits->memory_limit = limit;
            g_free(limits->memory_cgroup);
            limits->memory_cgroup = g_strdup(name);
        }
        guint64 left = limits_memory_left(folder, memory->unified, limit);
        if (left < limits->memory || !meminfo) {
            limits->memory = left;
            g_free(limits->memory_by);
            limits->memory_by = g_strdup(name);
        }
    }
}

/* How many CPUs a list such as "0-3,8" has; 0 if it is none. */
static guint limits_cpu_list(const char *list)
{
    g_auto(GStrv) ranges = g_strsplit(list, ",", -1);
    guint count = 0;

    for (char **range = ranges; *range; range++) {
        g_auto(GStrv) ends = g_strsplit(*range, "-", 2);
        guint64 first = limits_parse(ends[0]);
        guint64 last = ends[0] && ends[1] ? limits_parse(ends[1]) : first;
        if (first > last || last >= G_MAXINT32)
            return 0;
        count += (guint)(last - first) + 1;
    }
    return count;
}

/* The quota in whole CPUs, at least 1; 0 if there is no quota. */
static guint limits_quota(const char *folder, gboolean unified)
{
    guint64 quota, period;

    if (unified) {
        g_autofree char *text = limits_text(folder, "cpu.max");
        g_auto(GStrv) parts = text ? g_strsplit(text, " ", 2) : NULL;
        quota = parts && parts[0] ? limits_parse(parts[0]) : MMRIG_NO_LIMIT;
        period = quota != MMRIG_NO_LIMIT && parts[1] ? limits_parse(parts[1]) : MMRIG_NO_LIMIT;
    } else {
        quota = limits_number(folder, "cpu.cfs_quota_us");
        period = limits_number(folder, "cpu.cfs_period_us");
    }
    if (quota == MMRIG_NO_LIMIT || period == MMRIG_NO_LIMIT || period == 0)
        return 0;
    return (guint)CLAMP(quota / period, 1, G_MAXINT32);
}

static void limits_read_cpus(MmrigHostLimits *limits, const char *root)
{
    g_autofree char *status = limits_text(root, "proc/self/status");
    g_autofree char *list = status ? limits_field(status, "Cpus_allowed_list:") : NULL;
    g_autoptr(Hierarchy) cpu = limits_hierarchy(root, "cpu");

    /* The kernel keeps the list within the cpusets, so it is enough to read the list. */
    limits->cpus = list ? limits_cpu_list(list) : 0;
    if (limits->cpus == 0)
        limits->cpus = MAX(g_get_num_processors(), 1);
    for (guint i = 0; cpu && i < cpu->folders->len; i++) {
        guint quota = limits_quota(g_ptr_array_index(cpu->folders, i), cpu->unified);
        if (quota == 0 || quota >= limits->cpus)
            continue;
        limits->cpus = quota;
        g_free(limits->cpus_by);
        limits->cpus_by = g_strdup(g_ptr_array_index(cpu->names, i));
    }
}

/* A row of /proc/self/limits: name, soft limit, hard limit, unit, in columns. */
static guint64 limits_row(const char *text, const char *name, gboolean hard)
{
    g_autofree char *row = text ? limits_field(text, name) : NULL;
    g_auto(GStrv) columns = row ? g_strsplit_set(row, " \t", -1) : NULL;
    guint seen = 0;

    for (char **column = columns; column && *column; column++)
        if (**column && seen++ == (hard ? 1 : 0))
            return limits_parse(*column);
    return MMRIG_NO_LIMIT;
}

static void limits_read_tasks(MmrigHostLimits *limits, const char *root, const char *rows)
{
    g_autofree char *status = limits_text(root, "proc/self/status");
    g_autofree char *owner = status ? limits_field(status, "Uid:") : NULL;
    g_autoptr(Hierarchy) pids = limits_hierarchy(root, "pids");
    guint64 processes = limits_row(rows, "Max processes", FALSE);

    limits->tasks = MMRIG_NO_LIMIT;
    /* The limit of processes does not hold for root. */
    if (processes != MMRIG_NO_LIMIT && owner && !g_str_has_prefix(owner, "0\t")) {
        limits->tasks = processes;
        limits->tasks_by = g_strdup("RLIMIT_NPROC");
    }
    for (guint i = 0; pids && i < pids->folders->len; i++) {
        const char *folder = g_ptr_array_index(pids->folders, i);
        guint64 most = limits_number(folder, "pids.max"),
                now = limits_number(folder, "pids.current");
        if (most == MMRIG_NO_LIMIT)
            continue;
        guint64 left = now == MMRIG_NO_LIMIT ? most : most - MIN(most, now);
        if (left >= limits->tasks)
            continue;
        limits->tasks = left;
        g_free(limits->tasks_by);
        limits->tasks_by = g_strconcat("pids.max of cgroup ",
                                       (const char *)g_ptr_array_index(pids->names, i), NULL);
    }
}

MmrigHostLimits *mmrig_host_limits_read(const char *root)
{
    MmrigHostLimits *limits = g_new0(MmrigHostLimits, 1);
    g_autofree char *rows = limits_text(root, "proc/self/limits");

    limits_read_memory(limits, root);
    limits_read_cpus(limits, root);
    limits_read_tasks(limits, root, rows);
    limits->files = limits_row(rows, "Max open files", TRUE);
    limits->file_size = limits_row(rows, "Max file size", FALSE);
    limits->address_space = limits_row(rows, "Max address space", FALSE);
    limits->locked = limits_row(rows, "Max locked memory", FALSE);
    return limits;
}

void mmrig_host_limits_free(MmrigHostLimits *limits)
{
    if (!limits)
        return;
    g_free(limits->cpus_by);
    g_free(limits->memory_by);
    g_free(limits->memory_cgroup);
    g_free(limits->tasks_by);
    g_free(limits);
}

/* --- deaths --- */

MmrigOomCount mmrig_oom_count(const char *root)
{
    g_autofree char *vmstat = limits_text(root, "proc/vmstat");
    g_autoptr(Hierarchy) memory = limits_hierarchy(root, "memory");
    g_autofree char *events =
        memory ? limits_text(g_ptr_array_index(memory->folders, 0),
                             memory->unified ? "memory.events" : "memory.oom_control")
               : NULL;

    return (MmrigOomCount){limits_count(vmstat, "oom_kill ", "", 1),
                           limits_count(events, "oom_kill ", "", 1)};
}

char *mmrig_host_killed(int wait_status, gboolean by_rig, const MmrigOomCount *before,
                        const MmrigOomCount *after, const MmrigHostLimits *limits)
{
    if (by_rig || !WIFSIGNALED(wait_status))
        return NULL;
    switch (WTERMSIG(wait_status)) {
    case SIGXFSZ:
        return g_strdup("from outside (a file reached the limit on its size: ulimit -f)");
    case SIGXCPU:
        return g_strdup("from outside (it reached the limit on CPU time: ulimit -t)");
    case SIGHUP:
    case SIGINT:
    case SIGTERM:
        return g_strdup_printf("from outside (by %s)", g_strsignal(WTERMSIG(wait_status)));
    case SIGKILL:
        break;
    default:
        /* Signals by which a program dies of its own fault: an abort, a bad address. */
        return NULL;
    }
    if (after->cgroup > before->cgroup && limits && limits->memory_cgroup) {
        return g_strdup_printf("from outside (out of memory: the limit of cgroup %s is "
                               "%" G_GUINT64_FORMAT " MiB)",
                               limits->memory_cgroup, limits->memory_limit / MIB);
    }
    if (after->host > before->host || after->cgroup > before->cgroup)
        return g_strdup("from outside (out of memory: the host's OOM killer)");
    return g_strdup("from outside (by SIGKILL, and not by the OOM killer)");
}
