/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nvdimm-store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/bytes.h"
#include "nvdimm-media.h"

/* magic, version, number (64 bits), length, flags, 0, CRC32C of all of it */
#define STORE_MAGIC 0x7369726d6d72u /* "rmmris" in memory, 48 bits */
#define STORE_VERSION 1
#define AT_VERSION 6
#define AT_NUMBER 8
#define AT_LENGTH 16
#define AT_FLAGS 20
#define AT_CRC 28

G_STATIC_ASSERT(MMRIG_NVD_STORE_PLACE >= NVDIMM_PACK_MAX + NVDIMM_STORE_HEADER);

int mmrig_nvdimm_store_open(NvdimmStore *store, const char *path,
                            bool exclusive, char **why)
{
    *store =
        (NvdimmStore){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (store->fd < 0) {
        *why = g_strdup_printf("cannot open %s: %s", path, g_strerror(errno));
        return -1;
    }
    if (exclusive && flock(store->fd, LOCK_EX | LOCK_NB) != 0) {
        *why = g_strdup_printf("%s belongs to another machine that runs", path);
        mmrig_nvdimm_store_close(store);
        return -1;
    }
    return 0;
}

void mmrig_nvdimm_store_close(NvdimmStore *store)
{
    if (store->fd >= 0) {
        close(store->fd);
    }
    store->fd = -1;
}

/* Bytes that could be read, at most size. */
static size_t read_at(int fd, uint8_t *to, size_t size, off_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t part = pread(fd, to + done, size - done, offset + done);

        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part <= 0) {
            break;
        }
        done += part;
    }
    return done;
}

static uint32_t checksum(const uint8_t *header, const uint8_t *bytes,
                         size_t size)
{
    return ~mmrig_crc32c_update(
        mmrig_crc32c_update(CRC32C_INIT, header, AT_CRC), bytes, size);
}

/* One place; blank is set if nothing was ever written there. */
static GByteArray *read_place(const NvdimmStore *store, unsigned place,
                              uint64_t *number, uint32_t *flags, bool *blank)
{
    static const uint8_t zeroes[NVDIMM_STORE_HEADER];
    const off_t start = (off_t)place * MMRIG_NVD_STORE_PLACE;
    uint8_t header[NVDIMM_STORE_HEADER];
    size_t got = read_at(store->fd, header, sizeof(header), start);
    GByteArray *bytes;
    uint32_t length;

    *blank = memcmp(header, zeroes, got) == 0;
    if (got < sizeof(header) || nvdimm_get(header, 6) != STORE_MAGIC ||
        nvdimm_get(header + AT_VERSION, 2) != STORE_VERSION) {
        return NULL;
    }
    length = nvdimm_get(header + AT_LENGTH, 4);
    if (length > NVDIMM_PACK_MAX) {
        return NULL;
    }
    bytes = g_byte_array_new();
    g_byte_array_set_size(bytes, length);
    if (read_at(store->fd, bytes->data, length, start + NVDIMM_STORE_HEADER) !=
            length ||
        checksum(header, bytes->data, length) !=
            nvdimm_get(header + AT_CRC, 4)) {
        g_byte_array_unref(bytes);
        return NULL;
    }
    *number = nvdimm_get(header + AT_NUMBER, 8);
    *flags = nvdimm_get(header + AT_FLAGS, 4);
    return bytes;
}

GByteArray *mmrig_nvdimm_store_read(NvdimmStore *store, uint32_t *flags,
                                    char **why)
{
    GByteArray *best = NULL;
    bool all_blank = true;

    for (unsigned place = 0; place < 2; place++) {
        uint64_t number;
        uint32_t its_flags;
        bool blank;
        GByteArray *bytes =
            read_place(store, place, &number, &its_flags, &blank);

        all_blank = all_blank && blank;
        if (!bytes) {
            continue;
        }
        if (best && number < store->number) {
            g_byte_array_unref(bytes);
            continue;
        }
        g_clear_pointer(&best, g_byte_array_unref);
        best = bytes;
        store->number = number;
        store->next = 1 - place;
        *flags = its_flags;
    }
    if (!best && !all_blank) {
        *why = g_strdup("is no file of mmrig-nvdimm's, or damaged in both of"
                        " its places");
    }
    return best;
}

bool mmrig_nvdimm_store_write(NvdimmStore *store, uint32_t flags,
                              const GByteArray *bytes)
{
    g_autofree uint8_t *all = g_malloc0(NVDIMM_STORE_HEADER + bytes->len);
    size_t size = NVDIMM_STORE_HEADER + bytes->len;
    size_t done = 0;

    nvdimm_put(all, STORE_MAGIC, 6);
    nvdimm_put(all + AT_VERSION, STORE_VERSION, 2);
    nvdimm_put(all + AT_NUMBER, store->number + 1, 8);
    nvdimm_put(all + AT_LENGTH, bytes->len, 4);
    nvdimm_put(all + AT_FLAGS, flags, 4);
    memcpy(all + NVDIMM_STORE_HEADER, bytes->data, bytes->len);
    nvdimm_put(all + AT_CRC,
               checksum(all, all + NVDIMM_STORE_HEADER, bytes->len), 4);
    while (done < size) {
        ssize_t part =
            pwrite(store->fd, all + done, size - done,
                   (off_t)store->next * MMRIG_NVD_STORE_PLACE + (off_t)done);

        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part <= 0) {
            return false;
        }
        done += part;
    }
    store->number++;
    store->next = 1 - store->next;
    return true;
}
