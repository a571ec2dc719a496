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

#define DISK    "/dev/vda"
#define FOLDER  "/mnt"
#define FILES   2000
#define BUFFERS 12

/*
 * Bits of /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst, and
 * include/linux/kernel-page-flags.h for the last): a page of the page cache that is private to
 * a file system has buffer heads. The files are empty, so all of these are metadata.
 */
#define KPF_LRU     5
#define KPF_ANON    12
#define KPF_PRIVATE 35

#define FLAGS_AT_ONCE 4096

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
            inside += pages_inside(area, &address, 1);
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

static bool start(struct camera *camera, const char *when)
{
    const char *step;
    char name[64];
    double begin = now_seconds();
    int error = camera_start(camera, BUFFERS, &step);

    snprintf(name, sizeof(name), "start-%s", when);
    rig_metric(name, (now_seconds() - begin) * 1e3, "ms");
    if (error)
        DIAG("%s: %s: %s", when, step, strerror(error));
    camera_stream(camera, false);
    EXPECT_EQ(camera_allocate(camera, 0), 0);
    return error == 0;
}

TEST(metadata_makes_way)
{
    struct cma_area area = cma_area();
    struct camera camera;
    struct filling filling = {.fd = -1};
    size_t cached, inside;

    camera_open(&camera);
    ASSERT_EQ(camera_format(&camera, 1920, 1080, MMRIG_CAM_FORMAT_YUYV), 0);
    ASSERT_EQ(COMMAND(NULL, 0, "mkfs.ext4", "-q", "-F", "-b", "4096", DISK), 0);
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
    bool started = start(&camera, "mounted");
    rig_metric("started-while-mounted", started ? 100 : 0, "%");
    size_t left = metadata_inside(&area, &cached);
    rig_metric("metadata-left-in-area", (double)left, "pages");
    EXPECT_TRUE(files_are_there());

    ASSERT_EQ(umount(FOLDER), 0);
    EXPECT_TRUE(start(&camera, "unmounted"));
    ASSERT_EQ(mount(DISK, FOLDER, "ext4", MS_RDONLY, NULL), 0);
    EXPECT_TRUE(files_are_there());
    EXPECT_EQ(umount(FOLDER), 0);
    camera_close(&camera);
}

HARNESS_MAIN
