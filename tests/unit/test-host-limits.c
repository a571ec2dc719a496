/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made of the files of made-up hosts: cgroups of both versions, rlimits, OOM counts. */
#include "base/host-limits.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

static const char mount_2[] =
    "30 22 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
    "rw,nsdelegate\n";
static const char mounts_1[] =
    "29 22 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "36 30 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

typedef struct {
    char *root;
} Place;

static void place_put(const Place *place, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(place->root, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void place_remove(const char *path)
{
    g_autoptr(GDir) folder =
        g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        place_remove(inner);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void place_make(Place *place, gconstpointer data)
{
    (void)data;
    place->root = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_assert_nonnull(place->root);
    place_put(place, "proc/meminfo",
              "MemTotal: 9 kB\nMemAvailable:    8388608 kB\nShmem:   2048 kB\n");
    place_put(place, "proc/self/status",
              "Name: x\nUid:\t1000\t1000\t1000\t1000\n"
              "Cpus_allowed_list:\t0-3,6\nThreads: 1\n");
    place_put(
        place, "proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max file size             1073741824           unlimited            bytes     \n"
        "Max processes             96364                96364                processes \n"
        "Max open files            1024                 4096                 files     \n"
        "Max locked memory         8388608              8388608              bytes     \n"
        "Max address space         unlimited            unlimited            bytes     \n");
}

static void place_clear(Place *place, gconstpointer data)
{
    (void)data;
    place_remove(place->root);
    g_free(place->root);
}

static void test_plain(Place *place, gconstpointer data)
{
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);

    (void)data;
    g_assert_cmpuint(limits->memory, ==, 8 * GIB);
    g_assert_null(limits->memory_by);
    g_assert_cmpuint(limits->memory_limit, ==, MMRIG_NO_LIMIT);
    g_assert_cmpuint(limits->shared, ==, 2 * MIB);
    g_assert_cmpuint(limits->cpus, ==, 5);
    g_assert_null(limits->cpus_by);
    g_assert_cmpuint(limits->tasks, ==, 96364);
    g_assert_cmpstr(limits->tasks_by, ==, "RLIMIT_NPROC");
    g_assert_cmpuint(limits->files, ==, 4096);
    g_assert_cmpuint(limits->file_size, ==, GIB);
    g_assert_cmpuint(limits->address_space, ==, MMRIG_NO_LIMIT);
    g_assert_cmpuint(limits->locked, ==, 8 * MIB);
}

/* What is not as Linux writes it says nothing. */
static void test_meminfo(Place *place, gconstpointer data)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } rows[] = {
        {"MemFree: 7 kB\nMemAvailable:   23288620 kB\nX: 1 kB\n",
         G_GUINT64_CONSTANT(23288620) * 1024},
        {"MemAvailable: 0 kB", 0},
        {"MemTotal: 100 kB\nMemFree: 7 kB\n", 0},
        {"NotMemAvailable: 5 kB\n", 0},
        {"MemAvailable: 5 MB\n", 0},
        {"MemAvailable: -5 kB\n", 0},
        {"MemAvailable: 18446744073709551615 kB\n", 0},
        {"", 0},
    };

    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        place_put(place, "proc/meminfo", rows[i].text);
        g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
        g_assert_cmpuint(limits->memory, ==, rows[i].bytes);
    }
}

/* Without any file: nothing is limited, nothing is known. */
static void test_nothing(void)
{
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read("/no/such/folder");

    g_assert_cmpuint(limits->memory, ==, 0);
    g_assert_cmpuint(limits->memory_limit, ==, MMRIG_NO_LIMIT);
    g_assert_cmpuint(limits->cpus, >=, 1);
    g_assert_cmpuint(limits->tasks, ==, MMRIG_NO_LIMIT);
    g_assert_cmpuint(limits->files, ==, MMRIG_NO_LIMIT);
}

