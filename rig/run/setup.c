/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "setup.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "actions/actions.h"
#include "base/error.h"
#include "base/host-limits.h"
#include "base/json-text.h"
#include "base/paths.h"
#include "image/guest-image.h"
#include "qemu/pack.h"
#include "vm/esp.h"
#include "vm/kvm.h"

static MmrigKernel *find_kernel(const char *name, GError **error)
{
    g_autoptr(MmrigKernelSpec) spec = NULL;

    if (!name)
        return mmrig_kernel_find_default(error);
    spec = mmrig_kernel_spec_parse(name, error);
    return spec ? mmrig_kernel_find(spec, error) : NULL;
}

/* KVM is proved with the smallest image there is: the agent and nothing to test. */
static MmrigKvmState prove_kvm(const MmrigSetup *setup, char **reason)
{
    static const char *const none[] = {NULL};
    g_autoptr(GError) error = NULL;

    /* Without the device there is nothing to prove, and no image to make. */
    if (access(MMRIG_KVM_DEVICE, R_OK | W_OK) != 0)
        return mmrig_kvm_state(setup->qemu, NULL, NULL, reason);
    g_autofree char *image = mmrig_guest_image_ensure(setup->kernel, none, none, none, &error);
    if (!image) {
        *reason = g_strdup(error->message);
        return MMRIG_KVM_UNPROVEN;
    }
    return mmrig_kvm_state(setup->qemu, setup->kernel->image, image, reason);
}

static gboolean choose_accel(MmrigSetup *setup, const char *accel, GError **error)
{
    g_autofree char *reason = NULL;

    if (strcmp(accel, "tcg") == 0) {
        setup->accel = MMRIG_ACCEL_TCG;
        return TRUE;
    }
    if (prove_kvm(setup, &reason) == MMRIG_KVM_WORKS) {
        setup->accel = MMRIG_ACCEL_KVM;
        return TRUE;
    }
    if (strcmp(accel, "kvm") == 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET,
                    "--accel kvm: %s; --accel tcg works without KVM", reason);
        return FALSE;
    }
    setup->accel = MMRIG_ACCEL_TCG;
    setup->note = g_steal_pointer(&reason);
    return TRUE;
}

void mmrig_setup_say_note(const MmrigSetup *setup)
{
    if (setup && setup->note && access(MMRIG_KVM_DEVICE, F_OK) == 0)
        g_printerr("mmrig: guests run on TCG, not KVM: %s\n", setup->note);
}

/* A vmlinux has no EFI stub; the image that was built with it has. */
static char *find_efi_kernel(const MmrigArch *arch, const MmrigKernel *kernel)
{
    g_autofree char *name = g_path_get_basename(kernel->image);
    g_autofree char *folder = g_path_get_dirname(kernel->image);
    g_autofree char *beside = g_build_filename(folder, arch->kernel_image, NULL);

    if (strcmp(name, "vmlinux") != 0)
        return g_strdup(kernel->image);
    return g_file_test(beside, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&beside) : NULL;
}

MmrigBootInputs mmrig_setup_inputs(const MmrigSetup *setup, const char *image, MmrigStart kind)
{
    return (MmrigBootInputs){
        .qemu = setup->qemu->path,
        .qemu_id = setup->qemu->id,
        .qmp_object = g_hash_table_contains(setup->qemu->types, MMRIG_QMP_TYPE),
        .accel = setup->accel,
        .kernel = setup->kernel->image,
        .initrd = image,
        .kind = kind,
        .pack = mmrig_path_pack(),
        .efi_kernel = setup->efi_kernel,
        .firmware = setup->firmware ? setup->firmware->code : NULL,
        .variables = setup->firmware ? setup->firmware->variables : NULL,
        .loader = setup->arch->boot_loader,
    };
}

