/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What starts a machine's kernel, and what the kernel is given. */
#include <string.h>

#include "base/error.h"
#include "mmrig-guest-protocol.h"
#include "plan-private.h"

void mmrig_esp_free(MmrigEsp *esp)
{
    if (!esp)
        return;
    g_free(esp->loader);
    g_free(esp->kernel);
    g_free(esp->initrd);
    g_free(esp->options);
    g_free(esp);
}

static gboolean boot_check_path(const char *what, const char *path, GError **error)
{
    if (path && *path)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "the machine has no %s; name one", what);
    return FALSE;
}

static gboolean check_firmware(const MmrigMachineSpec *spec, const MmrigBootInputs *inputs,
                               GError **error)
{
    return boot_check_path("kernel that firmware can start", inputs->efi_kernel, error) &&
           (spec->boot_from == MMRIG_BOOT_DIRECT ||
            boot_check_path("boot loader", inputs->loader, error)) &&
           (spec->firmware_code ||
            (boot_check_path("firmware", inputs->firmware, error) &&
             boot_check_path("template of variables", inputs->variables, error)));
}

gboolean mmrig_plan_check(const MmrigMachineSpec *spec, const MmrigBootInputs *inputs,
                          GError **error)
{
    const char *lack = mmrig_spec_lacks(spec);

    if (lack) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "machines of %s lack %s",
                    spec->arch->title, lack);
        return FALSE;
    }
    return boot_check_path("QEMU", inputs->qemu, error) &&
           boot_check_path("kernel", inputs->kernel, error) &&
           boot_check_path("initramfs", inputs->initrd, error) &&
           (!mmrig_spec_needs_pack(spec) ||
            boot_check_path("device pack", inputs->pack, error)) &&
           (!spec->firmware || check_firmware(spec, inputs, error));
}

static char *boot_kernel_line(const MmrigMachineSpec *spec)
{
    const MmrigArch *arch = spec->arch;
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_append_printf(line, "console=%s", arch->console);
    /* Warnings and worse reach the console; the rest is slow to print and in the log. */
    g_string_append(line, " loglevel=5");
    /* A panic is followed by a reset at once, and that by the end of QEMU (-action below). */
    g_string_append(line, " panic=-1");
    if (*arch->kernel_options)
        g_string_append_printf(line, " %s", arch->kernel_options);
    if (spec->modules && *spec->modules) {
        g_autofree char *modules = g_strjoinv(",", spec->modules);
        g_string_append_printf(line, " " MMRIG_PARAM_MODULES "=%s", modules);
    }
    if (spec->cmdline)
        g_string_append_printf(line, " %s", spec->cmdline);
    return g_string_free(g_steal_pointer(&line), FALSE);
}

void mmrig_plan_boot_clear(MmrigPlanBoot *boot)
{
    g_free(boot->kernel);
    g_free(boot->initrd);
    g_free(boot->line);
    g_free(boot->firmware);
    g_free(boot->variables);
    memset(boot, 0, sizeof(*boot));
}

/* All machines share the firmware's code, but each has variables of its own. */
static void boot_plan_firmware(MmrigPlan *plan, const MmrigBootInputs *inputs)
{
    const MmrigMachineSpec *spec = plan->spec;
    MmrigBacking *variables = mmrig_plan_add_backing(plan, MMRIG_BACKING_VARIABLES, 0);

    plan->boot.firmware =
        g_strdup(spec->firmware_code ? spec->firmware_code : inputs->firmware);
    plan->boot.variables =
        g_strdup(spec->firmware_variables ? spec->firmware_variables : inputs->variables);
    variables->source = g_strdup(plan->boot.variables);
}

static void boot_plan_esp(MmrigPlan *plan, const MmrigBootInputs *inputs)
{
    MmrigBacking *disk = mmrig_plan_add_backing(plan, MMRIG_BACKING_ESP, 0);

    disk->esp = g_new0(MmrigEsp, 1);
    disk->esp->arch = plan->spec->arch;
    disk->esp->loader = g_strdup(inputs->loader);
    disk->esp->kernel = g_strdup(inputs->efi_kernel);
    disk->esp->initrd = g_strdup(inputs->initrd);
    disk->esp->options = g_strdup(plan->boot.line);
}

void mmrig_plan_boot(MmrigPlan *plan, const MmrigBootInputs *inputs)
{
    const MmrigMachineSpec *spec = plan->spec;

    plan->boot.line = boot_kernel_line(spec);
    if (spec->firmware != MMRIG_FIRMWARE_NONE)
        boot_plan_firmware(plan, inputs);
    for (guint i = 0; i < plan->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(plan->devices, i);
        if (device->class->backings)
            device->class->backings(device, plan);
    }
    if (spec->boot_from == MMRIG_BOOT_ESP) {
        boot_plan_esp(plan, inputs);
        return;
    }
    plan->boot.kernel =
        g_strdup(spec->firmware != MMRIG_FIRMWARE_NONE ? inputs->efi_kernel : inputs->kernel);
    plan->boot.initrd = g_strdup(inputs->initrd);
}
