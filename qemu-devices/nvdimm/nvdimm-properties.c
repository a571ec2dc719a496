/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The properties of mmrig-nvdimm that QMP works at run time, and all their
 * texts. */
#include "compat.h"

#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/cutils.h"

#include "nvdimm-device.h"

/* The machine sees what has changed before anybody is told that it has. */
static void nvdimm_settle(MmrigNvdimm *s)
{
    if (s->poison && !current_cpu) {
        mmrig_poison_wait(s->poison);
    }
}

/* "MODULE OFFSET LENGTH" with words behind; offset and length are checked. */
static NvdimmModule *nvdimm_parse(MmrigNvdimm *s, const char *text,
                                  uint64_t *offset, uint64_t *length,
                                  char **rest, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 4);
    NvdimmModule *module;

    if (!s->below) {
        error_setg(errp, "the machine is not there yet");
        return NULL;
    }
    mmrig_nvdimm_refresh(s);
    mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    if (g_strv_length(words) < 3 ||
        qemu_strtou64(words[1], NULL, 0, offset) < 0 ||
        qemu_strtou64(words[2], NULL, 0, length) < 0) {
        error_setg(errp, "'%s' is not MODULE OFFSET LENGTH", text);
        return NULL;
    }
    module = mmrig_nvdimm_media_find(&s->dsm.media, words[0]);
    if (!module || !module->present) {
        error_setg(errp, "there is no NVDIMM '%s'", words[0]);
        return NULL;
    }
    if (*length == 0 || *offset >= module->size ||
        *length > module->size - *offset) {
        error_setg(errp,
                   "%s has 0x%" PRIx64 " bytes; 0x%" PRIx64 " at 0x%" PRIx64
                   " are not in it",
                   module->name, module->size, *length, *offset);
        return NULL;
    }
    *rest = g_strdup(words[3]);
    return module;
}

static void nvdimm_set_inject(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    g_autofree char *rest = NULL;
    uint64_t offset;
    uint64_t length;
    NvdimmModule *module = nvdimm_parse(s, text, &offset, &length, &rest, errp);

    if (!module) {
        return;
    }
    if (rest && strcmp(rest, "notify") != 0) {
        error_setg(errp, "'%s' is not 'notify'", rest);
        return;
    }
    if (!mmrig_nvdimm_dsm_inject(&s->dsm, module, offset, length,
                                 rest != NULL)) {
        error_setg(errp,
                   "too many errors: at most %d units of %u bytes, and %d"
                   " pages with poison in the machine",
                   NVDIMM_UNITS_MAX, s->unit, MMRIG_POISON_PAGES_MAX);
    }
    nvdimm_settle(s);
}

static void nvdimm_set_clear(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    g_autofree char *rest = NULL;
    uint64_t offset;
    uint64_t length;
    NvdimmModule *module;

    if (strcmp(text, "all") == 0) {
        mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
        for (guint i = 0; i < s->dsm.media.modules->len; i++) {
            module = g_ptr_array_index(s->dsm.media.modules, i);
            s->dsm.cleared +=
                mmrig_nvdimm_media_heal(&s->dsm.media, module, 0, INT64_MAX);
        }
        mmrig_nvdimm_save(s);
        nvdimm_settle(s);
        return;
    }
    module = nvdimm_parse(s, text, &offset, &length, &rest, errp);
    if (!module) {
        return;
    }
    if (rest) {
        error_setg(errp, "'%s' is too much", rest);
        return;
    }
    s->dsm.cleared +=
        mmrig_nvdimm_media_heal(&s->dsm.media, module, offset, length);
    mmrig_nvdimm_save(s);
    nvdimm_settle(s);
}

static char *nvdimm_get_errors(Object *object, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    GString *text = g_string_new(NULL);

    mmrig_nvdimm_dsm_poll(&s->dsm, nvdimm_now());
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);
        uint64_t offset = 0;
        uint64_t length;
        bool known;

        while (mmrig_nvdimm_media_next(&s->dsm.media, module, false, UINT64_MAX,
                                       &offset, &length, &known)) {
            g_string_append_printf(text, "%s 0x%" PRIx64 " 0x%" PRIx64 " %s\n",
                                   module->name, offset, length,
                                   known ? "known" : "unknown");
            offset += length;
        }
    }
    return g_string_free(text, FALSE);
}

