/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmrig-camera: a PCI frame grabber without scatter-gather. The registers are
 * in abi/mmrig-camera-regs.h, the behaviour in docs/devices/camera.md.
 *
 * Theory of operation. One timer on the virtual clock drives everything: in
 * STARTING it is the end of the device's patience, in STREAMING the next frame.
 * A frame that is due takes the oldest queued buffer, is written into it and
 * makes a completion. Whatever the guest writes is checked at that write, and a
 * buffer once more before it is filled, since memory and PCI's bus mastering
 * can go away in between. DMA goes to RAM only, so nothing here can re-enter a
 * device. Everything runs under the big lock.
 */
#include "camera.h"

#include "hw/core/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/units.h"

#include "common/device.h"

#define FPS_MAX 10000
#define ALIGN_MAX (256 * MiB)
#define TIMEOUT_MAX_MS 3600000
#define SIZES "640x480:1280x720:1920x1080:3840x2160"
#define FORMATS "YUYV:GREY:RGB3:XR24"

void mmrig_camera_debug(const MmrigCamera *s, const char *format, ...)
{
    va_list values;

    if (!s->debug) {
        return;
    }
    va_start(values, format);
    mmrig_device_log(DEVICE(s), format, values);
    va_end(values);
}

uint32_t mmrig_camera_stride(const MmrigCamera *s)
{
    return MMRIG_CAM_SIZE_WIDTH(s->size) * mmrig_camera_format_bytes(s->format);
}

uint32_t mmrig_camera_frame_bytes(const MmrigCamera *s)
{
    return mmrig_camera_stride(s) * MMRIG_CAM_SIZE_HEIGHT(s->size);
}

uint32_t mmrig_camera_interval_min(const MmrigCamera *s)
{
    return 1000000000u / s->max_fps;
}

bool mmrig_camera_listed(const uint32_t *table, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (table[i] == value) {
            return true;
        }
    }
    return false;
}

static bool camera_parse_sizes(MmrigCamera *s, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(s->sizes_text, ":", -1);

    for (guint i = 0; words[i]; i++) {
        unsigned width;
        unsigned height;
        char end;

        if (s->size_count == MMRIG_CAM_SIZES_MAX) {
            error_setg(errp, "sizes: at most %d", MMRIG_CAM_SIZES_MAX);
            return false;
        }
        if (sscanf(words[i], "%5ux%5u%c", &width, &height, &end) != 2 ||
            width < MMRIG_CAM_WIDTH_MIN || width > MMRIG_CAM_WIDTH_MAX ||
            height < MMRIG_CAM_HEIGHT_MIN || height > MMRIG_CAM_HEIGHT_MAX ||
            width % 2 || height % 2) {
            error_setg(errp,
                       "sizes: '%s' is not WIDTHxHEIGHT, both even, from"
                       " %dx%d to %dx%d",
                       words[i], MMRIG_CAM_WIDTH_MIN, MMRIG_CAM_HEIGHT_MIN,
                       MMRIG_CAM_WIDTH_MAX, MMRIG_CAM_HEIGHT_MAX);
            return false;
        }
        s->sizes[s->size_count++] = MMRIG_CAM_SIZE_PACK(width, height);
    }
    if (s->size_count == 0) {
        error_setg(errp, "sizes: at least one is needed");
        return false;
    }
    return true;
}

static bool camera_parse_formats(MmrigCamera *s, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(s->formats_text, ":", -1);

    for (guint i = 0; words[i]; i++) {
        const char *w = words[i];
        uint32_t format = strlen(w) == 4
                              ? MMRIG_CAM_FOURCC((uint8_t)w[0], (uint8_t)w[1],
                                                 (uint8_t)w[2], (uint8_t)w[3])
                              : 0;

        if (mmrig_camera_format_bytes(format) == 0) {
            error_setg(errp, "formats: '%s' is none of YUYV, GREY, RGB3, XR24",
                       w);
            return false;
        }
        if (mmrig_camera_listed(s->formats, s->format_count, format)) {
            error_setg(errp, "formats: '%s' is there twice", w);
            return false;
        }
        s->formats[s->format_count++] = format;
    }
    if (s->format_count == 0) {
        error_setg(errp, "formats: at least one is needed");
        return false;
    }
    return true;
}

