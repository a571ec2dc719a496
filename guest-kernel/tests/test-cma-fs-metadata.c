/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file system keeps its metadata in the page cache of its disk. Does that lie in the
 * contiguous area, and does it make way for a camera: while it is mounted, and after unmount?
 *
 * Arguments: fill=0 leaves memory free, so that metadata need not lie in the area.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "camera.h"
#include "cma.h"
#include "harness.h"
#include "memory.h"

#define DISK   "/dev/vda"
#define FOLDER "/mnt"
#define FILES  8000
/* With 512 KiB for each of 640x480, nearly all of an area of 16 MiB. */
#define BUFFERS   30
#define PAGES_MAX 65536

/*
 * Bits of /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst, and
 * include/linux/kernel-page-flags.h for the last): a page of the page cache that is private to
 * a file system has buffer heads. The files are empty, so all of these are metadata.
 */
#define KPF_LRU     5
#define KPF_ANON    12
#define KPF_PRIVATE 35

#define FLAGS_AT_ONCE 4096

/* The pages of metadata that lie in the area, as they were found last. */
static uint64_t inside_pages[PAGES_MAX];

/* How many pages of metadata there are, and how many of them lie in the area. */
static size_t metadata_inside(const struct cma_area *area, size_t *cached)
{
    static uint64_t flags[FLAGS_AT_ONCE];
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    size_t inside = 0;
    uint64_t page = 0;
    ssize_t got;

    if (fd < 0)
        ABORT("cannot read /proc/kpageflags: %s", strerror(errno));
    *cached = 0;
    while ((got = read(fd, flags, sizeof(flags))) > 0)
        for (size_t i = 0; i < (size_t)got / sizeof(*flags); i++, page++) {
            uint64_t address = page * PAGE_BYTES;

            if (!(flags[i] >> KPF_LRU & 1) || flags[i] >> KPF_ANON & 1 ||
                !(flags[i] >> KPF_PRIVATE & 1))
                continue;
            (*cached)++;
            if (pages_inside(area, &address, 1) && inside < PAGES_MAX)
                inside_pages[inside++] = address;
        }
    close(fd);
    return inside;
}

/* Many small files in many folders: inode tables, directories, bitmaps, the journal. */
static void make_files(void)
{
    char path[64];

    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), FOLDER "/%u", i % 100);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            ABORT("cannot make %s: %s", path, strerror(errno));
        snprintf(path, sizeof(path), FOLDER "/%u/%u", i % 100, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            ABORT("cannot make %s: %s", path, strerror(errno));
        close(fd);
    }
}

static bool files_are_there(void)
{
    char path[64];

    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), FOLDER "/%u/%u", i % 100, i);
        if (access(path, F_OK) != 0)
            return false;
    }
    return true;
}

/* How many of so many pages in inside_pages lie where the camera has its buffers now. */
static size_t cleared(const struct camera *camera, size_t pages)
{
    size_t count = 0;

    for (unsigned i = 0; i < camera->count; i++) {
        uint64_t address = camera_buffer_address(i);
        struct cma_area buffer = {address, camera->buffers[i].length};

        if (address)
            count += pages_inside(&buffer, inside_pages, pages);
    }
    return count;
}

/* Whether the camera starts; pages of metadata lay in the area, and are in its way by so many.
 */
static bool start(struct camera *camera, const char *when, size_t pages, size_t *in_the_way)
{
    const char *step;
    char name[64];
    uint64_t migrated = vmstat("pgmigrate_success");
    camera_statistics_reset();
    double begin = now_seconds();
    int error = camera_start(camera, BUFFERS, &step);

    snprintf(name, sizeof(name), "%s.start", when);
    rig_metric(name, (now_seconds() - begin) * 1e3, "ms");
    snprintf(name, sizeof(name), "%s.migrated", when);
    rig_metric(name, (double)(vmstat("pgmigrate_success") - migrated) * PAGE_BYTES / MIB,
               "MiB");
    camera_report_latency(when);
    if (error)
        DIAG("%s: %s: %s", when, step, strerror(error));
    *in_the_way = cleared(camera, pages);
    camera_stream(camera, false);
    EXPECT_EQ(camera_allocate(camera, 0), 0);
    return error == 0;
}

TEST(metadata_makes_way)
{
    struct cma_area area = cma_area();
    struct camera camera;
    struct filling filling = {.fd = -1};
    size_t cached, inside, in_the_way;

    camera_open(&camera);
    ASSERT_EQ(camera_format(&camera, 640, 480, MMRIG_CAM_FORMAT_GREY), 0);
    /* Large inodes make much metadata of few files. */
    ASSERT_EQ(COMMAND(NULL, 0, "mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "1024", "-N",
                      "10000", DISK),
              0);
    cpu_lists_keep_short();
    /* What is free then lies in the area by half (mm/page_alloc.c: __rmqueue()). */
    if (test_arg_u64("fill", 1))
        filling_anonymous(&filling, &area, false, 0);
    ASSERT_EQ(mount(DISK, FOLDER, "ext4", 0, NULL), 0);
    make_files();
    sync();
    inside = metadata_inside(&area, &cached);
    rig_metric("metadata", (double)cached, "pages");
    rig_metric("metadata-in-area", (double)inside, "pages");
    ASSERT_GT(inside, 0);

    /* Nothing but the metadata and the rest of the filling is in the way then. */
    filling_free(&filling);
    inside = metadata_inside(&area, &cached);
    bool started = start(&camera, "mounted", inside, &in_the_way);
    rig_metric("mounted.started", started ? 100 : 0, "%");
    rig_metric("mounted.metadata-made-way", (double)in_the_way, "pages");
    /* There is no room beside it. */
    if (started)
        EXPECT_GT(in_the_way, 0);
    else
        EXPECT_GT(camera_statistic("failures"), 0);
    EXPECT_TRUE(files_are_there());

    ASSERT_EQ(umount(FOLDER), 0);
    inside = metadata_inside(&area, &cached);
    rig_metric("unmounted.metadata-in-area", (double)inside, "pages");
    EXPECT_TRUE(start(&camera, "unmounted", inside, &in_the_way));
    ASSERT_EQ(mount(DISK, FOLDER, "ext4", MS_RDONLY, NULL), 0);
    EXPECT_TRUE(files_are_there());
    EXPECT_EQ(umount(FOLDER), 0);
    camera_close(&camera);
}

HARNESS_MAIN