static char *nvdimm_get_modules(Object *object, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    GString *text = g_string_new(NULL);

    if (s->below) {
        mmrig_nvdimm_refresh(s);
    }
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        const NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);

        if (module->present) {
            g_string_append_printf(
                text, "%s 0x%" PRIx64 " 0x%" PRIx64 " handle %u\n",
                module->name, module->base, module->size, module->handle);
        }
    }
    return g_string_free(text, FALSE);
}

static void nvdimm_set_notify(Object *object, const char *text, Error **errp)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);
    NvdimmModule *module;

    if (!s->notify || !s->below) {
        error_setg(errp, "the device was made with notify=off");
        return;
    }
    if (strcmp(text, "error") == 0) {
        mmrig_nvdimm_event(s, MMRIG_NVD_EVENT_ERROR);
        return;
    }
    mmrig_nvdimm_refresh(s);
    module = mmrig_nvdimm_media_find(&s->dsm.media, text);
    if (!module || !module->present ||
        module->slot >= MMRIG_NVD_EVENT_HEALTH_MAX) {
        error_setg(errp,
                   "'%s' is neither 'error' nor an NVDIMM that can notify",
                   text);
        return;
    }
    mmrig_nvdimm_event(s, MMRIG_NVD_EVENT_HEALTH(module->slot));
}

static void nvdimm_add_counter(Object *object, const char *name,
                               const uint64_t *value)
{
    object_property_add_uint64_ptr(object, name, value, OBJ_PROP_FLAG_READ);
}

/* What `mmrig devices` says of each property. */
static const struct {
    const char *name;
    const char *text;
} nvdimm_help[] = {
    {"store", "file that keeps errors and health (default none)"},
    {"unit", "bytes that are lost and cleared together, a power of two"},
    {"ars-buffer", "bytes that Query ARS Status can answer"},
    {"ars-rate", "bytes that a scrub goes through in a second"},
    {"ars-time-ms", "how long a scrub takes at least"},
    {"notify", "give the guest the ACPI method that tells it of errors"},
    {"debug", "tell in QEMU's log what it does"},
    {"inject", "write only: MODULE OFFSET LENGTH [notify]"},
    {"clear", "write only: MODULE OFFSET LENGTH, or all; contents stay"},
    {"raise", "write only: error, or a module to be told of"},
    {"errors", "read only: module, offset, length, known or unknown"},
    {"modules", "read only: id, address, size and handle of each"},
    {"count-calls", "read only: calls by the guest"},
    {"count-refused", "read only: those whose status was not 0"},
    {"count-scrubs", "read only: scrubs that came to their end"},
    {"count-overflows", "read only: scrubs that the buffer stopped"},
    {"count-injected", "read only: units that went bad"},
    {"count-cleared", "read only: units that were made good"},
    {"count-consumed", "read only: reads of bad units"},
    {"count-notified", "read only: notifications"},
};

void mmrig_nvdimm_class_add_properties(ObjectClass *klass)
{
    object_class_property_add_str(klass, "inject", NULL, nvdimm_set_inject);
    object_class_property_add_str(klass, "clear", NULL, nvdimm_set_clear);
    object_class_property_add_str(klass, "raise", NULL, nvdimm_set_notify);
    object_class_property_add_str(klass, "errors", nvdimm_get_errors, NULL);
    object_class_property_add_str(klass, "modules", nvdimm_get_modules, NULL);
}

void mmrig_nvdimm_add_properties(Object *object)
{
    MmrigNvdimm *s = MMRIG_NVDIMM(object);

    nvdimm_add_counter(object, "count-calls", &s->dsm.calls);
    nvdimm_add_counter(object, "count-refused", &s->dsm.refused);
    nvdimm_add_counter(object, "count-scrubs", &s->dsm.scrubs);
    nvdimm_add_counter(object, "count-overflows", &s->dsm.overflows);
    nvdimm_add_counter(object, "count-injected", &s->dsm.injected);
    nvdimm_add_counter(object, "count-cleared", &s->dsm.cleared);
    nvdimm_add_counter(object, "count-consumed", &s->consumed);
    nvdimm_add_counter(object, "count-notified", &s->notified);
    for (size_t i = 0; i < ARRAY_SIZE(nvdimm_help); i++) {
        object_property_set_description(object, nvdimm_help[i].name,
                                        nvdimm_help[i].text);
    }
}
