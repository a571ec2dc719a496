/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files out of random bytes as mmrig-nvdimm's store. One is refused with a reason, or read;
 * what is written then is what is read next, and if that place is damaged, what was there
 * before it.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "fuzz-input.h"
#include "nvdimm/nvdimm-media.h"
#include "nvdimm/nvdimm-store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AT_LENGTH 16
#define AT_CRC    28

static void put_place(int fd, unsigned place, const uint8_t *data, size_t size, bool mend)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);

    if (size == 0)
        return;
    /* By chance its length and checksum would never be right. */
    if (mend && size >= NVDIMM_STORE_HEADER) {
        nvdimm_put(bytes + AT_LENGTH, size - NVDIMM_STORE_HEADER, 4);
        nvdimm_put(bytes + AT_CRC,
                   ~mmrig_crc32c_update(mmrig_crc32c_update(CRC32C_INIT, bytes, AT_CRC),
                                        bytes + NVDIMM_STORE_HEADER,
                                        size - NVDIMM_STORE_HEADER),
                   4);
    }
    CHECK(pwrite(fd, bytes, size, (off_t)place * MMRIG_NVD_STORE_PLACE) == (ssize_t)size);
}

static void check_read(NvdimmStore *store, const GByteArray *bytes, uint32_t flags)
{
    g_autofree char *why = NULL;
    uint32_t got_flags = ~flags;
    g_autoptr(GByteArray) got = mmrig_nvdimm_store_read(store, &got_flags, &why);

    CHECK(got && !why && got_flags == flags && got->len == bytes->len);
    CHECK(memcmp(got->data, bytes->data, bytes->len) == 0);
}

static void check_writes(NvdimmStore *store, const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) first = g_byte_array_append(g_byte_array_new(), data, (guint)size);
    g_autoptr(GByteArray) second = g_byte_array_append(g_byte_array_new(), data, size / 2);
    uint8_t bit;
    off_t at;

    CHECK(mmrig_nvdimm_store_write(store, 1, first));
    check_read(store, first, 1);
    CHECK(mmrig_nvdimm_store_write(store, 0, second));
    check_read(store, second, 0);
    at = (off_t)(1 - store->next) * MMRIG_NVD_STORE_PLACE +
         (off_t)(size % (NVDIMM_STORE_HEADER + second->len));
    CHECK(pread(store->fd, &bit, 1, at) == 1);
    bit ^= 0x10;
    CHECK(pwrite(store->fd, &bit, 1, at) == 1);
    check_read(store, first, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    g_autofree char *why = NULL;
    char path[32];
    NvdimmStore store;
    uint32_t flags = 0;
    uint8_t how = fuzz_byte(&input);
    size_t first = fuzz_byte(&input);
    int fd;

    if (size < 2)
        return 0;
    fd = memfd_create("store", MFD_CLOEXEC);
    CHECK(fd >= 0);
    first = MIN(first, input.left);
    put_place(fd, 0, input.at, first, how & 1);
    put_place(fd, 1, input.at + first, input.left - first, how & 2);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(mmrig_nvdimm_store_open(&store, path, how & 4, &why) == 0);
    g_autoptr(GByteArray) bytes = mmrig_nvdimm_store_read(&store, &flags, &why);
    CHECK(!bytes || !why);
    if (!why && store.number < UINT64_MAX - 2)
        check_writes(&store, data, size);
    mmrig_nvdimm_store_close(&store);
    close(fd);
    return 0;
}
