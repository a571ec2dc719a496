/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast mmrig-camera writes 4K frames to a guest's memory. No guest takes part: the only
 * processor halts in its first instruction, and the device's registers are worked from here by
 * QEMU's qtest protocol (QEMU's system/qtest.c), which a QEMU with any accelerator speaks.
 * Streaming, queueing and DMA are what a guest would have.
 *
 * The baseline is measured by the device as well (its property calibrate): a plain memcpy of as
 * many bytes to the same place, before or after each frame in turns, so that neither has warmer
 * caches than the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/paths.h"
#include "bench.h"
#include "mmrig-camera-regs.h"
#include "qemu/pack.h"
#include "qemu/qemu-session.h"

#define WIDTH  3840
#define HEIGHT 2160
#define BYTES  (WIDTH * HEIGHT * 2) /* YUYV */
/* Frames in a pair: even, as the order of frame and plain copy alternates. */
#define FRAMES 16
#define SLOT   4
#define REGS   0xe0000000u
#define BUFFER 0x04000000u /* with room for FRAMES behind it */
#define STRIDE 0x01000000u
/* A frame takes some 5 ms; a machine under load is given much more. */
#define FRAMES_SECONDS 60
#define LINE_SECONDS   30
#define ANSWER_MAX     256

#define FIRMWARE_SIZE 65536

#define PCI_COMMAND    0x04
#define PCI_COMMAND_ON 0x06 /* memory decoding and bus mastering */
#define PCI_BAR_REGS   0x10

typedef struct {
    MmrigSession *session;
    int firmware, line;
} Machine;

static void machine_clear(Machine *machine)
{
    g_clear_pointer(&machine->session, mmrig_session_free);
    if (machine->line >= 0)
        close(machine->line);
    if (machine->firmware >= 0)
        close(machine->firmware);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Machine, machine_clear)

/* --- the qtest protocol --- */

/* Reads up to the line's end, which must be what comes last: there is one answer to a command.
 */
static gboolean read_line(int fd, char *line, GError **error)
{
    gsize got = 0;

    while (got < ANSWER_MAX - 1) {
        ssize_t count = read(fd, line + got, ANSWER_MAX - 1 - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU's qtest line: %s",
                        count == 0 ? "closed" : g_strerror(errno));
            return FALSE;
        }
        got += (gsize)count;
        line[got] = '\0';
        if (line[got - 1] == '\n')
            return TRUE;
    }
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU's qtest line: too long an answer");
    return FALSE;
}

/* Says one command; *value gets the number that stands behind "OK", if it is not NULL. */
static gboolean camera_say(const Machine *machine, guint64 *value, GError **error,
                           const char *format, ...) G_GNUC_PRINTF(4, 5);

static gboolean camera_say(const Machine *machine, guint64 *value, GError **error,
                           const char *format, ...)
{
    g_autofree char *text = NULL;
    char line[ANSWER_MAX];
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    if (send(machine->line, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU's qtest line: %s",
                    g_strerror(errno));
        return FALSE;
    }
    if (!read_line(machine->line, line, error))
        return FALSE;
    g_strchomp(line);
    if (!g_str_has_prefix(line, "OK") || (value && !g_str_has_prefix(line, "OK 0x"))) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "QEMU's qtest line: '%s' to '%s'",
                    line, g_strchomp(text));
        return FALSE;
    }
    if (value)
        *value = g_ascii_strtoull(line + strlen("OK "), NULL, 16);
    return TRUE;
}

static gboolean camera_set(const Machine *machine, guint reg, guint32 value, GError **error)
{
    return camera_say(machine, NULL, error, "writel 0x%x 0x%x\n", REGS + reg, value);
}

static gboolean camera_get(const Machine *machine, guint reg, guint64 *value, GError **error)
{
    return camera_say(machine, value, error, "readl 0x%x\n", REGS + reg);
}

static gboolean set_config(const Machine *machine, guint reg, guint32 value, GError **error)
{
    return camera_say(machine, NULL, error, "outl 0x%x 0x%x\n",
                      mmrig_arch_default()->pci_address, 0x80000000u | SLOT << 11 | reg) &&
           camera_say(machine, NULL, error, "outl 0x%x 0x%x\n", mmrig_arch_default()->pci_data,
                      value);
}

/* --- the machine --- */

static gboolean make_firmware(Machine *machine, GError **error)
{
    const MmrigArch *arch = mmrig_arch_default();

    if (!arch->halt || !arch->pci_address) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "the benchmark of the camera has no machine of %s", arch->title);
        return FALSE;
    }
    machine->firmware = memfd_create("mmrig-bench", 0);
    if (machine->firmware >= 0 && ftruncate(machine->firmware, FIRMWARE_SIZE) == 0 &&
        pwrite(machine->firmware, arch->halt, arch->halt_size,
               (off_t)(FIRMWARE_SIZE - arch->halt_from_end)) == (gssize)arch->halt_size)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make a memory file: %s",
                g_strerror(errno));
    return FALSE;
}

