/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The media of a machine's NVDIMMs: which parts of them are bad, and how well
 * each module is. Apart from QEMU, so it is tested on its own.
 *
 * Bad parts are counted in units, the least that can be cleared. A unit is
 * known if a scrub has found it, somebody has read it, or whoever laid it said
 * so; a short scrub reports only what is known. The whole of it can be put into
 * a block of bytes and taken out again: for the file beside the backing file,
 * and for migration.
 */
#ifndef MMRIG_NVDIMM_MEDIA_H
#define MMRIG_NVDIMM_MEDIA_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "mmrig-nvdimm-regs.h"

#define NVDIMM_NAME_MAX 63
#define NVDIMM_UNIT_MIN 64 /* also the part that a store makes good */
#define NVDIMM_UNIT_MAX 4096
#define NVDIMM_MAX 64          /* modules that are remembered */
#define NVDIMM_UNITS_MAX 65536 /* bad units of all of them */
#define NVDIMM_PACK_MAX (2 * 1024 * 1024)

/* How a module is, as its health functions say. */
typedef struct NvdimmHealth {
    uint16_t media_temperature;
    uint16_t ctrl_temperature;
    uint16_t media_threshold;
    uint16_t ctrl_threshold;
    uint16_t alarms; /* enabled */
    uint8_t spares;  /* percent that are left */
    uint8_t spares_threshold;
    uint8_t injected; /* MMRIG_NVD_SMART_INJECT_* */
    uint8_t latched;
    uint8_t dirty; /* the latest shutdown was not clean */
    uint32_t shutdown_count;
} NvdimmHealth;

typedef struct NvdimmUnit {
    uint64_t offset; /* bytes from the module's start */
    uint64_t stored; /* bit by bit, its parts that stores have made good */
    bool known;
} NvdimmUnit;

typedef struct NvdimmModule {
    char name[NVDIMM_NAME_MAX + 1];
    GArray *units; /* of NvdimmUnit, by offset */
    NvdimmHealth health;
    /* Of the running machine; not packed. */
    bool present;
    uint64_t base;
    uint64_t size;
    uint32_t handle;
    uint32_t slot;
} NvdimmModule;

typedef struct NvdimmMedia {
    uint32_t unit; /* bytes, a power of two */
    uint32_t bad;  /* units of all modules */
    GPtrArray *modules;
    /*
     * Called for each part before it becomes bad, and when it has become good,
     * if not NULL. False, for the former, says that it cannot be.
     */
    bool (*changed)(void *opaque, NvdimmModule *module, uint64_t offset,
                    uint64_t length, bool bad);
    void *opaque;
} NvdimmMedia;

void mmrig_nvdimm_media_init(NvdimmMedia *media, uint32_t unit);
void mmrig_nvdimm_media_free(NvdimmMedia *media);

/* The module of that name, made if it is not there; NULL if there are too many.
 */
NvdimmModule *mmrig_nvdimm_media_module(NvdimmMedia *media, const char *name);
NvdimmModule *mmrig_nvdimm_media_find(NvdimmMedia *media, const char *name);
NvdimmModule *mmrig_nvdimm_media_by_handle(NvdimmMedia *media, uint32_t handle);

/* The present module that all of the range lies in, or NULL. */
NvdimmModule *mmrig_nvdimm_media_at(NvdimmMedia *media, uint64_t address,
                                    uint64_t length);

/*
 * Makes the units that the range touches bad. The range must lie within the
 * module. False if there would be too many, or if changed() says so.
 */
bool mmrig_nvdimm_media_lay(NvdimmMedia *media, NvdimmModule *module,
                            uint64_t offset, uint64_t length, bool known);

/* Makes the units that the range touches good; returns how many were bad. */
uint32_t mmrig_nvdimm_media_heal(NvdimmMedia *media, NvdimmModule *module,
                                 uint64_t offset, uint64_t length);

/*
 * Stores have made the range good, which is of whole parts. A unit is good once
 * all its parts are; changed() is not called. Returns how many units that were.
 */
uint32_t mmrig_nvdimm_media_stored(NvdimmMedia *media, NvdimmModule *module,
                                   uint64_t offset, uint64_t length);

/* The bad units that the range touches are known from now on. */
void mmrig_nvdimm_media_learn(NvdimmMedia *media, NvdimmModule *module,
                              uint64_t offset, uint64_t length);

/*
 * The first bad part at or after *offset and before end, with neighbours of the
 * same knowledge joined to it. False if there is none.
 */
bool mmrig_nvdimm_media_next(const NvdimmMedia *media,
                             const NvdimmModule *module, bool known_only,
                             uint64_t end, uint64_t *offset, uint64_t *length,
                             bool *known);

/* Calls changed() for all that is bad in the module, if it is present. */
void mmrig_nvdimm_media_replay(NvdimmMedia *media, NvdimmModule *module,
                               bool bad);

GByteArray *mmrig_nvdimm_media_pack(const NvdimmMedia *media);

/*
 * Takes the place of all bad parts and healths. The bytes are trusted with
 * nothing: if they are not whole and right, *why says in a word or two what is
 * wrong, and the media stay as they are.
 */
bool mmrig_nvdimm_media_unpack(NvdimmMedia *media, const uint8_t *bytes,
                               size_t size, const char **why);

void mmrig_nvdimm_health_init(NvdimmHealth *health);

#endif