/* As mmrig_setup_unmet(), of firmware. */
static char *firmware_unmet(const MmrigSetup *setup, const MmrigMachineSpec *spec)
{
    g_autoptr(GError) error = NULL;
    const MmrigKernel *kernel = setup->kernel;

    if (!setup->efi_kernel)
        return g_strdup_printf("the kernel \"%s\" has no %s beside %s, and firmware starts "
                               "no vmlinux",
                               kernel->spec, setup->arch->kernel_image, kernel->image);
    if (spec->firmware_code) {
        g_autofree char *misfit = mmrig_firmware_named_misfit(
            NULL, setup->arch, spec->firmware_code, spec->firmware_variables);
        if (misfit)
            return g_strdup_printf("[firmware] %s", misfit);
    }
    if (spec->boot_from == MMRIG_BOOT_ESP) {
        char *unmet = mmrig_esp_unmet(setup->arch, setup->arch->boot_loader);
        if (unmet)
            return unmet;
    }
    if (spec->firmware_code || setup->firmware)
        return NULL;
    g_autoptr(MmrigFirmware) none = mmrig_firmware_find(NULL, setup->arch, &error);
    return none ? NULL : g_strdup(error->message);
}

MmrigSetup *mmrig_setup_open(const char *kernel, const char *accel, GError **error)
{
    static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
    g_autoptr(MmrigSetup) setup = g_new0(MmrigSetup, 1);

    if (!g_strv_contains(accels, accel)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "--accel %s: there are auto, kvm and tcg", accel);
        return NULL;
    }
    setup->arch = mmrig_arch_default();
    setup->qemu = mmrig_qemu_find(NULL, error);
    if (!setup->qemu)
        return NULL;
    setup->kernel = find_kernel(kernel, error);
    if (setup->kernel)
        mmrig_kernel_tell(setup->kernel);
    if (!setup->kernel || !choose_accel(setup, accel, error))
        return NULL;
    setup->efi_kernel = find_efi_kernel(setup->arch, setup->kernel);
    /* That there is none is said of a scenario that needs it. */
    setup->firmware = mmrig_firmware_find(NULL, setup->arch, NULL);
    return g_steal_pointer(&setup);
}

void mmrig_setup_free(MmrigSetup *setup)
{
    if (!setup)
        return;
    g_clear_pointer(&setup->qemu, mmrig_qemu_free);
    g_clear_pointer(&setup->kernel, mmrig_kernel_free);
    g_free(setup->note);
    g_free(setup->efi_kernel);
    mmrig_firmware_free(setup->firmware);
    g_free(setup);
}

/* As mmrig_setup_unmet(), of one machine and its test. */
static char *machine_unmet(const MmrigSetup *setup, const MmrigMachineSpec *spec,
                           const MmrigTest *test)
{
    g_auto(GStrv) types = mmrig_spec_types(spec);
    g_auto(GStrv) commands = mmrig_spec_commands(spec);
    const char *lack =
        spec->config ? mmrig_kernel_lacks(setup->kernel, (const char *const *)spec->config)
                     : NULL;

    if (lack)
        return g_strdup_printf("the kernel \"%s\" lacks %s", setup->kernel->spec, lack);
    if (!g_hash_table_contains(setup->qemu->machines, spec->arch->machine))
        return g_strdup_printf("%s has no machine %s", setup->qemu->path, spec->arch->machine);
    lack = mmrig_spec_lacks(spec);
    if (lack)
        return g_strdup_printf("machines of %s lack %s", spec->arch->title, lack);
    lack = mmrig_qemu_lacks(setup->qemu->types, (const char *const *)types);
    if (lack)
        return g_strdup_printf("%s has no device type %s", setup->qemu->path, lack);
    if (mmrig_spec_needs_pack(spec) && !g_file_test(mmrig_path_pack(), G_FILE_TEST_IS_REGULAR))
        return g_strdup_printf("mmrig's device pack is not at %s; build it (`cmake --build DIR "
                               "--target mmrig-devices`; with QEMU's source, "
                               "scripts/quickstart --qemu-source DIR), or say where it is with "
                               "MMRIG_PACK",
                               mmrig_path_pack());
    if (mmrig_spec_needs_pack(spec)) {
        char *unmet = mmrig_pack_refused(setup->qemu, mmrig_path_pack());
        if (unmet)
            return unmet;
    }
    if (spec->firmware != MMRIG_FIRMWARE_NONE) {
        char *unmet = firmware_unmet(setup, spec);
        if (unmet)
            return unmet;
    }
    lack = mmrig_qemu_lacks(setup->qemu->commands, (const char *const *)commands);
    for (char **verb = test->requests; !lack && verb && *verb; verb++) {
        if (!mmrig_action_exists_on(spec->arch, *verb))
            return g_strdup_printf("machines of %s have nothing for the request %s",
                                   spec->arch->title, *verb);
        lack = mmrig_qemu_lacks(setup->qemu->commands, mmrig_action_commands(*verb));
    }
    if (lack)
        return g_strdup_printf("%s has no QMP command %s", setup->qemu->path, lack);
    return NULL;
}

