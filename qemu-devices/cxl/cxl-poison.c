/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A CXL window is an I/O region of QEMU's, whose handlers
 * find the device and have the access there. Ours lies over it, looks at the
 * device's list when something is read, and goes on to QEMU's handlers. So the
 * list is asked at each access, and whoever changes it need not tell.
 *
 * From 11.0 on QEMU lays memory that is not interleaved into its window as RAM
 * (cxl_fmws_direct_passthrough_setup() in hw/cxl/cxl-host.c). Ours lies over
 * that as well, and access is as slow as it was before.
 *
 * A store does not take an address off the list: that is for the guest's Clear
 * Poison, which QEMU obeys.
 */
#include "compat.h"

#include "qapi/error.h"
#include "qemu/bswap.h"
#include "system/system.h"
#include "system/address-spaces.h"

#include "cxl-poison.h"
#include "cxl-route.h"

/* QEMU's name for the region of a window (hw/i386/pc.c), and ours. */
#define CXL_WINDOW_NAME "cxl-fixed-memory-region"
/* In a General Media Event (CXL 3.1, table 8-45). */
#define CXL_UNCORRECTABLE 0x01 /* memory event descriptor */
#define CXL_ECC_ERROR 0x00     /* memory event type */
#define CXL_HOST_READ 0x01     /* transaction type */
#define CXL_SEVERITY_FAILURE 2 /* event record flags, table 8-42 */

typedef struct CxlPoison {
    MmrigPoison *poison;
    int source;
    GPtrArray *windows; /* of CxlWindow */
    Notifier machine_done;
} CxlPoison;

typedef struct CxlWindow {
    CxlPoison *owner;
    MemoryRegion *qemus;
    MemoryRegion ours; /* over it */
} CxlWindow;

static const QemuUUID cxl_general_media = {
    .data = UUID(0xfbcd0a77, 0xc260, 0x417f, 0x85, 0xa9, 0x08, 0x8b, 0x16, 0x21,
                 0xeb, 0xa6),
};

/* The first address of a range that is on the device's list. */
static bool cxl_listed(const CXLType3Dev *device, uint64_t dpa, unsigned size,
                       uint64_t *first)
{
    const CXLPoison *entry;
    bool found = false;

    QLIST_FOREACH(entry, &device->poison_list, node)
    {
        uint64_t from = MAX(dpa, entry->start);

        if (from - dpa < size && from - entry->start < entry->length &&
            (!found || from < *first)) {
            *first = from;
            found = true;
        }
    }
    return found;
}

/* The device logs it, and tells by its interrupt if the guest asked for that.
 */
static void cxl_log(CXLType3Dev *device, uint64_t dpa)
{
    CXLEventGenMedia event = {
        .hdr =
            {
                .id = cxl_general_media,
                .length = sizeof(event),
                .timestamp =
                    cpu_to_le64(cxl_device_get_timestamp(&device->cxl_dstate)),
            },
        .descriptor = CXL_UNCORRECTABLE,
        .type = CXL_ECC_ERROR,
        .transaction_type = CXL_HOST_READ,
    };

    st24_le_p(event.hdr.flags, CXL_SEVERITY_FAILURE);
    stq_le_p(&event.phys_addr, QEMU_ALIGN_DOWN(dpa, MMRIG_POISON_GRANULE));
    if (cxl_event_insert(&device->cxl_dstate, CXL_EVENT_TYPE_FAIL,
                         (CXLEventRecordRaw *)&event)) {
        cxl_event_irq_assert(device);
    }
}

static MemTxResult cxl_window_read(void *opaque, hwaddr offset, uint64_t *data,
                                   unsigned size, MemTxAttrs attrs)
{
    CxlWindow *window = opaque;
    CxlPoison *owner = window->owner;
    hwaddr gpa = window->qemus->addr + offset;
    uint64_t dpa = 0;
    uint64_t bad = 0;
    CXLType3Dev *device = mmrig_cxl_route(window->qemus->opaque, gpa, &dpa);

    if (device && cxl_listed(device, dpa, size, &bad) &&
        !mmrig_poison_meet(owner->poison, UINT64_C(1) << owner->source,
                           gpa + (bad - dpa), size - (bad - dpa), attrs)) {
        *data = UINT64_MAX;
        return MEMTX_ERROR;
    }
    return window->qemus->ops->read_with_attrs(window->qemus->opaque, offset,
                                               data, size, attrs);
}

static MemTxResult cxl_window_write(void *opaque, hwaddr offset, uint64_t data,
                                    unsigned size, MemTxAttrs attrs)
{
    CxlWindow *window = opaque;

    return window->qemus->ops->write_with_attrs(window->qemus->opaque, offset,
                                                data, size, attrs);
}

/*
 * Whoever's poison it is that was read, it is the device that has seen it: on
 * its list, or in the map over its memory.
 */
static void cxl_consumed(void *opaque, const MmrigPoisonAccess *access)
{
    CxlPoison *owner = opaque;

    for (guint i = 0; i < owner->windows->len; i++) {
        CxlWindow *window = g_ptr_array_index(owner->windows, i);
        uint64_t size = int128_get64(window->qemus->size);
        CXLType3Dev *device;
        uint64_t dpa;

        if (access->gpa < window->qemus->addr ||
            access->gpa - window->qemus->addr >= size) {
            continue;
        }
        device = mmrig_cxl_route(window->qemus->opaque, access->gpa, &dpa);
        if (device) {
            cxl_log(device, dpa);
        }
    }
}

static const MmrigPoisonOps cxl_poison_ops = {
    .consumed = cxl_consumed,
};

static const MemoryRegionOps cxl_window_ops = {
    .read_with_attrs = cxl_window_read,
    .write_with_attrs = cxl_window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

static void cxl_cover_windows(Notifier *notifier, void *data)
{
    CxlPoison *owner = container_of(notifier, CxlPoison, machine_done);
    MemoryRegion *region;

    QTAILQ_FOREACH(region, &get_system_memory()->subregions, subregions_link)
    {
        CxlWindow *window;

        if (g_strcmp0(memory_region_name(region), CXL_WINDOW_NAME) != 0) {
            continue;
        }
        window = g_new0(CxlWindow, 1);
        window->owner = owner;
        window->qemus = region;
        /* The poison map knows by the name that it leads to memory. */
        memory_region_init_io(&window->ours, OBJECT(owner->poison),
                              &cxl_window_ops, window, CXL_WINDOW_NAME,
                              int128_get64(region->size));
        memory_region_add_subregion_overlap(region, 0, &window->ours, 1);
        g_ptr_array_add(owner->windows, window);
    }
}

bool mmrig_cxl_poison_start(MmrigPoison *poison, Error **errp)
{
    CxlPoison *owner = g_new0(CxlPoison, 1);

    owner->poison = poison;
    owner->source =
        mmrig_poison_join(poison, "cxl", &cxl_poison_ops, owner, errp);
    if (owner->source < 0) {
        g_free(owner);
        return false;
    }
    owner->windows = g_ptr_array_new();
    owner->machine_done.notify = cxl_cover_windows;
    qemu_add_machine_init_done_notifier(&owner->machine_done);
    return true;
}
