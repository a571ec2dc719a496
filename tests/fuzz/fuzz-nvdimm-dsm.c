/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of mmrig-nvdimm's _DSM functions, one after another with time in between. Every answer
 * must be one, what was injected and not cleared must be what is bad, and the scrub must be one
 * that a stream may tell of.
 */
#include "common/bytes.h"
#include "fuzz-input.h"
#include "nvdimm/nvdimm-dsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MODULES 2
#define UNIT    256
#define SIZE    (1u << 20)
#define BASE(m) ((uint64_t)((m) + 4) << 20)

struct world {
    NvdimmDsm dsm;
    uint32_t changes, events;
    uint8_t *poison[MODULES]; /* a byte for each unit */
};

static void world_changed(void *opaque)
{
    struct world *world = opaque;

    world->changes++;
}

static void world_event(void *opaque, uint32_t event)
{
    struct world *world = opaque;

    CHECK(event == MMRIG_NVD_EVENT_ERROR || event == MMRIG_NVD_EVENT_HEALTH(0) ||
          event == MMRIG_NVD_EVENT_HEALTH(1));
    world->events |= event;
}

static void world_wipe(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length)
{
    struct world *world = opaque;

    CHECK(offset % UNIT == 0 && length % UNIT == 0 && offset + length <= SIZE);
    for (uint64_t at = offset; at < offset + length; at += UNIT)
        CHECK(!world->poison[module->slot][at / UNIT]);
}

static bool world_poison(void *opaque, NvdimmModule *module, uint64_t offset, uint64_t length,
                         bool bad)
{
    struct world *world = opaque;

    CHECK(offset % UNIT == 0 && length % UNIT == 0 && length > 0 && offset + length <= SIZE);
    memset(world->poison[module->slot] + offset / UNIT, bad, length / UNIT);
    return true;
}

static void world_begin(struct world *world, struct fuzz_input *input)
{
    static const char *const names[MODULES] = {"pmem0", "pmem1"};
    static const uint32_t buffers[] = {72, 100, 120, 1024, MMRIG_NVD_OUT_MAX};

    *world = (struct world){
        .dsm =
            {
                .buffer = buffers[fuzz_byte(input) % 5],
                .rate = (uint64_t)fuzz_byte(input) << 16,
                .least_ns = fuzz_byte(input) * 1000000ull,
                .changed = world_changed,
                .event = world_event,
                .wipe = world_wipe,
                .opaque = world,
            },
    };
    mmrig_nvdimm_media_init(&world->dsm.media, UNIT);
    world->dsm.media.changed = world_poison;
    world->dsm.media.opaque = world;
    for (uint32_t i = 0; i < MODULES; i++) {
        NvdimmModule *module = mmrig_nvdimm_media_module(&world->dsm.media, names[i]);

        module->present = true;
        module->base = BASE(i);
        module->size = SIZE;
        module->handle = i + 1;
        module->slot = i;
        world->poison[i] = g_malloc0(SIZE / UNIT);
    }
}

static void world_check(struct world *world)
{
    uint64_t bad = 0;

    for (uint32_t i = 0; i < MODULES; i++)
        for (uint32_t unit = 0; unit < SIZE / UNIT; unit++)
            bad += world->poison[i][unit];
    CHECK(bad == world->dsm.media.bad);
    CHECK(bad == world->dsm.injected - world->dsm.cleared);
    CHECK(mmrig_nvdimm_scrub_valid(&world->dsm));
}

/* Addresses and lengths that meet. */
static uint64_t any_address(struct fuzz_input *input)
{
    uint8_t how = fuzz_byte(input);

    if (how % 8 == 0)
        return fuzz_bytes(input, 8);
    return BASE(how >> 7) + ((uint64_t)fuzz_byte(input) << (how & 0x40 ? 8 : 12)) +
           (how & 0x20 ? fuzz_byte(input) : 0);
}

static uint64_t any_length(struct fuzz_input *input)
{
    uint8_t how = fuzz_byte(input);

    if (how % 8 == 0)
        return fuzz_bytes(input, 8);
    return how % 8 == 1 ? SIZE : ((uint64_t)(how >> 3) << 8) + (how & 4 ? 1 : 0);
}

static void check_answer(const uint8_t *out, bool with_status)
{
    uint64_t size = nvdimm_get(out, 4);

    CHECK(size >= MMRIG_NVD_OUT_DATA + 4 && size <= MMRIG_NVD_PAGE_SIZE);
    CHECK(!with_status || (nvdimm_get(out + MMRIG_NVD_OUT_DATA, 4) & 0xffff) <= 6);
    for (; size < MMRIG_NVD_PAGE_SIZE; size++)
        CHECK(out[size] == 0);
}

static void call(struct world *world, struct fuzz_input *input, int64_t now)
{
    uint8_t in[MMRIG_NVD_PAGE_SIZE] = {0}, out[MMRIG_NVD_PAGE_SIZE] = {0};
    uint8_t how = fuzz_byte(input);
    uint32_t function = how % 32 == 31 ? (uint32_t)fuzz_bytes(input, 4) : how % 32;
    NvdimmModule *module =
        how & 0x40 ? mmrig_nvdimm_media_by_handle(&world->dsm.media, 1 + (how >> 7)) : NULL;
    uint32_t mask;

    nvdimm_put(in + MMRIG_NVD_IN_FUNCTION, function, 4);
    nvdimm_put(in + MMRIG_NVD_IN_REVISION, how & 0x20 ? fuzz_byte(input) % 4 : 1, 4);
    if (module) {
        for (unsigned i = 0; i < 16; i++)
            in[MMRIG_NVD_IN_DATA + i] = fuzz_byte(input);
        if (mmrig_nvdimm_dsm_module(&world->dsm, module, in, out, &mask))
            check_answer(out, function != 0);
        else
            CHECK(out[0] == 0);
        CHECK(module->health.spares <= 100 && module->health.spares_threshold <= 100);
        return;
    }
    nvdimm_put(in + MMRIG_NVD_IN_DATA, any_address(input), 8);
    nvdimm_put(in + MMRIG_NVD_IN_DATA + 8, any_length(input), 8);
    nvdimm_put(in + MMRIG_NVD_IN_DATA + 16, fuzz_bytes(input, 3), 3);
    mmrig_nvdimm_dsm_root(&world->dsm, now, in, out);
    check_answer(out, function != 0);
    if (function == MMRIG_NVD_ARS_STATUS)
        CHECK(nvdimm_get(out, 4) <= MMRIG_NVD_OUT_DATA + world->dsm.buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct world world;
    int64_t now = 0;

    world_begin(&world, &input);
    while (input.left > 0) {
        uint8_t step = fuzz_byte(&input);

        now += (int64_t)step << 20;
        if (step % 64 == 63)
            mmrig_nvdimm_dsm_reset(&world.dsm);
        else
            call(&world, &input, now);
        world_check(&world);
    }
    mmrig_nvdimm_media_free(&world.dsm.media);
    for (unsigned i = 0; i < MODULES; i++)
        g_free(world.poison[i]);
    return 0;
}
