/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the virtio-serial ports, and queued writing to them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define PORTS_FOLDER  "/sys/class/virtio-ports"
#define PORTS_LIMIT_S 30
/* How often to look where the kernel has no uevents, and where nobody is at the other end. */
#define PORTS_LOOK_MS 2
/* A uevent that came before its sysfs file, or that was dropped, must not cost the boot. */
#define PORTS_RELOOK_MS 50

static char control_bytes[256 * 1024], ktap_bytes[64 * 1024];

struct port control_port = {.fd = -1, .out = {control_bytes, sizeof(control_bytes), 0}};
struct port ktap_port = {.fd = -1, .out = {ktap_bytes, sizeof(ktap_bytes), 0}};

size_t queue_room(const struct queue *queue)
{
    return queue->capacity - queue->used;
}

bool queue_add(struct queue *queue, const void *data, size_t size)
{
    if (size > queue_room(queue))
        return false;
    memcpy(queue->data + queue->used, data, size);
    queue->used += size;
    return true;
}

bool queue_write(struct queue *queue, int fd)
{
    while (queue->used > 0) {
        ssize_t size = write(fd, queue->data, queue->used);

        if (size < 0 && errno == EINTR)
            continue;
        /* ENOMEM: the virtio driver copies, and the guest may be short of memory now. */
        if (size < 0 && (errno == EAGAIN || errno == ENOMEM))
            return true;
        if (size <= 0) {
            queue->used = 0;
            return false;
        }
        queue->used -= (size_t)size;
        memmove(queue->data, queue->data + size, queue->used);
    }
    return true;
}

bool file_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t used = read(fd, text, size - 1);
    int saved = errno;
    close(fd);
    errno = saved;
    if (used < 0)
        return false;
    if (used > 0 && text[used - 1] == '\n')
        used--;
    text[used] = '\0';
    return true;
}

static void port_try(struct port *port, const char *device)
{
    char path[300];

    if (port->fd >= 0)
        return;
    snprintf(path, sizeof(path), "/dev/%s", device);
    port->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

/* Opens those ports that are there. */
static bool ports_look(void)
{
    DIR *folder = opendir(PORTS_FOLDER);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) {
        char path[sizeof(PORTS_FOLDER) + 300], name[64];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s/name", PORTS_FOLDER, entry->d_name);
        if (!file_text(path, name, sizeof(name)))
            continue;
        if (strcmp(name, MMRIG_PORT_CONTROL) == 0)
            port_try(&control_port, entry->d_name);
        else if (strcmp(name, MMRIG_PORT_KTAP) == 0)
            port_try(&ktap_port, entry->d_name);
    }
    if (folder)
        closedir(folder);
    return control_port.fd >= 0 && ktap_port.fd >= 0;
}

/* A socket on which the kernel announces devices, or -1 (a kernel without CONFIG_NET). */
static int uevents_open(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The ports appear some time after the driver: the host tells it of them by messages. */
bool ports_open(void)
{
    struct timespec start, now;
    bool found = ports_look();

    if (found)
        return true;
    int events = uevents_open();
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        struct pollfd entry = {.fd = events, .events = POLLIN};
        char event[4096];

        found = ports_look();
        if (!found && poll(&entry, 1, events < 0 ? PORTS_LOOK_MS : PORTS_RELOOK_MS) > 0) {
            while (recv(events, event, sizeof(event), 0) > 0)
                ;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!found && now.tv_sec - start.tv_sec < PORTS_LIMIT_S);
    if (events >= 0)
        close(events);
    if (!found)
        console_say("no virtio-serial port named %s appeared in %d s; the machine needs a "
                    "virtio-serial device and the kernel CONFIG_VIRTIO_CONSOLE",
                    control_port.fd < 0 ? MMRIG_PORT_CONTROL : MMRIG_PORT_KTAP, PORTS_LIMIT_S);
    return found;
}

/*
 * While nobody is at the host's end, poll() returns POLLHUP at once whatever is asked for
 * (port_fops_poll() in drivers/char/virtio_console.c), so such a port is left out, and
 * tried again after a moment (the loop's time limit).
 */
void port_wait(const struct port *port, struct pollfd *entry, bool input)
{
    entry->fd = port->away || (port->out.used == 0 && !input) ? -1 : port->fd;
    entry->events = (short)((input ? POLLIN : 0) | (port->out.used > 0 ? POLLOUT : 0));
}

void port_handle(struct port *port, const struct pollfd *entry)
{
    port->away = entry->fd >= 0 && (entry->revents & POLLHUP);
    if (entry->revents & POLLOUT)
        queue_write(&port->out, port->fd);
}
