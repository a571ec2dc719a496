/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pack: what QEMU loads by -plugin. It does so before it makes the machine,
 * so types registered here are there for -device. Nothing of the plugin
 * interface is used but its entry, and no vCPU is instrumented.
 */
#include "compat.h"

#include "plugins/qemu-plugin.h"
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

/* Ends QEMU: returning an error would add a line of its own that says less. */
static void G_NORETURN pack_refuse(const char *reason)
{
    fprintf(stderr, "mmrig-devices.so: %s\n", reason);
    exit(1);
}

static const TypeInfo *const *const devices[] = {
#ifndef MMRIG_PACK_EMPTY
#define MMRIG_PACK_DEVICE(name) &mmrig_device_##name,
#include "pack-devices.h"
#undef MMRIG_PACK_DEVICE
#endif
    NULL,
};

PACK_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/*
 * QEMU looks at that number as soon as the pack is loaded, and says less than
 * the guard of a pack that was built for another version.
 */
static void __attribute__((constructor)) pack_check_version(void)
{
    g_autofree char *reason = mmrig_guard_check_version();

    if (reason) {
        pack_refuse(reason);
    }
}

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

PACK_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                    const qemu_info_t *info, int argc,
                                    char **argv)
{
    g_autofree char *reason = mmrig_guard_check();

    if (reason) {
        pack_refuse(reason);
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
