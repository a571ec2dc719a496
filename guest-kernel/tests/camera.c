/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "camera.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

#define STATISTICS "/sys/kernel/debug/mmrig-camera"

/* How long the node may take to appear once the module is loaded. */
#define NODE_SECONDS 10

static int control(int fd, unsigned long request, void *argument)
{
    int result;

    do
        result = ioctl(fd, request, argument);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static bool node_exists(void *path)
{
    return access(path, F_OK) == 0;
}

void camera_open(struct camera *camera)
{
    *camera = (struct camera){.fd = -1, .memory = V4L2_MEMORY_MMAP};
    if (!wait_until(node_exists, (void *)CAMERA_NODE, NODE_SECONDS))
        ABORT("there is no %s: the camera's driver has found no camera", CAMERA_NODE);
    camera->fd = open(CAMERA_NODE, O_RDWR | O_CLOEXEC);
    if (camera->fd < 0)
        ABORT("cannot open %s: %s", CAMERA_NODE, strerror(errno));
}

static void unmap_all(struct camera *camera)
{
    for (unsigned i = 0; i < camera->count; i++)
        if (camera->buffers[i].mapped)
            munmap(camera->buffers[i].mapped, camera->buffers[i].length);
    camera->count = 0;
}

void camera_close(struct camera *camera)
{
    unmap_all(camera);
    if (camera->fd >= 0)
        close(camera->fd);
    camera->fd = -1;
}

int camera_format(struct camera *camera, unsigned width, unsigned height, uint32_t format)
{
    struct v4l2_format wanted = {
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .fmt.pix = {.width = width, .height = height, .pixelformat = format},
    };
    int error = control(camera->fd, VIDIOC_S_FMT, &wanted);

    if (error)
        return error;
    camera->format = wanted.fmt.pix;
    return camera->format.width == width && camera->format.height == height &&
                   camera->format.pixelformat == format
               ? 0
               : EINVAL;
}

int camera_interval(struct camera *camera, unsigned ns)
{
    struct v4l2_streamparm parameters = {
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .parm.capture.timeperframe = {ns, 1000000000},
    };

    return control(camera->fd, VIDIOC_S_PARM, &parameters);
}

int camera_early_start(struct camera *camera, bool early)
{
    struct v4l2_control wanted = {.id = MMRIG_CAM_CID_EARLY_START, .value = early};

    return control(camera->fd, VIDIOC_S_CTRL, &wanted);
}

static int request(struct camera *camera, unsigned count, unsigned memory)
{
    struct v4l2_requestbuffers wanted = {
        .count = count,
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .memory = memory,
    };

    unmap_all(camera);
    camera->memory = memory;
    int error = control(camera->fd, VIDIOC_REQBUFS, &wanted);
    if (error)
        return error;
    /* videobuf2 gives fewer where memory is short; to us that is a failure. */
    return wanted.count >= count && wanted.count <= CAMERA_BUFFERS_MAX ? 0 : ENOMEM;
}

static int map(struct camera *camera, unsigned index, int fd, size_t length, off_t offset)
{
    void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

    if (mapped == MAP_FAILED)
        return errno;
    camera->buffers[index].mapped = mapped;
    camera->buffers[index].length = length;
    camera->count = index + 1;
    return 0;
}

int camera_allocate(struct camera *camera, unsigned count)
{
    int error = request(camera, count, V4L2_MEMORY_MMAP);

    for (unsigned i = 0; i < count && !error; i++) {
        struct v4l2_buffer buffer = {
            .index = i,
            .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
            .memory = V4L2_MEMORY_MMAP,
        };

        error = control(camera->fd, VIDIOC_QUERYBUF, &buffer);
        camera->buffers[i].dmabuf = -1;
        if (!error)
            error = map(camera, i, camera->fd, buffer.length, buffer.m.offset);
    }
    return error;
}

int camera_import(struct camera *camera, const int *dmabufs, unsigned count)
{
    int error = request(camera, count, V4L2_MEMORY_DMABUF);

    for (unsigned i = 0; i < count && !error; i++) {
        camera->buffers[i].dmabuf = dmabufs[i];
        error = map(camera, i, dmabufs[i], camera->format.sizeimage, 0);
    }
    return error;
}

int camera_queue(struct camera *camera, unsigned index)
{
    struct v4l2_buffer buffer = {
        .index = index,
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .memory = camera->memory,
    };

    if (camera->memory == V4L2_MEMORY_DMABUF) {
        buffer.m.fd = camera->buffers[index].dmabuf;
        buffer.length = (uint32_t)camera->buffers[index].length;
    }
    return control(camera->fd, VIDIOC_QBUF, &buffer);
}

int camera_queue_all(struct camera *camera)
{
    int error = 0;

    for (unsigned i = 0; i < camera->count && !error; i++)
        error = camera_queue(camera, i);
    return error;
}

int camera_stream(struct camera *camera, bool on)
{
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

    return control(camera->fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

int camera_take(struct camera *camera, struct camera_frame *frame, unsigned seconds)
{
    struct pollfd wait = {.fd = camera->fd, .events = POLLIN};
    struct v4l2_buffer buffer = {
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .memory = camera->memory,
    };
    int ready = poll(&wait, 1, (int)seconds * 1000);

    if (ready <= 0)
        return ready < 0 ? errno : ETIMEDOUT;
    int error = control(camera->fd, VIDIOC_DQBUF, &buffer);
    if (error)
        return error;
    if (buffer.index >= camera->count)
        return ERANGE;
    *frame = (struct camera_frame){
        .index = buffer.index,
        .sequence = buffer.sequence,
        .flags = buffer.flags,
        .data = camera->buffers[buffer.index].mapped,
        .size = buffer.bytesused,
    };
    return 0;
}

int camera_subscribe(struct camera *camera)
{
    struct v4l2_event_subscription wanted = {.type = MMRIG_CAM_EVENT_START_TIMEOUT};

    return control(camera->fd, VIDIOC_SUBSCRIBE_EVENT, &wanted);
}

bool camera_event(struct camera *camera, double seconds, uint32_t *code)
{
    struct pollfd wait = {.fd = camera->fd, .events = POLLPRI};
    struct v4l2_event event = {0};

    if (poll(&wait, 1, (int)(seconds * 1000)) <= 0 || !(wait.revents & POLLPRI) ||
        control(camera->fd, VIDIOC_DQEVENT, &event) != 0)
        return false;
    memcpy(code, event.u.data, sizeof(*code));
    return event.type == MMRIG_CAM_EVENT_START_TIMEOUT;
}

/* ---- Frames --------------------------------------------------------------------------- */

/* Eight bytes at a step, by eight tables; reflected polynomial. */
#define CRC32C_POLYNOMIAL 0x82f63b78u

static uint32_t crc_tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i;

        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? CRC32C_POLYNOMIAL : 0);
        crc_tables[0][i] = sum;
    }
    for (int table = 1; table < 8; table++)
        for (int i = 0; i < 256; i++) {
            uint32_t before = crc_tables[table - 1][i];

            crc_tables[table][i] = before >> 8 ^ crc_tables[0][before & 0xff];
        }
}

