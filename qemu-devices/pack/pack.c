/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pack: what QEMU loads by -plugin. It does so before it makes the machine,
 * so types registered here are there for -device. Nothing of the plugin
 * interface is used but its entry, and no vCPU is instrumented.
 */
#include "compat.h"

#include "qom/object.h"

#include "guard.h"

#define PACK_EXPORT __attribute__((visibility("default")))

/* Devices, by the build's mmrig_device() lines; the guard's test has none. */
#ifndef MMRIG_PACK_EMPTY
#define MMRIG_PACK_DEVICE(name)                                                \
    extern const TypeInfo *const mmrig_device_##name;
#include "pack-devices.h"
#undef MMRIG_PACK_DEVICE
#endif

static const TypeInfo *const *const devices[] = {
#ifndef MMRIG_PACK_EMPTY
#define MMRIG_PACK_DEVICE(name) &mmrig_device_##name,
#include "pack-devices.h"
#undef MMRIG_PACK_DEVICE
#endif
    NULL,
};

/*
 * Version 4 is QEMU 10.0's, and 10.2 takes it as well: so that the guard says
 * what does not fit, and not the plugin loader.
 */
PACK_EXPORT extern const int qemu_plugin_version;
const int qemu_plugin_version = 4;

/* Says what the pack is: property qemu-version of /mmrig-pack, by qom-get. */
static char *pack_version(Object *object, Error **errp)
{
    return g_strdup(MMRIG_QEMU_VERSION);
}

static void pack_announce(void)
{
    Object *object = object_new(TYPE_CONTAINER);

    object_property_add_str(object, "qemu-version", pack_version, NULL);
    object_property_add_child(object_get_root(), "mmrig-pack", object);
    object_unref(object);
}

PACK_EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc,
                                    char **argv);

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    g_autofree char *reason = mmrig_guard_check();

    if (reason) {
        fprintf(stderr, "mmrig-devices.so: %s\n", reason);
        /* Returning an error would add a line of QEMU's that says less. */
        exit(1);
    }
    for (size_t i = 0; devices[i]; i++) {
        if (object_class_by_name((*devices[i])->name)) {
            fprintf(
                stderr,
                "mmrig-devices.so: this QEMU has %s built in; use it without"
                " the pack\n",
                (*devices[i])->name);
            exit(1);
        }
        type_register_static(*devices[i]);
    }
    pack_announce();
    return 0;
}
