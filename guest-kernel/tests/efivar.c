/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "efivar.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "harness.h"

#define FOLDER "/sys/firmware/efi/efivars"

/* A file of efivarfs is the variable's attributes, in four bytes, and its data. */
#define DATA_MAX 256
struct file {
    uint32_t attributes;
    uint8_t data[DATA_MAX];
};

void efivar_mount(void)
{
    if (mount("efivarfs", FOLDER, "efivarfs", 0, NULL) != 0 && errno != EBUSY)
        ABORT("%s: %s", FOLDER, strerror(errno));
}

static void path_of(const char *name, const char *vendor, char *path, size_t size)
{
    snprintf(path, size, FOLDER "/%s-%s", name, vendor);
}

int efivar_read(const char *name, const char *vendor, void *data, size_t size)
{
    char path[256];
    struct file file;

    path_of(name, vendor, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, &file, sizeof(file));
    close(fd);
    if (got < (ssize_t)sizeof(file.attributes))
        return -1;
    size_t bytes = (size_t)got - sizeof(file.attributes);
    memcpy(data, file.data, bytes < size ? bytes : size);
    return (int)bytes;
}

/* Variables that the kernel does not know to be harmless are immutable at first. */
static bool make_mutable(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0;

    if (fd < 0)
        return errno == ENOENT;
    bool good = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags &= ~FS_IMMUTABLE_FL;
    good = good && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    return good;
}

bool efivar_write(const char *name, const char *vendor, const void *data, size_t size)
{
    char path[256];
    struct file file = {.attributes = EFIVAR_ATTRIBUTES};

    if (size > sizeof(file.data))
        return false;
    memcpy(file.data, data, size);
    path_of(name, vendor, path, sizeof(path));
    if (!make_mutable(path))
        return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ssize_t bytes = (ssize_t)(sizeof(file.attributes) + size);
    bool good = write(fd, &file, (size_t)bytes) == bytes;
    close(fd);
    return good;
}
