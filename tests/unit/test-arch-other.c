/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines of an architecture that does not exist: all that is said of them comes from its
 * table, and nothing from that of x86-64. It fails as soon as a constant of the one stands
 * anywhere in the way from a scenario to QEMU's arguments.
 */
#include "arch/arch.h"

#include <string.h>

#include "base/error.h"
#include "kernel/kernel-private.h"
#include "machine/plan.h"
#include "machine/ram.h"
#include "scenario/scenario.h"
#include "vm/esp.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

static guint64 other_ram_below(guint64 memory, guint64 most)
{
    return MIN(memory, most ? most : 3 * GIB);
}

static gboolean other_image_read(const char *bytes, gsize size, MmrigArchImage *image)
{
    if (size < 4 || memcmp(bytes, "MADE", 4) != 0)
        return FALSE;
    image->release_at = bytes[4] ? 8 : 0;
    image->plain = TRUE;
    return TRUE;
}

static const MmrigArch other = {
    .name = "pdp12",
    .title = "PDP-12",
    .qemu = "qemu-system-pdp12",
    .machine = "tape",
    .machine_options = ",reels=2",
    .pci_root = "omnibus.7",
    .cpu_tcg = "twelve-bits",
    .cpu_kvm = "real-core",
    .cpu_errors = "twelve-bits,parity=odd",
    .console = "ttyTAPE3",
    .kernel_options = "rewind=yes",
    .ram_start = 5 * GIB,
    .ram_above = 64 * GIB,
    .ram_below = other_ram_below,
    .ram_limit = "most-core",
    .memory_block = 512 * MIB,
    .kernel_image = "reel",
    .kernel_direct = "reel",
    .image_read = other_image_read,
    .elf_machine = 4711,
    .efi_loader = "/EFI/BOOT/BOOTPDP.EFI",
    .boot_disk = "tape-drive",
    .boot_disk_options = ",bus=tape.1",
    .boot_loader = "/usr/lib/tape.efi",
    .boot_loader_package = "tape-tools",
    .has_cxl = TRUE,
    .has_mce = TRUE,
};

#define BASE "[scenario]\nsummary = s\narea = a\n[test]\ntest = t\n"

/* All kinds of devices; and what else has a word of the architecture's. */
static const char everything[] =
    BASE "[machine]\ncpus = 2\nmemory = 4G\nnodes = 2\nnode-memory = 1G 3G\n"
         "memory-below-4g = 1G\nvmgenid = yes\n"
         "[firmware]\ntype = ovmf\nboot = esp\n"
         "[kernel]\nmodules = nfit\ncmdline = quiet\n"
         "[nvdimm pmem0]\nsize = 64M\n[virtio-mem vm0]\nsize = 1G\n[disk d0]\nsize = 1M\n"
         "[cxl c0]\nvolatile = 256M\npersistent = 256M\nswitch = yes\n[balloon b0]\n"
         "[pack cam0]\ntype = mmrig-camera\n[pack nvd0]\ntype = mmrig-nvdimm\n";

static MmrigScenario *other_parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    MmrigScenario *scenario =
        mmrig_scenario_parse(text, strlen(text), "other", "other.ini", NULL, &error);

    g_assert_no_error(error);
    return scenario;
}

static MmrigMachineSpec *other_spec(MmrigScenario *scenario, const MmrigArch *arch)
{
    MmrigMachineSpec *spec = (MmrigMachineSpec *)mmrig_scenario_machine(scenario, 0);

    g_assert_true(spec->arch == mmrig_arch_default());
    spec->arch = arch;
    return spec;
}

static MmrigPlan *other_plan(const MmrigMachineSpec *spec, MmrigAccel accel, MmrigStart start,
                             GError **error)
{
    const MmrigBootInputs inputs = {.qemu = "/bin/emulator",
                                    .accel = accel,
                                    .kernel = "/made/kernel",
                                    .initrd = "/made/image",
                                    .kind = start,
                                    .pack = "/made/pack.so",
                                    .efi_kernel = "/made/efi-kernel",
                                    .firmware = "/made/code",
                                    .variables = "/made/variables",
                                    .loader = "/made/loader"};

    return mmrig_plan_make(spec, &inputs, error);
}