uint32_t crc32c(const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *at = data;
    uint32_t sum = 0xffffffff;

    pthread_once(&once, make_tables);
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        word = le64toh(word) ^ sum;
        sum = 0;
        for (int i = 0; i < 8; i++)
            sum ^= crc_tables[7 - i][word >> 8 * i & 0xff];
    }
    for (; size > 0; size--, at++)
        sum = sum >> 8 ^ crc_tables[0][(sum ^ *at) & 0xff];
    return ~sum;
}

static const char *header_wrong(const struct camera *camera, const struct camera_frame *frame,
                                const struct mmrig_cam_frame *header)
{
    const struct v4l2_pix_format *format = &camera->format;

    if (le32toh(header->magic) != MMRIG_CAM_FRAME_MAGIC)
        return "it does not begin as a frame does";
    if (le32toh(header->crc32c) != crc32c(header, offsetof(struct mmrig_cam_frame, crc32c)))
        return "the header's sum is wrong";
    if (le32toh(header->sequence) != frame->sequence)
        return "it is not the frame that the driver says it is";
    if (le32toh(header->bytes) != format->sizeimage ||
        le32toh(header->stride) != format->bytesperline ||
        le32toh(header->format) != format->pixelformat ||
        le32toh(header->size) != MMRIG_CAM_SIZE_PACK(format->width, format->height))
        return "its geometry is not the one that was set";
    if (le64toh(header->address) != camera_buffer_address(frame->index))
        return "it was meant for another place in memory";
    return NULL;
}

