/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gpt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define SECTOR 512
/* The least room that there must be for entries is 16 KiB (5.3.1). */
#define ENTRIES         128
#define ENTRY_SIZE      128
#define ENTRIES_SECTORS (ENTRIES * ENTRY_SIZE / SECTOR)
#define HEADER_SIZE     92

/* GUIDs as they lie on the disk: the first three parts are numbers in little-endian order. */
static const guint8 system_partition[] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                          0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
/* Nobody else can have this disk, so its names need not be new ones each time. */
static const guint8 disk_id[] = {0x49, 0x52, 0x4d, 0x4d, 0x00, 0x47, 0x53, 0x45,
                                 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
static const guint8 partition_id[] = {0x49, 0x52, 0x4d, 0x4d, 0x00, 0x47, 0x53, 0x45,
                                      0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};

guint32 mmrig_gpt_crc(const guint8 *bytes, gsize size)
{
    guint32 crc = G_MAXUINT32;

    for (gsize i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (guint bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void put(guint8 *at, guint64 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++)
        at[i] = (guint8)(value >> 8 * i);
}

/* For software that knows nothing of the table: all of the disk is taken (5.2.3). */
static void protect(guint8 *sector, guint64 sectors)
{
    guint8 *record = sector + 446;

    record[2] = 0x02; /* the first sector's place on a disk with cylinders */
    record[4] = 0xee;
    memset(record + 5, 0xff, 3); /* the last one's: out of reach */
    put(record + 8, 1, 4);
    put(record + 12, MIN(sectors - 1, G_MAXUINT32), 4);
    sector[510] = 0x55;
    sector[511] = 0xaa;
}

/* Table 5.5; here is the header's own sector, there that of its double. */
static void make_header(guint8 *header, const guint8 *entries, guint64 here, guint64 there,
                        guint64 sectors)
{
    memcpy(header, "EFI PART", 8);
    put(header + 8, 0x00010000, 4);
    put(header + 12, HEADER_SIZE, 4);
    put(header + 24, here, 8);
    put(header + 32, there, 8);
    put(header + 40, 2 + ENTRIES_SECTORS, 8);
    put(header + 48, sectors - 2 - ENTRIES_SECTORS, 8);
    memcpy(header + 56, disk_id, sizeof(disk_id));
    put(header + 72, here == 1 ? 2 : here - ENTRIES_SECTORS, 8);
    put(header + 80, ENTRIES, 4);
    put(header + 84, ENTRY_SIZE, 4);
    put(header + 88, mmrig_gpt_crc(entries, ENTRIES_SECTORS * SECTOR), 4);
    put(header + 16, mmrig_gpt_crc(header, HEADER_SIZE), 4);
}

/* Table 5.6. */
static void make_entry(guint8 *entry, guint64 sectors)
{
    static const char name[] = "EFI system partition";

    memcpy(entry, system_partition, sizeof(system_partition));
    memcpy(entry + 16, partition_id, sizeof(partition_id));
    put(entry + 32, MMRIG_GPT_MARGIN / SECTOR, 8);
    put(entry + 40, sectors - MMRIG_GPT_MARGIN / SECTOR - 1, 8);
    for (gsize i = 0; i < sizeof(name) - 1; i++)
        put(entry + 56 + 2 * i, (guint8)name[i], 2);
}

static gboolean put_out(int fd, const guint8 *bytes, gsize size, guint64 at, GError **error)
{
    for (gsize done = 0; done < size;) {
        gssize part = pwrite(fd, bytes + done, size - done, (off_t)(at + done));
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG,
                        "cannot write a partition table: %s", g_strerror(errno));
            return FALSE;
        }
        done += (gsize)part;
    }
    return TRUE;
}

gboolean mmrig_gpt_write(int fd, guint64 size, GError **error)
{
    /* At the start: the protective record, the header, the entries; at the end: entries,
     * header.
     */
    guint8 start[(2 + ENTRIES_SECTORS) * SECTOR] = {0};
    guint8 end[(ENTRIES_SECTORS + 1) * SECTOR] = {0};
    guint8 *entries = start + (gsize)2 * SECTOR;
    guint64 sectors = size / SECTOR;

    g_return_val_if_fail(size > 2 * MMRIG_GPT_MARGIN && size % MMRIG_GPT_MARGIN == 0, FALSE);
    make_entry(entries, sectors);
    memcpy(end, entries, ENTRIES_SECTORS * SECTOR);
    protect(start, sectors);
    make_header(start + SECTOR, entries, 1, sectors - 1, sectors);
    make_header(end + ENTRIES_SECTORS * SECTOR, entries, sectors - 1, 1, sectors);
    return put_out(fd, start, sizeof(start), 0, error) &&
           put_out(fd, end, sizeof(end), size - sizeof(end), error);
}