/* The tightest of all levels counts, and what files' contents take can be had back. */
static void test_memory_2(Place *place, gconstpointer data)
{
    (void)data;
    place_put(place, "proc/self/mountinfo", mount_2);
    place_put(place, "proc/self/cgroup", "0::/user.slice/job\n");
    place_put(place, "sys/fs/cgroup/user.slice/memory.max", "max\n");
    place_put(place, "sys/fs/cgroup/user.slice/memory.current", "4294967296\n");
    place_put(place, "sys/fs/cgroup/user.slice/job/memory.max", "1073741824\n");
    place_put(place, "sys/fs/cgroup/user.slice/job/memory.high", "max\n");
    place_put(place, "sys/fs/cgroup/user.slice/job/memory.current", "805306368\n");
    place_put(place, "sys/fs/cgroup/user.slice/job/memory.stat",
              "anon 1\nfile 9\ninactive_file 134217728\nactive_file 134217728\n");
    {
        g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
        g_assert_cmpuint(limits->memory_limit, ==, GIB);
        g_assert_cmpstr(limits->memory_cgroup, ==, "/user.slice/job");
        g_assert_cmpuint(limits->memory, ==, 512 * MIB);
        g_assert_cmpstr(limits->memory_by, ==, "/user.slice/job");
    }
    /* The one above has less left, though its limit is larger: by memory.high. */
    place_put(place, "sys/fs/cgroup/user.slice/memory.high", "4294967296\n");
    {
        g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
        g_assert_cmpuint(limits->memory_limit, ==, GIB);
        g_assert_cmpuint(limits->memory, ==, 0);
        g_assert_cmpstr(limits->memory_by, ==, "/user.slice");
    }
    /* A cgroup that has more than the host can give changes nothing. */
    place_put(place, "sys/fs/cgroup/user.slice/memory.high", "max\n");
    place_put(place, "sys/fs/cgroup/user.slice/job/memory.max", "1099511627776\n");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(limits->memory, ==, 8 * GIB);
    g_assert_null(limits->memory_by);
}