static const uint32_t camera_vectors[MMRIG_CAM_VECTORS] = {
    [MMRIG_CAM_VECTOR_FRAME] = MMRIG_CAM_IRQ_FRAME,
    [MMRIG_CAM_VECTOR_EVENT] = MMRIG_CAM_IRQ_ALL & ~MMRIG_CAM_IRQ_FRAME,
};

static void camera_realize(PCIDevice *pci, Error **errp)
{
    MmrigCamera *s = MMRIG_CAMERA(pci);

    if (!mmrig_device_in_range("max-fps", s->max_fps, 1, FPS_MAX, errp) ||
        !mmrig_device_in_range("dma-bits", s->dma_bits, 32, 64, errp) ||
        !mmrig_device_in_range("align", s->buffer_align, 1, ALIGN_MAX, errp) ||
        !mmrig_device_in_range("start-timeout-ms", s->start_timeout_ms, 0,
                               TIMEOUT_MAX_MS, errp) ||
        !mmrig_device_in_range("queue-depth", s->queue_depth, 1, QUEUE_MAX,
                               errp) ||
        !mmrig_device_in_range("min-buffers", s->min_buffers, 1, s->queue_depth,
                               errp)) {
        return;
    }
    if (!is_power_of_2(s->buffer_align)) {
        error_setg(errp, "align: %u is no power of two", s->buffer_align);
        return;
    }
    s->size_count = 0;
    s->format_count = 0;
    if (!camera_parse_sizes(s, errp) || !camera_parse_formats(s, errp)) {
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &mmrig_camera_ops, s,
                          "mmrig-camera-regs", MMRIG_CAM_REGS_SIZE);
    pci_register_bar(pci, MMRIG_CAM_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (!mmrig_irq_init(&s->irq, pci, camera_vectors, MMRIG_CAM_VECTORS,
                        MMRIG_CAM_BAR_MSIX, s->intx, errp)) {
        return;
    }
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, mmrig_camera_tick, s);
    mmrig_camera_reset(s);
}

static void camera_exit(PCIDevice *pci)
{
    MmrigCamera *s = MMRIG_CAMERA(pci);

    mmrig_camera_stop(s);
    timer_free(s->timer);
    s->timer = NULL;
    g_clear_pointer(&s->plain, g_free);
    mmrig_irq_exit(&s->irq);
}

static void camera_config_write(PCIDevice *pci, uint32_t address,
                                uint32_t value, int length)
{
    pci_default_write_config(pci, address, value, length);
    mmrig_irq_update(&MMRIG_CAMERA(pci)->irq);
}

static void camera_reset_hold(Object *object, ResetType type)
{
    mmrig_camera_reset(MMRIG_CAMERA(object));
}

static const Property camera_properties[] = {
    DEFINE_PROP_STRING("sizes", MmrigCamera, sizes_text),
    DEFINE_PROP_STRING("formats", MmrigCamera, formats_text),
    DEFINE_PROP_UINT32("max-fps", MmrigCamera, max_fps, 60),
    DEFINE_PROP_UINT32("dma-bits", MmrigCamera, dma_bits, 32),
    DEFINE_PROP_SIZE32("align", MmrigCamera, buffer_align, 4096),
    DEFINE_PROP_UINT32("start-timeout-ms", MmrigCamera, start_timeout_ms, 500),
    DEFINE_PROP_UINT32("queue-depth", MmrigCamera, queue_depth, 32),
    DEFINE_PROP_UINT32("min-buffers", MmrigCamera, min_buffers, 2),
    DEFINE_PROP_BOOL("debug", MmrigCamera, debug, false),
    DEFINE_PROP_BOOL("calibrate", MmrigCamera, calibrate, false),
    DEFINE_PROP_BOOL("intx", MmrigCamera, intx, false),
};

