/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines of each architecture that there is a table of: their arguments byte for byte
 * (golden/arch-NAME.argv, as test-machine.c has it), and that QEMU takes them. Its machine is
 * made and stopped before the first instruction; QEMU has then found every device, option and
 * file of firmware to its liking. Skipped without a QEMU for the architecture.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/store.h"
#include "kernel-heads.h"
#include "scenario/scenario.h"
#include "vm/backing.h"
#include "vm/instance.h"

#define BASE "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"

/* By firmware from a disk, with all kinds of devices; and as most machines are. */
static const char disk_text[] =
    BASE "[machine]\ncpus = 2\nmemory = 2G\nnodes = 2\nnode-memory = 512M 1536M\n"
         "[firmware]\ntype = ovmf\nboot = esp\n[kernel]\ncmdline = quiet\n"
         "[nvdimm pmem0]\nsize = 64M\n[virtio-mem vm0]\nsize = 256M\nnode = 1\n"
         "[disk d0]\nsize = 1M\nrate = 4M\n[balloon b0]\n";
static const char plain_text[] = BASE "[machine]\ncpus = 64\n";
static const char cxl_text[] = BASE "[cxl c0]\nvolatile = 256M\npersistent = 256M\n";

typedef struct {
    char *folder;
    const MmrigArch *arch;
    MmrigScenario *scenario;
    MmrigPlan *plan;
    GArray *backings;
    MmrigInstance *instance;
    gboolean connected;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->arch = data;
    fixture->folder = g_dir_make_tmp("mmrig-arch-XXXXXX", &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&fixture->instance, mmrig_instance_free);
    g_clear_pointer(&fixture->backings, g_array_unref);
    g_clear_pointer(&fixture->plan, mmrig_plan_free);
    g_clear_pointer(&fixture->scenario, mmrig_scenario_free);
    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_free(fixture->folder);
}

/* Plans the scenario as a machine of the fixture's architecture. */
static void start_plan(Fixture *fixture, const char *text, const MmrigBootInputs *inputs)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&fixture->plan, mmrig_plan_free);
    g_clear_pointer(&fixture->scenario, mmrig_scenario_free);
    fixture->scenario =
        mmrig_scenario_parse(text, strlen(text), "arch", "arch.ini", NULL, &error);
    g_assert_no_error(error);
    MmrigMachineSpec *spec = mmrig_scenario_machine(fixture->scenario, 0);
    spec->arch = fixture->arch;
    fixture->plan = mmrig_plan_make(spec, inputs, &error);
    g_assert_no_error(error);
}

/* ---- The arguments --------------------------------------------------------------------- */

static void test_golden(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    const MmrigBootInputs inputs = {.qemu = "/usr/bin/qemu",
                                    .kernel = "/boot/kernel",
                                    .initrd = "/cache/x.cpio",
                                    .efi_kernel = "/boot/efi-kernel",
                                    .firmware = "/share/CODE.fd",
                                    .variables = "/share/VARS.fd",
                                    .loader = "/boot/loader.efi"};
    g_autofree char *path =
        g_strdup_printf("%s/golden/arch-%s.argv", MMRIG_TEST_SOURCE, fixture->arch->name);
    g_autofree char *expected = NULL;
    g_autoptr(GError) error = NULL;

    start_plan(fixture, disk_text, &inputs);
    g_autofree char *disk = g_strjoinv("\n", fixture->plan->argv);
    start_plan(fixture, plain_text, &inputs);
    g_autofree char *plain = g_strjoinv("\n", fixture->plan->argv);
    g_autofree char *got = g_strconcat(plain, "\n", disk, "\n", NULL);
    if (getenv("MMRIG_GOLDEN_UPDATE")) {
        g_assert_true(g_file_set_contents(path, got, -1, NULL));
        g_error("%s is written anew; look at the difference", path);
    }
    g_file_get_contents(path, &expected, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(got, ==, expected);
}

/* ---- QEMU ------------------------------------------------------------------------------ */

static char *start_file(const Fixture *fixture, const char *name, const char *bytes,
                        gsize length, gsize size)
{
    char *path = g_build_filename(fixture->folder, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)length, NULL));
    g_assert_cmpint(truncate(path, (off_t)size), ==, 0);
    return path;
}

