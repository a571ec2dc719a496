/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device-pack.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "mmrig-nvdimm-regs.h"
#include "plan-private.h"

/* What the rig has to know of a device of the pack besides its name. */
typedef struct {
    const char *type;
    guint64 store; /* bytes of a file for what outlives a machine (property store); 0: none */
    gboolean machine_checks; /* its errors are: the CPU has to be one that survives them */
    gboolean poison;         /* it makes pages bad, which devices reach by a copy of QEMU's */
} PackTraits;

static const PackTraits pack_traits[] = {
    {"mmrig-mirror", 0, FALSE, TRUE},
    {"mmrig-nvdimm", MMRIG_NVD_STORE_SIZE, TRUE, TRUE},
    {"mmrig-ras", 0, TRUE, TRUE},
};

static const PackTraits *pack_traits_of(const MmrigPackDevice *pack)
{
    static const PackTraits plain = {0};

    for (gsize i = 0; i < G_N_ELEMENTS(pack_traits); i++)
        if (strcmp(pack_traits[i].type, pack->type) == 0)
            return &pack_traits[i];
    return &plain;
}

static const MmrigIniKey pack_keys[] = {
    {"type", &mmrig_ini_name, offsetof(MmrigPackDevice, type), 0, 0, 0, NULL, TRUE,
     "a device of mmrig's device pack, by its name in QEMU", NULL, NULL},
    {"properties", &mmrig_ini_properties, offsetof(MmrigPackDevice, properties), 0, 32, 0, NULL,
     FALSE, "its properties", NULL, NULL},
};

/* The size of the file that it gets, unless its properties name one; 0: none. */
static guint64 pack_store(const MmrigPackDevice *pack)
{
    for (char **property = pack->properties; property && *property; property++)
        if (g_str_has_prefix(*property, "store="))
            return 0;
    return pack_traits_of(pack)->store;
}

static const char *pack_lacks(const MmrigMachineSpec *spec, const MmrigDevice *device)
{
    return pack_traits_of((const MmrigPackDevice *)device)->machine_checks &&
                   !spec->arch->has_mce
               ? "machine checks"
               : NULL;
}

static gboolean pack_keeps(const MmrigDevice *device)
{
    return pack_store((const MmrigPackDevice *)device) > 0;
}

static void pack_backings(const MmrigDevice *device, MmrigPlan *plan)
{
    guint64 store = pack_store((const MmrigPackDevice *)device);

    if (store)
        mmrig_plan_add_backing(plan, device->id, store);
}

static void pack_qemu(const MmrigDevice *device, const MmrigPlan *plan, GPtrArray *argv)
{
    const MmrigPackDevice *pack = (const MmrigPackDevice *)device;
    g_autoptr(GString) text = g_string_new(pack->type);

    g_string_append_printf(text, ",id=%s", device->id);
    for (char **property = pack->properties; property && *property; property++) {
        g_autofree char *escaped = mmrig_argv_escape(*property);

        g_string_append_printf(text, ",%s", escaped);
    }
    if (pack_store(pack))
        g_string_append_printf(text, ",store=/proc/self/fd/%d",
                               mmrig_plan_fd(plan, device->id));
    mmrig_argv_pair(argv, "-device", text->str);
}

const MmrigDeviceClass mmrig_device_pack = {
    .section = MMRIG_INI_SECTION("pack", pack_keys),
    .size = sizeof(MmrigPackDevice),
    .lacks = pack_lacks,
    .of_pack = TRUE,
    .keeps = pack_keeps,
    .backings = pack_backings,
    .qemu = pack_qemu,
};

gboolean mmrig_spec_makes_poison(const MmrigMachineSpec *spec)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class == &mmrig_device_pack &&
            pack_traits_of((const MmrigPackDevice *)device)->poison)
            return TRUE;
    }
    return FALSE;
}

const MmrigDevice *mmrig_spec_pack_device(const MmrigMachineSpec *spec, const char *type)
{
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class == &mmrig_device_pack &&
            strcmp(((const MmrigPackDevice *)device)->type, type) == 0)
            return device;
    }
    return NULL;
}

gboolean mmrig_spec_add_pack_device(MmrigMachineSpec *spec, const char *device, GError **error)
{
    g_auto(GStrv) words = g_strsplit(device, ",", -1);
    const MmrigIniKey *key = mmrig_ini_find(&mmrig_device_pack.section, "properties");
    g_autofree char *properties = *words ? g_strjoinv(" ", words + 1) : NULL;
    g_autofree char *problem = NULL;
    g_autofree char *id = NULL;

    if (!*words || !mmrig_name_check(*words, "device", error)) {
        if (!*words)
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                        "a device is TYPE or TYPE,KEY=VALUE...; `mmrig devices` lists them");
        return FALSE;
    }
    if (spec->devices->len == MMRIG_DEVICES_MAX) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s has %d devices already, and no machine has more", spec->title,
                    MMRIG_DEVICES_MAX);
        return FALSE;
    }
    const char *stem = g_str_has_prefix(*words, "mmrig-") ? *words + strlen("mmrig-") : *words;
    for (guint i = 0; !id; i++) {
        g_autofree char *candidate = g_strdup_printf("%.20s%u", stem, i);
        if (!mmrig_spec_device(spec, candidate))
            id = g_steal_pointer(&candidate);
    }
    MmrigPackDevice *added = (MmrigPackDevice *)mmrig_device_new(&mmrig_device_pack, id);
    g_ptr_array_add(spec->devices, added);
    added->type = g_strdup(*words);
    if (words[1] && !mmrig_ini_set(key, added, properties, &problem)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "device %s: %s", *words, problem);
        return FALSE;
    }
    if (!spec->cpu && pack_traits_of(added)->machine_checks)
        spec->cpu = g_strdup(spec->arch->cpu_errors);
    return TRUE;
}