char *mmrig_setup_unmet(const MmrigSetup *setup, const MmrigScenario *scenario)
{
    char *unmet = NULL;

    for (guint i = 0; !unmet && i < scenario->machines->len; i++)
        unmet = machine_unmet(setup, mmrig_scenario_machine(scenario, i),
                              mmrig_scenario_test(scenario, i));
    return unmet;
}

char *mmrig_setup_image(const MmrigSetup *setup, const MmrigScenario *scenario, guint number,
                        const char *extra, GError **error)
{
    static const char *const none[] = {NULL};
    const MmrigMachineSpec *spec = mmrig_scenario_machine(scenario, number);
    const char *const tests[] = {mmrig_scenario_test(scenario, number)->test, NULL};
    g_autoptr(GPtrArray) manifests = g_ptr_array_new();
    const char *const *modules = spec->modules ? (const char *const *)spec->modules : none;

    for (char **name = spec->manifests; name && *name; name++)
        g_ptr_array_add(manifests, *name);
    if (extra)
        g_ptr_array_add(manifests, (gpointer)extra);
    g_ptr_array_add(manifests, NULL);
    return mmrig_guest_image_ensure(setup->kernel, tests, (const char *const *)manifests->pdata,
                                    modules, error);
}

MmrigForkable mmrig_setup_forkable(const MmrigScenario *scenario, guint number,
                                   GPtrArray *words)
{
    mmrig_test_words(mmrig_scenario_test(scenario, number), 0, words);
    return (MmrigForkable){.spec = mmrig_scenario_machine(scenario, number),
                           .words = (const char *const *)words->pdata};
}

static gboolean add_one(GPtrArray *chosen, const char *folder, const char *name,
                        const char *twin, GError **error)
{
    MmrigScenario *scenario = mmrig_scenario_load(folder, name, twin, error);

    if (!scenario)
        return FALSE;
    g_ptr_array_add(chosen, scenario);
    return TRUE;
}

/* Adds the scenario, and its twins if they are wanted; skips it if areas, or NULL, lack its
 * own. */
static gboolean add_family(GPtrArray *chosen, const MmrigSelection *selection, const char *name,
                           const char *const *areas, GError **error)
{
    if (!add_one(chosen, selection->folder, name, NULL, error))
        return FALSE;
    const MmrigScenario *scenario = g_ptr_array_index(chosen, chosen->len - 1);
    if (areas && !g_strv_contains(areas, scenario->area)) {
        g_ptr_array_set_size(chosen, (int)chosen->len - 1);
        return TRUE;
    }
    for (char **twin = scenario->twins; selection->twins && twin && *twin; twin++)
        if (!add_one(chosen, selection->folder, name, *twin, error))
            return FALSE;
    return TRUE;
}

/* FALSE with error if one of the areas, which may be NULL, has nothing among those chosen. */
static gboolean has_areas(const GPtrArray *chosen, const char *const *areas, GError **error)
{
    for (; areas && *areas; areas++) {
        gboolean found = FALSE;
        for (guint i = 0; i < chosen->len && !found; i++) {
            const MmrigScenario *scenario = g_ptr_array_index(chosen, i);
            found = strcmp(scenario->area, *areas) == 0;
        }
        if (found)
            continue;
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "there is no scenario in the area \"%s\"; `mmrig list` shows the areas",
                    *areas);
        return FALSE;
    }
    return TRUE;
}