/* By qom-get only. */
typedef struct CameraStatistic {
    const char *name;
    size_t offset;
    const char *text;
} CameraStatistic;

static const CameraStatistic camera_statistics[] = {
    {"stat-frames", offsetof(MmrigCamera, stat_frames),
     "read only: frames written since the device was made"},
    {"stat-bytes", offsetof(MmrigCamera, stat_bytes),
     "read only: bytes of these"},
    {"stat-ns", offsetof(MmrigCamera, stat_ns),
     "read only: host time that writing them took"},
    {"stat-copy-ns", offsetof(MmrigCamera, stat_copy_ns),
     "read only: what plain copies took, with calibrate"},
};

static void camera_instance_init(Object *object)
{
    MmrigCamera *s = MMRIG_CAMERA(object);

    s->sizes_text = g_strdup(SIZES);
    s->formats_text = g_strdup(FORMATS);
    for (size_t i = 0; i < ARRAY_SIZE(camera_statistics); i++) {
        const CameraStatistic *statistic = &camera_statistics[i];

        object_property_add_uint64_ptr(
            object, statistic->name,
            (uint64_t *)((char *)s + statistic->offset), OBJ_PROP_FLAG_READ);
        object_property_set_description(object, statistic->name,
                                        statistic->text);
    }
}

/* For `mmrig devices` and QEMU's own help. */
static const struct {
    const char *name;
    const char *text;
} camera_help[] = {
    {"sizes", "sizes it offers, WIDTHxHEIGHT:... (default " SIZES ")"},
    {"formats", "pixel formats it offers (default " FORMATS ")"},
    {"max-fps", "frames per second at most"},
    {"dma-bits", "width of its DMA addresses, 32 to 64"},
    {"align", "what a buffer's address must be a multiple of"},
    {"start-timeout-ms", "how long a start waits for buffers; 0 for ever"},
    {"queue-depth", "buffers that can be queued at a time"},
    {"min-buffers", "buffers that must be queued before it streams"},
    {"debug", "tell in QEMU's log what it does"},
    {"calibrate", "time a plain copy beside each frame"},
    {"intx", "has an interrupt pin too, for guests without MSI-X"},
};

static void camera_class_init(ObjectClass *klass, MMRIG_CLASS_DATA *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);
    ResettableClass *reset = RESETTABLE_CLASS(klass);

    pci->realize = camera_realize;
    pci->exit = camera_exit;
    pci->config_write = camera_config_write;
    pci->vendor_id = MMRIG_CAM_PCI_VENDOR;
    pci->device_id = MMRIG_CAM_PCI_DEVICE;
    pci->revision = MMRIG_CAM_PCI_REVISION;
    pci->class_id = PCI_CLASS_MULTIMEDIA_VIDEO;
    device->desc = "frame grabber that demands contiguous memory (mmrig)";
    device->vmsd = &mmrig_camera_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, camera_properties);
    for (size_t i = 0; i < ARRAY_SIZE(camera_help); i++) {
        object_class_property_set_description(klass, camera_help[i].name,
                                              camera_help[i].text);
    }
    reset->phases.hold = camera_reset_hold;
    mmrig_registers_describe(klass, &mmrig_camera_registers);
}

static const TypeInfo camera_info = {
    .name = TYPE_MMRIG_CAMERA,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(MmrigCamera),
    .instance_init = camera_instance_init,
    .class_init = camera_class_init,
    .interfaces =
        (MMRIG_INTERFACE_INFO[]){
            {INTERFACE_CONVENTIONAL_PCI_DEVICE},
            {},
        },
};

MMRIG_DEVICE(camera, camera_info);