/* Adds the words of a table's text to names. */
static void add_words(GHashTable *names, const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " ,", -1);

    for (char **word = words; *word; word++)
        if (**word)
            g_hash_table_add(names, g_strdup(*word));
}

/* The words by which people and programs know x86-64; those of options with their values. */
static GHashTable *x86_words(void)
{
    const MmrigArch *x86 = mmrig_arch_find("x86_64");
    GHashTable *words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const char *const texts[] = {
        x86->name,         x86->qemu,          x86->machine,     x86->machine_options,
        x86->pci_root,     x86->cpu_tcg,       x86->cpu_kvm,     x86->cpu_errors,
        x86->console,      x86->ram_limit,     x86->boot_disk,   x86->kernel_options,
        x86->kernel_image, x86->kernel_direct, x86->boot_loader, x86->boot_disk_options,
        x86->efi_loader,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        add_words(words, texts[i]);
    return words;
}

/* Whether word stands in text, with no letter, digit, '-' or '_' at either side. */
static gboolean has_word(const char *text, const char *word)
{
    g_autofree char *escaped = g_regex_escape_string(word, -1);
    g_autofree char *pattern =
        g_strdup_printf("(?<![A-Za-z0-9_-])%s(?![A-Za-z0-9_-])", escaped);

    return g_regex_match_simple(pattern, text, 0, 0);
}

static void assert_foreign(const char *text)
{
    g_autoptr(GHashTable) words = x86_words();
    GHashTableIter iter;
    gpointer word;

    g_hash_table_iter_init(&iter, words);
    while (g_hash_table_iter_next(&iter, &word, NULL))
        if (has_word(text, word))
            g_error("x86-64's '%s' is in what a machine of another architecture gets:\n%s",
                    (const char *)word, text);
}

static void assert_words(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!has_word(text, *words))
            g_error("there is no '%s' in:\n%s", *words, text);
}

/* By which the tests below find what they look for: on x86-64 all of it is there. */
static void test_words(void)
{
    g_autoptr(MmrigScenario) scenario = other_parse(everything);
    g_autoptr(GError) error = NULL;
    const MmrigMachineSpec *spec = other_spec(scenario, mmrig_arch_find("x86_64"));
    g_autoptr(MmrigPlan) plan = other_plan(spec, MMRIG_ACCEL_TCG, MMRIG_START_COLD, &error);

    g_assert_no_error(error);
    g_autofree char *text = g_strjoinv("\n", plan->argv);
    assert_words(text, (const char *const[]){"q35", "i8042=off", "pcie.0", "max",
                                             "max-ram-below-4g", "ide-hd", "bus=ide.0", NULL});
    assert_words(plan->boot.line,
                 (const char *const[]){"ttyS0", "no_timer_check", "tsc=nowatchdog", NULL});
}

static void test_everything(void)
{
    static const char *const words[] = {
        "tape",       "reels=2",    "bus=omnibus.7", "most-core=1024M",
        "tape-drive", "bus=tape.1", "twelve-bits",   NULL};
    static const char *const line[] = {"console=ttyTAPE3", "rewind=yes", NULL};
    g_autoptr(MmrigScenario) scenario = other_parse(everything);
    g_autoptr(GError) error = NULL;
    g_autoptr(MmrigPlan) plan =
        other_plan(other_spec(scenario, &other), MMRIG_ACCEL_TCG, MMRIG_START_FORK, &error);

    g_assert_no_error(error);
    g_autofree char *text = g_strjoinv("\n", plan->argv);
    assert_foreign(text);
    assert_words(text, words);
    assert_foreign(plan->boot.line);
    assert_words(plan->boot.line, line);
    for (guint i = 0; i < plan->backings->len; i++) {
        const MmrigBacking *backing = g_ptr_array_index(plan->backings, i);
        if (!backing->esp)
            continue;
        g_autofree char *disk = mmrig_esp_describe(backing->esp, "");
        assert_foreign(disk);
        g_assert_nonnull(strstr(disk, "/EFI/BOOT/BOOTPDP.EFI is /made/loader"));
    }
    g_auto(GStrv) types = mmrig_spec_types(plan->spec);
    g_autofree char *type_text = g_strjoinv("\n", types);
    assert_foreign(type_text);
    g_assert_true(g_strv_contains((const char *const *)types, "tape-drive"));
}