/* As much of a kernel as QEMU looks at when it makes a machine. */
static char *start_kernel(const Fixture *fixture)
{
    char bytes[VMLINUX_SIZE] = {0};

    if (fixture->arch->kernel_note)
        make_vmlinux(bytes);
    else
        memcpy(bytes + 0x38, "ARM\x64", 4);
    return start_file(fixture, "kernel", bytes, sizeof(bytes), sizeof(bytes));
}

/* What is behind the devices: empty, but of the sizes that QEMU asks for. */
static GArray *start_backings(const MmrigPlan *plan, gsize flash)
{
    GArray *fds = mmrig_backing_array();

    for (guint i = 0; i < plan->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(plan->backings, i);
        guint64 size = backing->esp ? 1 << 20 : backing->source ? flash : backing->size;
        int fd = memfd_create(backing->device, MFD_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
        g_array_append_val(fds, fd);
    }
    return fds;
}

static void start_connected(MmrigInstance *instance G_GNUC_UNUSED, gpointer data)
{
    ((Fixture *)data)->connected = TRUE;
}

/* Ends with what QEMU said if it does not take the arguments. */
static void start_machine(Fixture *fixture, const char *text)
{
    static const MmrigInstanceCalls calls = {.connected = start_connected};
    const MmrigArch *arch = fixture->arch;
    g_autofree char *qemu = g_find_program_in_path(arch->qemu);
    /* Flash of its own is 64 MiB for each in virt, neither more nor less. */
    gsize flash = (arch->firmware_flash ? 2 : 64) << 20;
    g_autoptr(GError) error = NULL;

    if (!qemu) {
        g_autofree char *why =
            g_strdup_printf("there is no %s; install %s", arch->qemu, arch->qemu_package);
        g_test_skip(why);
        return;
    }
    g_autofree char *kernel = start_kernel(fixture);
    g_autofree char *code = start_file(fixture, "code", "", 0, flash);
    const MmrigBootInputs inputs = {.qemu = qemu,
                                    .kernel = kernel,
                                    .initrd = kernel,
                                    .efi_kernel = kernel,
                                    .firmware = code,
                                    .variables = code,
                                    .loader = kernel};
    start_plan(fixture, text, &inputs);
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_strv_builder_addv(argv, (const char **)fixture->plan->argv);
    g_strv_builder_add(argv, "-S");
    g_strfreev(fixture->plan->argv);
    fixture->plan->argv = g_strv_builder_end(argv);
    fixture->backings = start_backings(fixture->plan, flash);
    const MmrigInstanceOptions options = {
        .plan = fixture->plan, .backings = fixture->backings, .boot_timeout = 60};
    fixture->instance = mmrig_instance_start(&options, &calls, fixture, &error);
    g_assert_no_error(error);
    if (!mmrig_instance_wait(fixture->instance, &fixture->connected, &error))
        g_error("%s does not take the arguments of its machine: %s", qemu, error->message);
}

static void test_plain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    start_machine(fixture, plain_text);
}

static void test_disk(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    start_machine(fixture, disk_text);
}

static void test_cxl(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
    start_machine(fixture, cxl_text);
}

static void add_test(const MmrigArch *arch, const char *name,
                     void (*test)(Fixture *, gconstpointer))
{
    g_autofree char *path = g_strdup_printf("/arch-start/%s/%s", arch->name, name);

    g_test_add(path, Fixture, arch, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const MmrigArch *const *arch = mmrig_arch_all(); *arch; arch++) {
        add_test(*arch, "golden", test_golden);
        add_test(*arch, "plain", test_plain);
        add_test(*arch, "disk", test_disk);
        if ((*arch)->has_cxl)
            add_test(*arch, "cxl", test_cxl);
    }
    return g_test_run();
}
