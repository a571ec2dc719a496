/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The media of mmrig-nvdimm against a model that has a byte for each unit, and packs out of
 * random bytes: one is refused, or taken whole and made again as it was.
 */
#include "common/bytes.h"
#include "common/crc32c.h"
#include "fuzz-input.h"
#include "nvdimm/nvdimm-media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MODULES 2
#define UNITS   48
#define UNIT    256
#define PARTS   (UNIT / NVDIMM_UNIT_MIN)
#define END     ((uint64_t)UNITS * UNIT)
#define AT_CRC  20 /* in a pack's header */

struct model {
    struct {
        bool bad, known, poison;
        uint8_t stored;
    } units[MODULES][UNITS];
    bool full; /* changed() refuses */
};

static bool model_changed(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length,
                          bool bad)
{
    struct model *model = opaque;

    CHECK(offset % UNIT == 0 && length % UNIT == 0 && length > 0 && offset + length <= END);
    if (bad && model->full)
        return false;
    for (uint64_t at = offset; at < offset + length; at += UNIT)
        model->units[module->slot][at / UNIT].poison = bad;
    return true;
}

static void setup(NvdimmMedia *media, struct model *model)
{
    static const char *const names[MODULES] = {"pmem0", "pmem1"};

    mmrig_nvdimm_media_init(media, UNIT);
    media->changed = model_changed;
    media->opaque = model;
    for (uint32_t i = 0; i < MODULES; i++) {
        NvdimmModule *module = mmrig_nvdimm_media_module(media, names[i]);

        module->present = true;
        module->base = (uint64_t)(i + 1) << 20;
        module->size = END;
        module->handle = i + 1;
        module->slot = i;
    }
}

static void compare(NvdimmMedia *media, const struct model *model)
{
    uint32_t bad = 0;

    for (unsigned m = 0; m < MODULES; m++) {
        const NvdimmModule *module = mmrig_nvdimm_media_by_handle(media, m + 1);
        uint64_t offset = 0, length;
        unsigned unit = 0;
        bool known;

        while (mmrig_nvdimm_media_next(media, module, false, END, &offset, &length, &known)) {
            CHECK(length > 0 && offset % UNIT == 0 && length % UNIT == 0);
            for (; unit < offset / UNIT; unit++)
                CHECK(!model->units[m][unit].bad);
            for (; unit < (offset + length) / UNIT; unit++, bad++)
                CHECK(model->units[m][unit].bad && model->units[m][unit].known == known);
            offset += length;
        }
        for (; unit < UNITS; unit++)
            CHECK(!model->units[m][unit].bad);
    }
    CHECK(bad == media->bad);
}

static void lay(NvdimmMedia *media, struct model *model, unsigned m, uint64_t offset,
                uint64_t length, bool known)
{
    if (!mmrig_nvdimm_media_lay(media, mmrig_nvdimm_media_by_handle(media, m + 1), offset,
                                length, known)) {
        CHECK(model->full);
        return;
    }
    CHECK(!model->full);
    for (uint64_t i = offset / UNIT; i * UNIT < offset + length; i++) {
        model->units[m][i].known =
            known || (model->units[m][i].bad && model->units[m][i].known);
        model->units[m][i].bad = true;
        model->units[m][i].stored = 0;
        CHECK(model->units[m][i].poison);
    }
}

static void heal(NvdimmMedia *media, struct model *model, unsigned m, uint64_t offset,
                 uint64_t length)
{
    uint32_t healed = 0;

    for (uint64_t i = offset / UNIT; i * UNIT < offset + length; i++) {
        healed += model->units[m][i].bad;
        model->units[m][i].bad = model->units[m][i].known = false;
    }
    CHECK(mmrig_nvdimm_media_heal(media, mmrig_nvdimm_media_by_handle(media, m + 1), offset,
                                  length) == healed);
    for (uint64_t i = offset / UNIT; healed > 0 && i * UNIT < offset + length; i++)
        CHECK(!model->units[m][i].poison);
}