const char *camera_frame_wrong(const struct camera *camera, const struct camera_frame *frame)
{
    struct mmrig_cam_frame header;
    const char *at = frame->data;

    if (frame->flags & V4L2_BUF_FLAG_ERROR)
        return "the driver says that it is broken";
    if (frame->size != camera->format.sizeimage || frame->size < sizeof(header))
        return "it is not of a frame's size";
    memcpy(&header, at, sizeof(header));
    const char *wrong = header_wrong(camera, frame, &header);
    if (wrong)
        return wrong;
    for (uint32_t i = 1; i < camera->format.height; i++) {
        struct mmrig_cam_line line;

        memcpy(&line, at + (size_t)i * camera->format.bytesperline, sizeof(line));
        if (le32toh(line.sequence) != frame->sequence || le32toh(line.line) != i)
            return "a line in it is another frame's";
    }
    if (le32toh(header.body_crc32c) !=
        crc32c(at + sizeof(header), frame->size - sizeof(header)))
        return "the picture's sum is wrong";
    return NULL;
}

int camera_start(struct camera *camera, unsigned buffers, const char **step)
{
    struct camera_frame frame = {0};
    int error;

    *step = "allocate";
    error = camera_allocate(camera, buffers);
    if (error)
        return error;
    *step = "queue";
    error = camera_queue_all(camera);
    if (error)
        return error;
    *step = "stream";
    error = camera_stream(camera, true);
    if (error)
        return error;
    *step = "take";
    error = camera_take(camera, &frame, 10);
    if (error)
        return error;
    *step = "check";
    const char *wrong = camera_frame_wrong(camera, &frame);
    if (!wrong)
        return 0;
    DIAG("frame %u: %s", frame.sequence, wrong);
    return EBADMSG;
}

/* ---- What is counted ------------------------------------------------------------------ */

/* The file of that name for the one camera there is. */
static void statistics_path(const char *name, char *path, size_t size)
{
    DIR *folder = opendir(STATISTICS);
    struct dirent *entry;

    path[0] = '\0';
    while (folder && (entry = readdir(folder)) && path[0] == '\0')
        if (entry->d_name[0] != '.')
            snprintf(path, size, STATISTICS "/%s/%s", entry->d_name, name);
    if (folder)
        closedir(folder);
    if (path[0] == '\0')
        ABORT("%s has no camera in it", STATISTICS);
}

uint64_t camera_statistic(const char *name)
{
    char path[512], text[4096], *rest = NULL;
    size_t length = strlen(name);

    statistics_path("statistics", path, sizeof(path));
    if (!file_read(path, text, sizeof(text)))
        ABORT("cannot read %s: %s", path, strerror(errno));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return strtoull(line + length + 1, NULL, 10);
    ABORT("%s says nothing of %s", path, name);
}

uint64_t camera_buffer_address(unsigned index)
{
    char path[512], text[4096], *rest = NULL;

    statistics_path("buffers", path, sizeof(path));
    if (!file_read(path, text, sizeof(text)))
        ABORT("cannot read %s: %s", path, strerror(errno));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        unsigned number;
        unsigned long long address;

        if (sscanf(line, "%u %llx", &number, &address) == 2 && number == index)
            return address;
    }
    return 0;
}

void camera_statistics_reset(void)
{
    char path[512];

    statistics_path("reset", path, sizeof(path));
    if (!file_write(path, "1"))
        ABORT("cannot write %s: %s", path, strerror(errno));
}

static void report_bucket(const char *label, const char *what, unsigned long long below,
                          unsigned long long count)
{
    char name[64];

    snprintf(name, sizeof(name), "%s.%s-below-%lluus", label, what, below);
    if (count > 0)
        rig_metric(name, (double)count, "buffers");
}

void camera_report_latency(const char *label)
{
    char path[512], text[4096], *rest = NULL;

    statistics_path("latency", path, sizeof(path));
    if (!file_read(path, text, sizeof(text)))
        ABORT("cannot read %s: %s", path, strerror(errno));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        unsigned long long below, succeeded, failed;

        if (sscanf(line, "%llu %llu %llu", &below, &succeeded, &failed) != 3)
            ABORT("%s has a line that is no three numbers: %s", path, line);
        report_bucket(label, "allocated", below, succeeded);
        report_bucket(label, "failed", below, failed);
    }
    uint64_t allocated = camera_statistic("allocations");
    uint64_t all = allocated + camera_statistic("failures");
    if (all == 0)
        return;
    char name[64];
    snprintf(name, sizeof(name), "%s.allocated", label);
    rig_metric(name, 100.0 * (double)allocated / (double)all, "%");
}
