/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest-image.h"

#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "initramfs.h"
#include "mmrig-guest-protocol.h"

/*
 * The agent's ports, and the device by which a panic is told. QEMU's virtio devices are on
 * PCI. The pvpanic driver for PCI is from Linux 5.13 on, and not in every configuration.
 */
static const char *const boot_modules[] = {"virtio_pci", "virtio_console", "pvpanic_pci?",
                                           NULL};

/* The options behind those that cannot be missing. */
static const char *const boot_options[] = {"CONFIG_VIRTIO_PCI", "CONFIG_VIRTIO_CONSOLE", NULL};
static const char *const built_in_options[] = {"CONFIG_VIRTIO_PCI=y", "CONFIG_VIRTIO_CONSOLE=y",
                                               "CONFIG_BLK_DEV_INITRD=y", NULL};

/* The user is told now; otherwise the guest's agent would never answer. */
static gboolean check_kernel(const MmrigKernel *kernel, GError **error)
{
    const char *lacking = mmrig_kernel_lacks(kernel, boot_options);

    if (lacking) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "kernel %s has no %s, without which the agent cannot be reached",
                    kernel->spec, lacking);
        return FALSE;
    }
    lacking = kernel->modules ? NULL : mmrig_kernel_lacks(kernel, built_in_options);
    if (lacking) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "kernel %s has no %s, and no modules folder is known; give it with "
                    "path:FILE,modules=DIR",
                    kernel->spec, lacking);
        return FALSE;
    }
    return TRUE;
}

static gboolean add_guest_program(MmrigImage *image, const char *guest_path,
                                  const char *host_path, const char *what, GError **error)
{
    if (g_file_test(host_path, G_FILE_TEST_IS_REGULAR))
        return mmrig_image_add_file(image, guest_path, host_path, 0755, error);
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "no %s at %s", what, host_path);
    return FALSE;
}

static gboolean add_agent(MmrigImage *image, GError **error)
{
    g_autofree char *agent = g_build_filename(mmrig_path_guest(), "agent", NULL);

    return add_guest_program(image, "/init", agent, "agent", error);
}

static gboolean guest_image_add_test(MmrigImage *image, const char *name, GError **error)
{
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/')) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "'%s' is not the name of a guest test", name);
        return FALSE;
    }
    g_autofree char *what = g_strdup_printf("guest test %s", name);
    g_autofree char *host = g_build_filename(mmrig_path_guest(), "tests", name, NULL);
    g_autofree char *guest = g_build_filename(MMRIG_GUEST_TESTS, name, NULL);
    return add_guest_program(image, guest, host, what, error);
}

static gboolean add_manifest(MmrigImage *image, const char *name, GError **error)
{
    if (strchr(name, '/'))
        return mmrig_image_add_manifest(image, name, error);
    g_autofree char *file = g_strconcat(name, ".manifest", NULL);
    g_autofree char *path = g_build_filename(mmrig_path_data(), "images", file, NULL);
    return mmrig_image_add_manifest(image, path, error);
}

/* The folder to take modules from: with ours in it only if one of them is wanted. */
static gboolean find_modules(const MmrigKernel *kernel, const char *const *wanted,
                             char **folder, GError **error)
{
    *folder = NULL;
    if (!kernel)
        return TRUE;
    for (gsize i = 0; wanted && wanted[i]; i++) {
        if (!mmrig_kernel_module_is_ours(wanted[i]))
            continue;
        *folder = mmrig_kernel_modules_ensure(kernel, error);
        return *folder != NULL;
    }
    *folder = g_strdup(kernel->modules);
    return TRUE;
}

char *mmrig_guest_image_ensure(const MmrigKernel *kernel, const char *const *tests,
                               const char *const *manifests, const char *const *modules,
                               GError **error)
{
    g_autoptr(MmrigImage) image = mmrig_image_new();
    g_autofree char *folder = NULL;

    if (kernel && !check_kernel(kernel, error))
        return NULL;
    if (!add_manifest(image, "base", error) || !add_agent(image, error))
        return NULL;
    for (gsize i = 0; tests && tests[i]; i++)
        if (!guest_image_add_test(image, tests[i], error))
            return NULL;
    for (gsize i = 0; manifests && manifests[i]; i++)
        if (!add_manifest(image, manifests[i], error))
            return NULL;
    if (!find_modules(kernel, modules, &folder, error) ||
        !mmrig_image_add_modules(image, folder, boot_modules, modules, error))
        return NULL;
    return mmrig_image_ensure(image, error);
}