/* Of whole parts. */
static void store(NvdimmMedia *media, struct model *model, unsigned m, uint64_t offset,
                  uint64_t length)
{
    uint32_t healed = 0;

    offset -= offset % NVDIMM_UNIT_MIN;
    length += -(offset + length) % NVDIMM_UNIT_MIN;
    for (uint64_t at = offset; at < offset + length; at += NVDIMM_UNIT_MIN) {
        unsigned i = (unsigned)(at / UNIT);

        if (!model->units[m][i].bad)
            continue;
        model->units[m][i].stored |= 1u << at / NVDIMM_UNIT_MIN % PARTS;
        if (model->units[m][i].stored == (1u << PARTS) - 1) {
            model->units[m][i].bad = model->units[m][i].known = false;
            healed++;
        }
    }
    CHECK(mmrig_nvdimm_media_stored(media, mmrig_nvdimm_media_by_handle(media, m + 1), offset,
                                    length) == healed);
}

static void learn(NvdimmMedia *media, struct model *model, unsigned m, uint64_t offset,
                  uint64_t length)
{
    mmrig_nvdimm_media_learn(media, mmrig_nvdimm_media_by_handle(media, m + 1), offset, length);
    for (uint64_t i = offset / UNIT; i * UNIT < offset + length; i++)
        model->units[m][i].known = model->units[m][i].bad;
}

/* What is packed is there again, but for the stores that made a unit good in part. */
static void move(NvdimmMedia *media, struct model *model)
{
    g_autoptr(GByteArray) pack = mmrig_nvdimm_media_pack(media);
    g_autoptr(GByteArray) again = NULL;
    const char *why;

    model->full = false;
    CHECK(pack->len <= NVDIMM_PACK_MAX);
    CHECK(mmrig_nvdimm_media_unpack(media, pack->data, pack->len, &why));
    again = mmrig_nvdimm_media_pack(media);
    CHECK(again->len == pack->len && memcmp(again->data, pack->data, pack->len) == 0);
    for (unsigned m = 0; m < MODULES; m++)
        for (unsigned i = 0; i < UNITS; i++) {
            model->units[m][i].stored = 0;
            CHECK(!model->units[m][i].bad || model->units[m][i].poison);
        }
}

static void fuzz_changes(struct fuzz_input *input)
{
    struct model model = {0};
    NvdimmMedia media;

    setup(&media, &model);
    while (input->left > 0) {
        uint8_t what = fuzz_byte(input);
        unsigned m = what >> 7;
        uint64_t offset = fuzz_bytes(input, 2) % END;
        uint64_t length = 1 + fuzz_bytes(input, 2) % (8 * UNIT);

        length = MIN(length, END - offset);
        model.full = what & 0x40;
        switch (what % 8) {
        case 0:
        case 1:
            lay(&media, &model, m, offset, length, what & 0x20);
            break;
        case 2:
            heal(&media, &model, m, offset, length);
            break;
        case 3:
        case 4:
            store(&media, &model, m, offset, length);
            break;
        case 5:
            learn(&media, &model, m, offset, length);
            break;
        case 6:
            move(&media, &model);
            break;
        default:
            CHECK(!mmrig_nvdimm_media_at(&media, media.unit, length));
            CHECK(mmrig_nvdimm_media_at(&media, ((uint64_t)(m + 1) << 20) + offset, length) ==
                  mmrig_nvdimm_media_by_handle(&media, m + 1));
            break;
        }
        compare(&media, &model);
    }
    mmrig_nvdimm_media_free(&media);
}

static void fuzz_pack(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);
    NvdimmMedia media;
    const char *why = NULL;

    mmrig_nvdimm_media_init(&media, UNIT);
    /* By chance it would never be right. */
    if (size >= AT_CRC + 4) {
        nvdimm_put(bytes + AT_CRC, 0, 4);
        nvdimm_put(bytes + AT_CRC, ~mmrig_crc32c_update(CRC32C_INIT, bytes, size), 4);
    }
    if (mmrig_nvdimm_media_unpack(&media, bytes, size, &why)) {
        g_autoptr(GByteArray) pack = mmrig_nvdimm_media_pack(&media);
        g_autoptr(GByteArray) again = NULL;

        CHECK(!why && pack->len == size);
        CHECK(mmrig_nvdimm_media_unpack(&media, pack->data, pack->len, &why));
        again = mmrig_nvdimm_media_pack(&media);
        CHECK(again->len == size && memcmp(again->data, pack->data, size) == 0);
    } else {
        CHECK(why && media.bad == 0 && media.modules->len == 0);
    }
    mmrig_nvdimm_media_free(&media);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    if (fuzz_byte(&input) & 1)
        fuzz_pack(input.at, input.left);
    else
        fuzz_changes(&input);
    return 0;
}
