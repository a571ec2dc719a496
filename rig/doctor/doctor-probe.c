/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor-probe-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROBE_SIZE (4 * 1024 * 1024)

/* The device's own ioctl (Linux 6.1); Debian 12's headers have it, older ones do not. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static int probe_open_userfaultfd(const char *device)
{
    int fd, made, kept;

    if (!device)
        return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fd;
    made = ioctl(fd, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
    kept = errno;
    close(fd);
    errno = kept;
    return made;
}

int mmrig_doctor_userfaultfd(const char *device)
{
    struct uffdio_api api = {.api = UFFD_API};
    int fd = probe_open_userfaultfd(device), problem;

    if (fd < 0)
        return errno;
    problem = ioctl(fd, UFFDIO_API, &api) == 0 ? 0 : errno;
    close(fd);
    return problem;
}

/* posix_fallocate() comes first: on a full file system a write to the mapping ends in SIGBUS.
 */
static int probe_fill(int fd)
{
    int problem = posix_fallocate(fd, 0, PROBE_SIZE);
    char *bytes;

    if (problem)
        return problem;
    bytes = mmap(NULL, PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return errno;
    for (gsize at = 0; at < PROBE_SIZE; at += 4096)
        bytes[at] = 1;
    munmap(bytes, PROBE_SIZE);
    return 0;
}

int mmrig_doctor_memory_folder(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int problem;

    if (fd < 0)
        return errno;
    problem = probe_fill(fd);
    close(fd);
    return problem;
}
