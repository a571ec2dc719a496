/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: writing a frame to the guest's memory. */
#include "camera.h"

#include "common/dma.h"

bool mmrig_camera_is_master(MmrigCamera *s)
{
    return pci_get_word(PCI_DEVICE(s)->config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

bool mmrig_camera_is_ram(MmrigCamera *s, uint64_t address, uint64_t length,
                         uint64_t *bad)
{
    return mmrig_dma_check(pci_get_address_space(PCI_DEVICE(s)), address,
                           length, true, bad) == MMRIG_DMA_OK;
}

/* How long a plain copy to the same place takes. */
static void camera_calibrate(MmrigCamera *s, void *to, uint32_t from,
                             uint32_t size)
{
    uint32_t bytes = mmrig_camera_frame_bytes(s);
    int64_t begun;

    if (s->plain_size != bytes) {
        s->plain = g_realloc(s->plain, bytes);
        memset(s->plain, 0x5a, bytes);
        s->plain_size = bytes;
    }
    begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    memcpy(to, s->plain + from, size);
    s->stat_copy_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
}

static void camera_fill(MmrigCamera *s, CameraFrame *frame, void *to,
                        uint32_t from, uint32_t size)
{
    int64_t begun;

    /* Who comes first pays for faults and cold caches: take turns. */
    if (s->calibrate && s->stat_frames % 2 == 0) {
        camera_calibrate(s, to, from, size);
    }
    begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    mmrig_camera_frame_write(frame, to, from, size);
    s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
    if (s->calibrate && s->stat_frames % 2 != 0) {
        camera_calibrate(s, to, from, size);
        mmrig_camera_frame_write(frame, to, from, size);
    }
}

bool mmrig_camera_dma(MmrigCamera *s, uint64_t address, const CameraShot *shot,
                      uint32_t *crc, uint64_t *bad)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));
    uint32_t bytes = mmrig_camera_frame_bytes(s);
    uint32_t from = 0;
    int64_t begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    MmrigDmaResult result = mmrig_dma_check(as, address, bytes, true, bad);
    CameraFrame frame;

    if (result != MMRIG_DMA_OK) {
        return false;
    }
    mmrig_camera_frame_init(&frame, s->pattern, shot);
    s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
    while (from < bytes) {
        MmrigDmaMap map;

        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        if (mmrig_dma_map(&map, as, address + from, bytes - from, true, bad) !=
            MMRIG_DMA_OK) {
            return false;
        }
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        for (unsigned i = 0; i < map.count; i++) {
            camera_fill(s, &frame, map.parts[i].host, from, map.parts[i].size);
            from += map.parts[i].size;
        }
        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        result = mmrig_dma_unmap(&map, map.bytes, bad);
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        if (result != MMRIG_DMA_OK) {
            return false;
        }
    }
    s->stat_frames++;
    s->stat_bytes += bytes;
    *crc = frame.crc32c;
    return true;
}