GPtrArray *mmrig_setup_select(const MmrigSelection *selection, GError **error)
{
    g_autoptr(GPtrArray) chosen =
        g_ptr_array_new_with_free_func((GDestroyNotify)mmrig_scenario_free);

    for (const char *const *name = selection->names; *name; name++) {
        g_auto(GStrv) parts = g_strsplit(*name, ":", 2);
        gboolean added = parts[0] && parts[1]
                             ? add_one(chosen, selection->folder, parts[0], parts[1], error)
                             : add_family(chosen, selection, *name, NULL, error);
        if (!added)
            return NULL;
    }
    if (selection->all || selection->areas) {
        g_auto(GStrv) names = mmrig_scenario_names(selection->folder, error);
        /* All there are includes those of every area. */
        const char *const *areas = selection->all ? NULL : selection->areas;
        if (!names)
            return NULL;
        for (char **name = names; *name; name++)
            if (!add_family(chosen, selection, *name, areas, error))
                return NULL;
    }
    if (!has_areas(chosen, selection->areas, error))
        return NULL;
    if (chosen->len > 0)
        return g_steal_pointer(&chosen);
    if (selection->all)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s has no scenario (a file NAME.ini)", selection->folder);
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "which scenario? give names, --area or --all; `mmrig list` shows them");
    return NULL;
}

/* The processor's name as /proc/cpuinfo gives it, or NULL. */
static char *setup_processor(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return NULL;
    const char *name = strstr(text, "model name");
    const char *colon = name ? strchr(name, ':') : NULL;
    return colon ? g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n"))) : NULL;
}

/* A number of which there may be no end: null then. */
static void setup_add_limit(JsonBuilder *builder, const char *name, guint64 limit)
{
    json_builder_set_member_name(builder, name);
    if (limit > G_MAXINT64)
        json_builder_add_null_value(builder);
    else
        json_builder_add_int_value(builder, (gint64)limit);
}

/* What of the host this process may have, as far as less than all. */
static void setup_add_limits(JsonBuilder *builder)
{
    g_autoptr(MmrigHostLimits) limits = mmrig_host_limits_read("");

    json_builder_set_member_name(builder, "host-limits");
    json_builder_begin_object(builder);
    setup_add_limit(builder, "cpus", limits->cpus);
    mmrig_json_add_text(builder, "cpus-by", limits->cpus_by);
    setup_add_limit(builder, "memory-available", limits->memory);
    setup_add_limit(builder, "memory-limit", limits->memory_limit);
    mmrig_json_add_text(builder, "memory-limit-by", limits->memory_cgroup);
    setup_add_limit(builder, "tasks", limits->tasks);
    mmrig_json_add_text(builder, "tasks-by", limits->tasks_by);
    setup_add_limit(builder, "files", limits->files);
    setup_add_limit(builder, "file-size", limits->file_size);
    setup_add_limit(builder, "address-space", limits->address_space);
    setup_add_limit(builder, "locked-memory", limits->locked);
    json_builder_end_object(builder);
}

JsonNode *mmrig_setup_environment(const MmrigSetup *setup)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format_iso8601(now);
    g_autofree char *cpu = setup_processor();
    struct utsname host;

    uname(&host);
    json_builder_begin_object(builder);
    mmrig_json_add_number(builder, "schema", 1);
    mmrig_json_add_text(builder, "mmrig", MMRIG_VERSION);
    mmrig_json_add_text(builder, "time", time);
    mmrig_json_add_text(builder, "host-kernel", host.release);
    mmrig_json_add_text(builder, "host-cpu", cpu);
    mmrig_json_add_number(builder, "host-cpus", sysconf(_SC_NPROCESSORS_ONLN));
    mmrig_json_add_number(builder, "host-memory",
                          sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
    setup_add_limits(builder);
    mmrig_json_add_text(builder, "qemu", setup->qemu->path);
    mmrig_json_add_text(builder, "qemu-version", setup->qemu->version);
    mmrig_json_add_text(builder, "accel", mmrig_accel_name(setup->accel));
    mmrig_json_add_text(builder, "accel-note", setup->note);
    mmrig_json_add_text(builder, "kernel", setup->kernel->spec);
    mmrig_json_add_text(builder, "kernel-image", setup->kernel->image);
    mmrig_json_add_text(builder, "kernel-release", setup->kernel->release);
    mmrig_json_add_text(builder, "kernel-id", setup->kernel->id);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}