static gboolean camera_start(Machine *machine, const MmrigSetup *setup, GError **error)
{
    g_autofree char *escaped = mmrig_argv_escape(mmrig_path_pack());
    g_autofree char *plugin = g_strconcat("file=", escaped, NULL);
    g_autofree char *bios = NULL;
    /* By TCG, whatever the rig uses: nothing runs on the processor. */
    const char *arguments[] = {
        "-machine",
        mmrig_arch_default()->machine,
        "-accel",
        "tcg",
        "-m",
        "1G",
        "-bios",
        NULL,
        "-plugin",
        plugin,
        "-device",
        "mmrig-camera,id=camera,addr=" G_STRINGIFY(SLOT) ",sizes=" G_STRINGIFY(
            WIDTH) "x" G_STRINGIFY(HEIGHT) ",formats=YUYV,max-fps=10000,queue-"
                                           "depth=" G_STRINGIFY(FRAMES) ",min-buffers=1,"
                                                                        "calibrate=on",
        "-chardev",
        "socket,id=line,fd=" G_STRINGIFY(MMRIG_SESSION_LINE_FD),
        "-qtest",
        "chardev:line",
        "-qtest-log",
        "none",
        NULL};
    struct timeval patience = {.tv_sec = LINE_SECONDS};

    if (!make_firmware(machine, error))
        return FALSE;
    bios = g_strdup_printf("/proc/%d/fd/%d", getpid(), machine->firmware);
    for (gsize i = 0; i < G_N_ELEMENTS(arguments); i++)
        if (g_strcmp0(arguments[i], "-bios") == 0)
            arguments[i + 1] = bios;
    machine->session = mmrig_session_start(setup->qemu->path, arguments, &machine->line, error);
    if (!machine->session || !mmrig_session_connect(machine->session, error))
        return FALSE;
    setsockopt(machine->line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return set_config(machine, PCI_BAR_REGS, REGS, error) &&
           set_config(machine, PCI_COMMAND, PCI_COMMAND_ON, error) &&
           camera_set(machine, MMRIG_CAM_INTERVAL_NS, 100000, error);
}

static gboolean camera_statistic(const Machine *machine, const char *name, double *value,
                                 GError **error)
{
    JsonObject *arguments = json_object_new();
    g_autoptr(JsonNode) node = NULL;

    json_object_set_string_member(arguments, "path", "camera");
    json_object_set_string_member(arguments, "property", name);
    node = mmrig_session_ask(machine->session, "qom-get", arguments, JSON_NODE_VALUE, error);
    if (node)
        *value = (double)json_node_get_int(node);
    return node != NULL;
}

static gboolean queue_all(const Machine *machine, GError **error)
{
    for (guint32 i = 0; i < FRAMES; i++) {
        guint64 result;
        if (!camera_set(machine, MMRIG_CAM_BUF_ADDRESS_LO, BUFFER + i * STRIDE, error) ||
            !camera_set(machine, MMRIG_CAM_BUF_LENGTH, BYTES, error) ||
            !camera_set(machine, MMRIG_CAM_QUEUE, 1, error) ||
            !camera_get(machine, MMRIG_CAM_RESULT, &result, error))
            return FALSE;
        if (result != MMRIG_CAM_OK) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "mmrig-camera refuses a buffer: error 0x%02x", (guint)result);
            return FALSE;
        }
    }
    return TRUE;
}

/* One stream of FRAMES frames; all have to be right as the device sees it. */
static gboolean camera_stream(const Machine *machine, GError **error)
{
    gint64 end = g_get_monotonic_time() + FRAMES_SECONDS * (gint64)G_USEC_PER_SEC;
    guint64 done = 0, errors;

    if (!queue_all(machine, error) ||
        !camera_set(machine, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_START, error))
        return FALSE;
    while (done < FRAMES) {
        if (g_get_monotonic_time() > end) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT,
                        "mmrig-camera has not written %d frames within %d s", FRAMES,
                        FRAMES_SECONDS);
            return FALSE;
        }
        g_usleep(5000);
        if (!camera_get(machine, MMRIG_CAM_DONE_COUNT, &done, error))
            return FALSE;
    }
    if (!camera_get(machine, MMRIG_CAM_COUNT_DMA_ERRORS, &errors, error) ||
        !camera_set(machine, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_STOP, error))
        return FALSE;
    if (errors > 0)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                    "mmrig-camera could not write %" G_GUINT64_FORMAT " frames", errors);
    return errors == 0;
}

static gboolean camera_measure(const Machine *machine, double *subject, double *baseline,
                               GError **error)
{
    static const char *const names[] = {"stat-bytes", "stat-ns", "stat-copy-ns"};
    double before[G_N_ELEMENTS(names)], after[G_N_ELEMENTS(names)];

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (!camera_statistic(machine, names[i], &before[i], error))
            return FALSE;
    if (!camera_stream(machine, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!camera_statistic(machine, names[i], &after[i], error))
            return FALSE;
        if (after[i] <= before[i]) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "mmrig-camera: %s does not move",
                        names[i]);
            return FALSE;
        }
    }
    /* Bytes in a nanosecond are GB in a second. */
    *subject = (after[0] - before[0]) / (after[1] - before[1]);
    *baseline = (after[0] - before[0]) / (after[2] - before[2]);
    return TRUE;
}

gboolean mmrig_bench_camera(const MmrigSetup *setup, double *subject, double *baseline,
                            GError **error)
{
    g_auto(Machine) machine = {.firmware = -1, .line = -1};
    g_autoptr(MmrigPack) pack = mmrig_pack_load(setup->qemu, mmrig_path_pack(), error);

    /* The first stream touches the memory, which costs once and is no matter of copying. */
    if (!pack || !camera_start(&machine, setup, error) || !camera_stream(&machine, error))
        return FALSE;
    return camera_measure(&machine, subject, baseline, error);
}