/* Without firmware, on KVM; and on the CPU that a device asks for. */
static void test_cpus(void)
{
    g_autoptr(MmrigScenario) plain = other_parse(BASE);
    g_autoptr(MmrigScenario) errors = other_parse(BASE);
    MmrigMachineSpec *spec = other_spec(errors, &other);
    g_autoptr(GError) error = NULL;

    g_assert_true(mmrig_spec_add_pack_device(spec, "mmrig-ras", &error));
    g_assert_no_error(error);
    g_autoptr(MmrigPlan) kvm =
        other_plan(other_spec(plain, &other), MMRIG_ACCEL_KVM, MMRIG_START_COLD, &error);
    g_assert_no_error(error);
    g_autoptr(MmrigPlan) ras = other_plan(spec, MMRIG_ACCEL_TCG, MMRIG_START_COLD, &error);
    g_assert_no_error(error);
    g_autofree char *kvm_text = g_strjoinv("\n", kvm->argv);
    g_autofree char *ras_text = g_strjoinv("\n", ras->argv);
    assert_foreign(kvm_text);
    assert_foreign(ras_text);
    assert_words(kvm_text, (const char *const[]){"-cpu\nreal-core", "console=ttyTAPE3", NULL});
    assert_words(ras_text, (const char *const[]){"-cpu\ntwelve-bits,parity=odd", NULL});
}

/* What its machines have not is said, and nothing is planned without it. */
static void test_lacks(void)
{
    static const struct {
        const char *text, *lack;
    } cases[] = {
        {BASE "[machine]\nmemory-below-4g = 256M\n", "a limit of the memory below 4 GiB"},
        {BASE "[pack r]\ntype = mmrig-ras\n", "machine checks"},
        {BASE "[pack n]\ntype = mmrig-nvdimm\n", "machine checks"},
        {BASE "[cxl x]\nvolatile = 256M\n", "CXL"},
        {BASE "[pack c]\ntype = mmrig-camera\n", NULL},
        {BASE, NULL},
    };
    MmrigArch poor = other;

    poor.has_cxl = FALSE;
    poor.has_mce = FALSE;
    poor.ram_limit = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MmrigScenario) scenario = other_parse(cases[i].text);
        g_autoptr(GError) error = NULL;
        MmrigMachineSpec *spec = other_spec(scenario, &poor);

        g_assert_cmpstr(mmrig_spec_lacks(spec), ==, cases[i].lack);
        g_autoptr(MmrigPlan) plan = other_plan(spec, MMRIG_ACCEL_TCG, MMRIG_START_COLD, &error);
        if (!cases[i].lack) {
            g_assert_no_error(error);
            g_assert_nonnull(plan);
            continue;
        }
        g_assert_null(plan);
        g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
        g_assert_true(g_str_has_prefix(error->message, "machines of PDP-12 lack "));
        g_assert_true(g_str_has_suffix(error->message, cases[i].lack));
        spec->arch = &other;
        g_assert_null(mmrig_spec_lacks(spec));
    }
}

