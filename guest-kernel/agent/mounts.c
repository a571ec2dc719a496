/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent.h"

struct mount_row {
    const char *type, *where, *options;
    unsigned long flags;
    bool needed;
};

/* EBUSY: the kernel has mounted it itself (CONFIG_DEVTMPFS_MOUNT). */
static void mount_all(const struct mount_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mount_row *row = &rows[i];

        mkdir(row->where, 0755);
        if (mount(row->type, row->where, row->type, row->flags, row->options) == 0 ||
            errno == EBUSY || !row->needed)
            continue;
        agent_fail("cannot mount %s on %s: %s; the kernel may be built without it", row->type,
                   row->where, strerror(errno));
    }
}

void mounts_first(void)
{
    static const struct mount_row rows[] = {
        {"devtmpfs", "/dev", "mode=0755", MS_NOSUID, true},
        {"proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
        {"sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
    };

    mount_all(rows, sizeof(rows) / sizeof(rows[0]));
}

void mounts_rest(void)
{
    static const struct mount_row rows[] = {
        {"tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV, true},
        {"tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV, true},
        {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, true},
        {"devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC, false},
        {"debugfs", "/sys/kernel/debug", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false},
        {"cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false},
    };

    mount_all(rows, sizeof(rows) / sizeof(rows[0]));
}