static void test_memory_1(Place *place, gconstpointer data)
{
    (void)data;
    place_put(place, "proc/self/mountinfo", mounts_1);
    place_put(place, "proc/self/cgroup", "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n");
    place_put(place, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    place_put(place, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n");
    place_put(place, "sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2000000000\n");
    place_put(place, "sys/fs/cgroup/memory/a/memory.stat",
              "inactive_file 5\ntotal_inactive_file 1000000000\ntotal_active_file 0\n");
    place_put(place, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(limits->memory_limit, ==, 2 * GIB);
    g_assert_cmpstr(limits->memory_cgroup, ==, "/a");
    g_assert_cmpuint(limits->memory, ==, 2 * GIB - 1000000000);
}

/* A container sees its own cgroup as the mount, under the host's name or as "/". */
static void test_container(Place *place, gconstpointer data)
{
    (void)data;
    place_put(place, "proc/self/mountinfo",
              "34 30 0:31 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    place_put(place, "proc/self/cgroup", "4:memory:/docker/1\n");
    place_put(place, "sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(limits->memory, ==, GIB);
    g_assert_cmpstr(limits->memory_cgroup, ==, "/");

    /* Above the namespace's root nothing can be looked at. */
    place_put(place, "proc/self/cgroup", "4:memory:/../other\n");
    place_put(place, "proc/self/mountinfo",
              "34 30 0:31 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    g_autoptr(MmrigHostLimits) above = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(above->memory, ==, GIB);
}

static void test_cpus(Place *place, gconstpointer data)
{
    static const struct {
        const char *quota;
        guint cpus;
        gboolean by;
    } rows[] = {
        {"max 100000", 5, FALSE},    {"200000 100000", 2, TRUE},
        {"250000 100000", 2, TRUE},  {"50000 100000", 1, TRUE},
        {"900000 100000", 5, FALSE}, {"100000 0", 5, FALSE},
        {"rubbish", 5, FALSE},       {"", 5, FALSE},
    };

    (void)data;
    place_put(place, "proc/self/mountinfo", mount_2);
    place_put(place, "proc/self/cgroup", "0::/a/b\n");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        place_put(place, "sys/fs/cgroup/a/cpu.max", rows[i].quota);
        g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
        g_assert_cmpuint(limits->cpus, ==, rows[i].cpus);
        g_assert_cmpstr(limits->cpus_by, ==, rows[i].by ? "/a" : NULL);
    }
    place_put(place, "proc/self/mountinfo", mounts_1);
    place_put(place, "proc/self/cgroup", "1:cpu,cpuacct:/a\n");
    place_put(place, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    place_put(place, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    place_put(place, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
    place_put(place, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(limits->cpus, ==, 3);
    g_assert_cmpstr(limits->cpus_by, ==, "/a");
}

static void test_tasks(Place *place, gconstpointer data)
{
    (void)data;
    place_put(place, "proc/self/mountinfo", mount_2);
    place_put(place, "proc/self/cgroup", "0::/a\n");
    place_put(place, "sys/fs/cgroup/a/pids.max", "100\n");
    place_put(place, "sys/fs/cgroup/a/pids.current", "60\n");
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(limits->tasks, ==, 40);
    g_assert_cmpstr(limits->tasks_by, ==, "pids.max of cgroup /a");

    /* RLIMIT_NPROC is nothing to root. */
    place_put(place, "sys/fs/cgroup/a/pids.max", "max\n");
    place_put(place, "proc/self/status", "Uid:\t0\t0\t0\t0\nCpus_allowed_list:\t0\n");
    g_autoptr(MmrigHostLimits) of_root = mmrig_host_limits_read(place->root);
    g_assert_cmpuint(of_root->tasks, ==, MMRIG_NO_LIMIT);
    g_assert_null(of_root->tasks_by);
    g_assert_cmpuint(of_root->cpus, ==, 1);
}

static void test_oom_count(Place *place, gconstpointer data)
{
    (void)data;
    place_put(place, "proc/vmstat", "nr_free_pages 5\noom_kill 7\n");
    MmrigOomCount count = mmrig_oom_count(place->root);
    g_assert_cmpuint(count.host, ==, 7);
    g_assert_cmpuint(count.cgroup, ==, 0);

    place_put(place, "proc/self/mountinfo", mount_2);
    place_put(place, "proc/self/cgroup", "0::/a\n");
    place_put(place, "sys/fs/cgroup/a/memory.events",
              "low 0\nhigh 0\nmax 4\noom 9\noom_kill 3\noom_group_kill 0\n");
    g_assert_cmpuint(mmrig_oom_count(place->root).cgroup, ==, 3);

    place_put(place, "proc/self/mountinfo", mounts_1);
    place_put(place, "proc/self/cgroup", "4:memory:/a\n");
    place_put(place, "sys/fs/cgroup/memory/a/memory.oom_control",
              "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    g_assert_cmpuint(mmrig_oom_count(place->root).cgroup, ==, 2);
}

/* --- deaths of real children --- */

typedef struct {
    int signal; /* 0: it exits with status 1 */
    gboolean by_rig;
    MmrigOomCount after; /* before is 5, 5 */
    gboolean limited;
    const char *phrase; /* a part of it, or NULL for none of the host's doing */
} Death;

static int death_wait_status(int signal)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (signal)
            raise(signal);
        _exit(1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static void test_killed(void)
{
    static const Death deaths[] = {
        {SIGKILL, FALSE, {5, 5}, FALSE, "not by the OOM killer"},
        {SIGKILL, FALSE, {6, 5}, FALSE, "the host's OOM killer"},
        {SIGKILL, FALSE, {6, 6}, FALSE, "the host's OOM killer"},
        {SIGKILL, FALSE, {6, 5}, TRUE, "the host's OOM killer"},
        {SIGKILL, FALSE, {6, 6}, TRUE, "the limit of cgroup /job is 512 MiB"},
        {SIGKILL, TRUE, {6, 6}, TRUE, NULL},
        {SIGXFSZ, FALSE, {5, 5}, FALSE, "ulimit -f"},
        {SIGXCPU, FALSE, {5, 5}, FALSE, "ulimit -t"},
        {SIGTERM, FALSE, {5, 5}, FALSE, "Terminated"},
        {SIGABRT, FALSE, {6, 6}, TRUE, NULL},
        {SIGSEGV, FALSE, {5, 5}, FALSE, NULL},
        {0, FALSE, {6, 6}, TRUE, NULL},
    };
    const MmrigOomCount before = {5, 5};
    MmrigHostLimits limits = {.memory_limit = 512 * MIB, .memory_cgroup = (char *)"/job"};

    for (gsize i = 0; i < G_N_ELEMENTS(deaths); i++) {
        const Death *death = &deaths[i];
        g_autofree char *phrase =
            mmrig_host_killed(death_wait_status(death->signal), death->by_rig, &before,
                              &death->after, death->limited ? &limits : NULL);
        if (!death->phrase)
            g_assert_cmpstr(phrase, ==, NULL);
        else if (!phrase || !strstr(phrase, death->phrase))
            g_error("row %zu: '%s' is not in '%s'", i, death->phrase, phrase);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Place, NULL, place_make, function, place_clear)
    ADD("/host-limits/plain", test_plain);
    ADD("/host-limits/meminfo", test_meminfo);
    ADD("/host-limits/memory/2", test_memory_2);
    ADD("/host-limits/memory/1", test_memory_1);
    ADD("/host-limits/container", test_container);
    ADD("/host-limits/cpus", test_cpus);
    ADD("/host-limits/tasks", test_tasks);
    ADD("/host-limits/oom-count", test_oom_count);
#undef ADD
    g_test_add_func("/host-limits/nothing", test_nothing);
    g_test_add_func("/host-limits/killed", test_killed);
    return g_test_run();
}