static void test_memory(void)
{
    g_autoptr(MmrigScenario) scenario = other_parse(BASE "[machine]\nmemory = 4G\n");
    const MmrigMachineSpec *spec = other_spec(scenario, &other);
    guint64 gpa = 0;

    g_assert_true(mmrig_ram_address(spec, 0, &gpa));
    g_assert_cmphex(gpa, ==, 5 * GIB);
    g_assert_true(mmrig_ram_address(spec, 3 * GIB, &gpa));
    g_assert_cmphex(gpa, ==, 64 * GIB);
    g_assert_false(mmrig_ram_has(spec, 0));
    g_assert_false(mmrig_ram_has(spec, 5 * GIB - 1));
    g_assert_true(mmrig_ram_has(spec, 8 * GIB - 1));
    g_assert_false(mmrig_ram_has(spec, 8 * GIB));
    g_assert_true(mmrig_ram_has(spec, 65 * GIB - 1));
    g_assert_false(mmrig_ram_has(spec, 65 * GIB));
}

static void test_memory_block(void)
{
    g_autoptr(MmrigScenario) odd = other_parse(BASE "[virtio-mem a]\nsize = 640M\n");
    g_autoptr(MmrigScenario) even = other_parse(BASE "[virtio-mem a]\nsize = 1G\n");
    g_auto(MmrigSpecProblem) problem = {0};
    const MmrigMachineSpec *odd_spec = other_spec(odd, &other);
    const MmrigMachineSpec *even_spec = other_spec(even, &other);

    g_assert_false(mmrig_spec_check(odd_spec, &problem));
    g_assert_cmpstr(problem.key, ==, "size");
    g_assert_nonnull(strstr(problem.text, "512M"));
    g_assert_true(mmrig_spec_check(even_spec, &problem));
}

static void assert_kernel(const char *bytes, gsize size, const char *release, const char *why)
{
    g_autofree char *got = NULL;
    g_autoptr(GHashTable) config = NULL;
    g_autoptr(GError) error = NULL;
    gboolean taken =
        mmrig_kernel_image_inspect(&other, "/k", bytes, size, &got, &config, &error);

    g_assert_cmpstr(got, ==, release);
    if (!why) {
        g_assert_no_error(error);
        g_assert_true(taken);
        return;
    }
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    assert_foreign(error->message);
    if (!strstr(error->message, why))
        g_error("'%s' does not say '%s'", error->message, why);
}

/* Its own are taken; those of others are told by their names. */
static void test_kernels(void)
{
    static const struct {
        gsize offset;
        const char *bytes;
        gsize size;
        const char *release, *why;
    } cases[] = {
        {0,
         "MADE\1\0\0\0"
         "6.1-made",
         16, "6.1-made", NULL},
        {0, "MADE\0\0\0\0Linux version 6.2-banner x", 34, "6.2-banner", NULL},
        {0x38, "ARM\x64", 4, NULL, "an arm64 Image, and a kernel of PDP-12 is wanted"},
        {0, "MZ", 2, NULL, "give, from in it, the reel"},
        {0, "\x1f\x8b", 2, NULL, "give the reel"},
        {0, "?", 1, NULL, "no reel of PDP-12"},
        {0,
         "\x7f"
         "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0",
         20, NULL, "an ELF file of another processor (machine 62), and PDP-12 is wanted"},
        {0,
         "\x7f"
         "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x67\x12",
         20, NULL, "an ELF file, which QEMU does not start; give the reel"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        char bytes[1024] = {0};

        memcpy(bytes + cases[i].offset, cases[i].bytes, cases[i].size);
        assert_kernel(bytes, sizeof(bytes), cases[i].release, cases[i].why);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arch-other/words", test_words);
    g_test_add_func("/arch-other/everything", test_everything);
    g_test_add_func("/arch-other/cpus", test_cpus);
    g_test_add_func("/arch-other/lacks", test_lacks);
    g_test_add_func("/arch-other/memory", test_memory);
    g_test_add_func("/arch-other/memory-block", test_memory_block);
    g_test_add_func("/arch-other/kernels", test_kernels);
    return g_test_run();
}
