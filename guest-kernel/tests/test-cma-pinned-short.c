/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O is in flight on memory in the contiguous area while a camera starts: direct I/O holds its
 * pages, and pages under writeback cannot move. The disk is slow, so both last. The camera
 * starts in time, or the precise error is told: no memory, or the camera's own timeout. When
 * the I/O is done, it starts.
 *
 * Arguments: io=direct|writeback|none, repeat=N.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

#define DISK    "/dev/vda"
#define FOLDER  "/mnt"
#define FILE_IO FOLDER "/io"
#define BUFFERS 12
#define CHUNK   MIB
/* What direct I/O goes round. */
#define FILE_SIZE (16 * MIB)

/* More than a file system writes by itself now and then. */
#define UNDER_WAY (MIB / 512)

/* Of the disk, from the start (Documentation/block/stat.rst). */
struct traffic {
    unsigned long written;   /* sectors */
    unsigned long in_flight; /* requests that it has not yet answered */
};

static struct traffic traffic(void)
{
    struct traffic now = {0};
    char text[256];

    if (!file_read("/sys/block/vda/stat", text, sizeof(text)) ||
        sscanf(text, "%*u %*u %*u %*u %*u %*u %lu %*u %lu", &now.written, &now.in_flight) != 2)
        ABORT("cannot read /sys/block/vda/stat");
    return now;
}

/* Whether the I/O has begun, and goes on. */
static bool is_in_flight(void *data)
{
    const struct traffic *before = data;
    struct traffic now = traffic();

    return now.in_flight > 0 && now.written >= before->written + UNDER_WAY;
}

/* Writes pages of the filling that lie in the area, over and over, past the page cache. */
static _Noreturn void direct_io(const struct filling *filling, const struct cma_area *area)
{
    int fd = open(FILE_IO, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    off_t at = 0;

    for (;;)
        for (size_t first = 0, pages;
             (pages = filling_run(filling, area, true, CHUNK / PAGE_BYTES, &first)) > 0;
             first += pages) {
            if (fd < 0 ||
                pwrite(fd, filling->memory + first * PAGE_BYTES, pages * PAGE_BYTES, at) < 0)
                _exit(errno);
            at = (at + CHUNK) % FILE_SIZE;
        }
}

/* Makes pages of a file dirty, and has them written. */
static _Noreturn void writeback(void)
{
    int fd = open(FILE_IO, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    static char bytes[MIB];

    for (unsigned round = 1;; round++)
        for (size_t at = 0; at < FILE_SIZE; at += sizeof(bytes)) {
            memset(bytes, (int)round, sizeof(bytes));
            if (fd < 0 || pwrite(fd, bytes, sizeof(bytes), (off_t)at) < 0 ||
                sync_file_range(fd, (off_t)at, sizeof(bytes), SYNC_FILE_RANGE_WRITE) != 0)
                _exit(errno);
        }
}

static pid_t start_io(const char *io, const struct filling *filling,
                      const struct cma_area *area)
{
    pid_t pid = strcmp(io, "none") == 0 ? 0 : fork();

    if (pid < 0)
        ABORT("cannot fork: %s", strerror(errno));
    if (pid == 0 && strcmp(io, "direct") == 0)
        direct_io(filling, area);
    if (pid == 0 && strcmp(io, "writeback") == 0)
        writeback();
    return pid;
}

static void stop_io(pid_t pid)
{
    int status = 0;

    if (pid == 0)
        return;
    kill(pid, SIGKILL);
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    /* Else it had stopped by itself, with an errno. */
    ASSERT_TRUE(WIFSIGNALED(status));
}

/* One start under I/O: whether it succeeded; any other error than the two precise ones fails.
 */
static bool try_start(struct camera *camera, double *ms)
{
    uint64_t failures = camera_statistic("failures");
    uint64_t timeouts = camera_statistic("device_start_timeouts");
    double begin = now_seconds();
    const char *step;
    int error = camera_start(camera, BUFFERS, &step);

    *ms = (now_seconds() - begin) * 1e3;
    if (error)
        DIAG("start: %s: %s", step, strerror(error));
    if (error == ENOMEM)
        EXPECT_GT(camera_statistic("failures"), failures);
    else if (error == ETIMEDOUT)
        EXPECT_EQ(camera_statistic("device_start_timeouts"), timeouts + 1);
    else
        EXPECT_EQ(error, 0);
    camera_stream(camera, false);
    EXPECT_EQ(camera_allocate(camera, 0), 0);
    return error == 0;
}

TEST(a_camera_starts_during_io_or_says_why_not)
{
    const char *io = test_arg("io") ? test_arg("io") : "direct";
    unsigned repeat = (unsigned)test_arg_u64("repeat", 5), started = 0;
    struct cma_area area = cma_area();
    struct camera camera;
    struct filling filling;
    double worst = 0, ms;
    uint64_t moved = 0;

    camera_open(&camera);
    ASSERT_EQ(camera_format(&camera, 1920, 1080, MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(camera_early_start(&camera, true), 0);
    /* Else the file system itself writes for a while after it is mounted. */
    ASSERT_EQ(COMMAND(NULL, 0, "mkfs.ext4", "-q", "-F", "-E",
                      "lazy_itable_init=0,lazy_journal_init=0", DISK),
              0);
    ASSERT_EQ(mount(DISK, FOLDER, "ext4", 0, NULL), 0);
    filling_anonymous(&filling, &area, false,
                      BUFFERS * camera.format.sizeimage + FILE_SIZE + memory_left_over());

    camera_statistics_reset();
    for (unsigned i = 0; i < repeat; i++) {
        uint64_t migrated = vmstat("pgmigrate_success"), failed = vmstat("pgmigrate_fail");
        sync();
        struct traffic before = traffic();
        pid_t pid = start_io(io, &filling, &area);

        ASSERT_TRUE(wait_until(is_in_flight, &before, 10));
        started += try_start(&camera, &ms);
        worst = ms > worst ? ms : worst;
        migrated = vmstat("pgmigrate_success") - migrated;
        moved += migrated;
        DIAG("%.0f ms; pages migrated: %llu, not: %llu", ms, (unsigned long long)migrated,
             (unsigned long long)(vmstat("pgmigrate_fail") - failed));
        stop_io(pid);
    }
    rig_metric("started", 100.0 * started / repeat, "%");
    rig_metric("start-worst", worst, "ms");
    rig_metric("migrated", (double)moved * PAGE_BYTES / MIB, "MiB");
    rig_metric("allocation-failures", (double)camera_statistic("failures"), "buffers");
    camera_report_latency(io);

    sync();
    EXPECT_TRUE(filling_intact(&filling));
    EXPECT_TRUE(try_start(&camera, &ms));
    rig_metric("start-afterwards", ms, "ms");
    camera_close(&camera);
    filling_free(&filling);
    EXPECT_EQ(umount(FOLDER), 0);
}

HARNESS_MAIN
