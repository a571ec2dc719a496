/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/paths.h"
#include "doctor-probe-private.h"
#include "doctor.h"
#include "image/guest-image.h"
#include "kernel/kernel.h"
#include "machine/plan.h"
#include "qemu/pack.h"
#include "template/template-cache.h"
#include "vm/kvm.h"

static MmrigAmount free_bytes(const char *path)
{
    struct statvfs status;

    if (statvfs(path, &status) != 0)
        return (MmrigAmount){FALSE, 0};
    return (MmrigAmount){TRUE, (guint64)status.f_bavail * status.f_frsize};
}

static void gather_cache(MmrigHost *host)
{
    g_autoptr(GError) error = NULL;

    host->cache = mmrig_path_cache(NULL, &error);
    if (host->cache && access(host->cache, W_OK) != 0) {
        host->cache_problem =
            g_strdup_printf("%s: %s; set XDG_CACHE_HOME to a folder that can be written",
                            host->cache, g_strerror(errno));
        g_clear_pointer(&host->cache, g_free);
    } else if (!host->cache) {
        host->cache_problem = g_strdup(error->message);
    } else {
        host->cache_free = free_bytes(host->cache);
    }
}

/* The kernels that need only be named; returns one that can be booted, or NULL. */
static MmrigKernel *gather_kernels(MmrigHost *host)
{
    static const char *const names[] = {"tree", "distro"};
    g_autoptr(MmrigKernel) first = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(MmrigKernelSpec) spec = mmrig_kernel_spec_parse(names[i], NULL);
        g_autoptr(MmrigKernel) kernel = mmrig_kernel_find(spec, NULL);
        if (!kernel)
            continue;
        char *list = g_strdup_printf("%s%s%s (%s)", host->kernels ? host->kernels : "",
                                     host->kernels ? ", " : "", names[i],
                                     kernel->release ? kernel->release : "release not known");
        g_free(host->kernels);
        host->kernels = list;
        if (!first)
            first = g_steal_pointer(&kernel);
    }
    return g_steal_pointer(&first);
}

static void gather_kvm(MmrigHost *host, const MmrigKernel *kernel)
{
    static const char *const none[] = {NULL};
    g_autofree char *image = NULL;

    /* If there is no device, nothing is tried and no image is made. */
    if (host->kvm_tried && kernel && access(MMRIG_KVM_DEVICE, R_OK | W_OK) == 0) {
        g_autoptr(GError) error = NULL;
        image = mmrig_guest_image_ensure(kernel, none, none, none, &error);
        if (!image) {
            host->kvm = MMRIG_KVM_UNPROVEN;
            host->kvm_reason = g_strdup(error->message);
            return;
        }
    }
    host->kvm =
        mmrig_kvm_state(host->qemu, image ? kernel->image : NULL, image, &host->kvm_reason);
}

static void gather_pack(MmrigHost *host)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigPack) pack = mmrig_pack_load(host->qemu, mmrig_path_pack(), &error);
    g_autoptr(GString) names = g_string_new(NULL);

    if (!pack) {
        host->pack_problem = g_strdup(error->message);
        return;
    }
    for (guint i = 0; i < pack->devices->len; i++) {
        const MmrigPackDevice *device = g_ptr_array_index(pack->devices, i);
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", device->name);
    }
    host->pack = g_strdup(names->str);
    host->pack_qemu = g_strdup(pack->version);
}

MmrigHost *mmrig_host_gather(gboolean boot)
{
    MmrigHost *host = g_new0(MmrigHost, 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigKernel) kernel = NULL;

    host->root = g_strdup("");
    host->is_root = geteuid() == 0;
    host->limits = mmrig_host_limits_read("");
    host->firmware = mmrig_firmware_search(NULL, mmrig_arch_default());
    host->shm_free = free_bytes("/dev/shm");
    host->shm_errno = mmrig_doctor_memory_folder("/dev/shm");
    host->shm_problem = mmrig_template_shm_problem();
    host->userfaultfd_errno = mmrig_doctor_userfaultfd(NULL);
    host->userfaultfd_device_errno = mmrig_doctor_userfaultfd("/dev/userfaultfd");
    gather_cache(host);
    kernel = gather_kernels(host);
    host->qemu = mmrig_qemu_find(NULL, &error);
    if (!host->qemu) {
        host->qemu_problem = g_strdup(error->message);
        return host;
    }
    gather_pack(host);
    host->kvm_tried = boot;
    gather_kvm(host, kernel);
    return host;
}

void mmrig_host_free(MmrigHost *host)
{
    if (!host)
        return;
    g_free(host->root);
    g_clear_pointer(&host->qemu, mmrig_qemu_free);
    g_free(host->qemu_problem);
    g_free(host->shm_problem);
    g_free(host->pack);
    g_free(host->pack_qemu);
    g_free(host->pack_problem);
    g_free(host->kvm_reason);
    g_free(host->kernels);
    g_free(host->cache);
    g_free(host->cache_problem);
    mmrig_firmware_search_free(host->firmware);
    mmrig_host_limits_free(host->limits);
    g_free(host);
}
