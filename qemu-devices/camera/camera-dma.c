/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-camera: writing a frame to the guest's memory. */
#include "camera.h"

#include "exec/cpu-common.h"
#include "qemu/rcu.h"

bool mmrig_camera_is_master(MmrigCamera *s)
{
    return pci_get_word(PCI_DEVICE(s)->config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

bool mmrig_camera_is_ram(MmrigCamera *s, uint64_t address, uint64_t length,
                         uint64_t *bad)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));

    RCU_READ_LOCK_GUARD();
    while (length > 0) {
        hwaddr part = length;
        hwaddr offset;
        MemoryRegion *mr = address_space_translate(
            as, address, &offset, &part, true, MEMTXATTRS_UNSPECIFIED);

        if (part == 0 ||
            !memory_access_is_direct(mr, true, MEMTXATTRS_UNSPECIFIED)) {
            *bad = address;
            return false;
        }
        address += part;
        length -= part;
    }
    return true;
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

bool mmrig_camera_dma(MmrigCamera *s, uint64_t address, const CameraShot *shot,
                      uint32_t *crc, uint64_t *bad)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));
    uint32_t bytes = mmrig_camera_frame_bytes(s);
    uint32_t from = 0;
    int64_t begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    CameraFrame frame;

    if (!mmrig_camera_is_ram(s, address, bytes, bad)) {
        return false;
    }
    mmrig_camera_frame_init(&frame, s->pattern, shot);
    s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
    while (from < bytes) {
        hwaddr size = bytes - from;
        void *to;

        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        to = address_space_map(as, address + from, &size, true,
                               MEMTXATTRS_UNSPECIFIED);
        if (!to || size == 0 || size > bytes - from) {
            if (to) {
                address_space_unmap(as, to, size, true, 0);
            }
            *bad = address + from;
            return false;
        }
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        /* Who comes first pays for faults and cold caches: take turns. */
        if (s->calibrate && s->stat_frames % 2 == 0) {
            camera_calibrate(s, to, from, size);
        }
        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        mmrig_camera_frame_write(&frame, to, from, size);
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        if (s->calibrate && s->stat_frames % 2 != 0) {
            camera_calibrate(s, to, from, size);
            mmrig_camera_frame_write(&frame, to, from, size);
        }
        begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        address_space_unmap(as, to, size, true, size);
        s->stat_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - begun;
        from += size;
    }
    s->stat_frames++;
    s->stat_bytes += bytes;
    *crc = frame.crc32c;
    return true;
}
