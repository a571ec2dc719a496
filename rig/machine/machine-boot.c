/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"
#include "machine-private.h"
#include "mmrig-guest-protocol.h"

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

static gboolean check_firmware(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                               GError **error)
{
    return boot_check_path("kernel that firmware can start", inputs->efi_kernel, error) &&
           (scenario->boot_from == MMRIG_BOOT_DIRECT ||
            boot_check_path("boot loader", inputs->loader, error)) &&
           (scenario->firmware_code ||
            (boot_check_path("firmware", inputs->firmware, error) &&
             boot_check_path("template of variables", inputs->variables, error)));
}

gboolean mmrig_machine_check(const MmrigScenario *scenario, const MmrigBootInputs *inputs,
                             GError **error)
{
    return boot_check_path("QEMU", inputs->qemu, error) &&
           boot_check_path("kernel", inputs->kernel, error) &&
           boot_check_path("initramfs", inputs->initrd, error) &&
           (!mmrig_machine_needs_pack(scenario) ||
            boot_check_path("device pack", inputs->pack, error)) &&
           (!scenario->firmware || check_firmware(scenario, inputs, error));
}

char *mmrig_machine_kernel_line(const MmrigScenario *scenario)
{
    g_autoptr(GString) line = g_string_new("console=ttyS0");

    /* Warnings and worse reach the console; the rest is slow to print and in the log. */
    g_string_append(line, " loglevel=5");
    /* A panic is followed by a reset at once, and that by the end of QEMU (-action below). */
    g_string_append(line, " panic=-1");
    /*
     * On a busy host an emulated timer can miss the check of the IO-APIC's wiring, which ends
     * in a panic; there is no wiring that could be wrong.
     */
    g_string_append(line, " no_timer_check");
    /*
     * Nor can an emulated TSC be wrong by itself. Its watchdog would keep an idle machine busy,
     * and a fork's first milliseconds.
     */
    g_string_append(line, " tsc=nowatchdog");
    if (scenario->modules && *scenario->modules) {
        g_autofree char *modules = g_strjoinv(",", scenario->modules);
        g_string_append_printf(line, " " MMRIG_PARAM_MODULES "=%s", modules);
    }
    if (scenario->cmdline)
        g_string_append_printf(line, " %s", scenario->cmdline);
    return g_string_free(g_steal_pointer(&line), FALSE);
}

MmrigEsp *mmrig_machine_esp(const MmrigScenario *scenario, const MmrigBootInputs *inputs)
{
    MmrigEsp *esp = g_new0(MmrigEsp, 1);

    esp->loader = g_strdup(inputs->loader);
    esp->kernel = g_strdup(inputs->efi_kernel);
    esp->initrd = g_strdup(inputs->initrd);
    esp->options = mmrig_machine_kernel_line(scenario);
    return esp;
}
