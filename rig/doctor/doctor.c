/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "doctor-checks-private.h"
#include "doctor-tools-private.h"
#include "machine/spec.h"

#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* Images take some 10 MB each; a distribution's kernel 500 MB with its modules. */
#define CACHE_NEEDED (GIB / 2)
/* What building a tree kernel takes: source and objects. */
#define CACHE_TREE (4 * GIB)
/* As much as a template may take there and leave room for another. */
#define SHM_EASY (GIB / 2)

void mmrig_doctor_say(MmrigFinding *finding, MmrigCheckState state, const char *mend,
                      const char *format, ...)
{
    va_list values;

    va_start(values, format);
    finding->text = g_strdup_vprintf(format, values);
    va_end(values);
    finding->state = state;
    finding->mend = g_strdup(mend);
}

char *mmrig_doctor_size(guint64 bytes)
{
    g_autofree char *text = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
    g_auto(GStrv) parts = g_strsplit(text, "\u00a0", -1);

    return g_strjoinv(" ", parts);
}

/* A file's text without white space at its ends, or NULL. */
static char *doctor_read_text(const MmrigHost *host, const char *path)
{
    g_autofree char *full = g_strconcat(host->root, path, NULL);
    char *text = NULL;

    if (!g_file_get_contents(full, &text, NULL, NULL))
        return NULL;
    g_strstrip(text);
    return text;
}

static gboolean doctor_read_number(const MmrigHost *host, const char *path, guint64 *number)
{
    g_autofree char *text = doctor_read_text(host, path);

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, number, NULL);
}

/* --- QEMU and how fast it runs a guest --- */

static void check_qemu(const MmrigHost *host, MmrigFinding *finding)
{
    if (host->qemu) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s, %s", host->qemu->version,
                         host->qemu->path);
        return;
    }
    /* The same line is an error message elsewhere and has its remedy at its end. */
    g_autofree char *text = g_strdup(host->qemu_problem);
    const char *mend = mmrig_arch_default()->qemu_mend;
    g_autofree char *end = g_strconcat("; ", mend, NULL);
    gboolean mendable = g_str_has_suffix(text, end);
    if (mendable)
        text[strlen(text) - strlen(end)] = '\0';
    mmrig_doctor_say(finding, MMRIG_CHECK_FAIL, mendable ? mend : NULL, "%s", text);
}

static void check_devices(const MmrigHost *host, MmrigFinding *finding)
{
    g_auto(GStrv) types = mmrig_spec_all_types();
    g_autoptr(GString) missing = g_string_new(NULL);

    if (!host->qemu) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL, "not known without QEMU");
        return;
    }
    for (char **type = types; *type; type++)
        if (!g_hash_table_contains(host->qemu->types, *type))
            g_string_append_printf(missing, " %s", *type);
    if (missing->len == 0) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL,
                         "QEMU has all devices that scenarios use");
        return;
    }
    g_autofree char *mend = g_strconcat("use the distribution's full QEMU: apt-get install ",
                                        mmrig_arch_default()->qemu_package, NULL);
    mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend,
                     "QEMU lacks%s: scenarios that use them are skipped", missing->str);
}

static void check_pack(const MmrigHost *host, MmrigFinding *finding)
{
    if (!host->qemu) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL, "not known without QEMU");
    } else if (host->pack) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL,
                         "QEMU loads mmrig's devices, built for QEMU %s: %s", host->pack_qemu,
                         host->pack);
    } else {
        /* One line that has its remedy at its end, as an error message has. */
        const char *mend = g_strrstr(host->pack_problem, "; ");
        gsize length = mend ? (gsize)(mend - host->pack_problem) : strlen(host->pack_problem);
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend ? mend + strlen("; ") : NULL,
                         "%.*s: scenarios with mmrig's own devices cannot run", (int)length,
                         host->pack_problem);
    }
}

static char *kvm_load_mend(void)
{
    const char *modules = mmrig_arch_default()->kvm_modules;

    return g_strdup_printf(
        "%s%s%sbe root or in the group kvm (`adduser USER kvm`); in a virtual machine, its "
        "host must allow nested virtualisation",
        modules ? "load " : "", modules ? modules : "", modules ? ", and " : "");
}

static void check_kvm(const MmrigHost *host, MmrigFinding *finding)
{
    const char *reason = host->kvm_reason ? host->kvm_reason : "no reason known";

    if (!host->qemu) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL, "not known without QEMU");
    } else if (host->kvm == MMRIG_KVM_ABSENT) {
        g_autofree char *mend = kvm_load_mend();
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend,
                         "cannot be used (%s): guests run on TCG, several times slower",
                         reason);
    } else if (!host->kvm_tried) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, "run `mmrig doctor` without --no-boot",
                         "/dev/kvm is there; whether a guest boots on it was not tried");
    } else if (host->kvm == MMRIG_KVM_WORKS) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "a guest has booted on it");
    } else if (host->kvm == MMRIG_KVM_BROKEN) {
        g_autofree char *mend =
            host->cache ? g_strdup_printf("in a virtual machine, KVM is for its host to mend; "
                                          "it is tried again in some minutes, or "
                                          "at once if %s/kvm is removed",
                                          host->cache)
                        : NULL;
        mmrig_doctor_say(
            finding, MMRIG_CHECK_WARN, mend,
            "/dev/kvm is there but no guest boots on it (%s): guests run on TCG, several times "
            "slower",
            reason);
    } else {
        mmrig_doctor_say(
            finding, MMRIG_CHECK_INFO,
            host->kernels ? NULL : "get a kernel to try it with: mmrig kernel fetch",
            "/dev/kvm is there; whether a guest boots on it could not be tried (%s)", reason);
    }
}

static void check_accuracy(const MmrigHost *host, MmrigFinding *finding)
{
    gboolean kvm = host->qemu && host->kvm_tried && host->kvm == MMRIG_KVM_WORKS;

    /* As docs/memory-errors.md has it, error by error. */
    mmrig_doctor_say(
        finding, MMRIG_CHECK_INFO, NULL, "%s",
        kvm ? "runs use KVM: timings are a real machine's; a use of bad memory is told at its "
              "own instruction only with mmrig-ras's kvm-poison=hwpoison (as root), else after "
              "it; corrected errors are found by polling, as QEMU gives no processor CMCI"
            : "runs use TCG: timings are not a real machine's, so compare them only with "
              "others of the same run; a use of mmrig-ras's bad memory is told at its own "
              "instruction, with its address; corrected errors are found by polling, as there "
              "is no CMCI");
}

/* --- kernels and memory --- */

static void check_kernels(const MmrigHost *host, MmrigFinding *finding)
{
    if (host->kernels)
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "in the cache: %s", host->kernels);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN,
                         "mmrig kernel fetch (or mmrig kernel build)",
                         "none in the cache: only `--kernel path:FILE` works");
}

static void check_huge_pages(const MmrigHost *host, MmrigFinding *finding)
{
    static const char *const folder = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
    g_autofree char *total_path = g_strconcat(folder, "nr_hugepages", NULL);
    g_autofree char *free_path = g_strconcat(folder, "free_hugepages", NULL);
    guint64 total, left;

    if (!doctor_read_number(host, total_path, &total) ||
        !doctor_read_number(host, free_path, &left))
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL,
                         "the host's kernel has no huge pages of 2 MiB; no scenario needs any");
    else if (total == 0)
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO,
                         "if you want some: sysctl vm.nr_hugepages=NUMBER",
                         "no huge pages of 2 MiB are set aside; no scenario needs any");
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL,
                         "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                         " huge pages of 2 MiB are free",
                         left, total);
}

static void check_thp(const MmrigHost *host, MmrigFinding *finding)
{
    g_autofree char *text =
        doctor_read_text(host, "/sys/kernel/mm/transparent_hugepage/enabled");
    const char *open = text ? strchr(text, '[') : NULL;
    const char *close = open ? strchr(open, ']') : NULL;

    if (!close) {
        mmrig_doctor_say(
            finding, MMRIG_CHECK_INFO, NULL,
            "the host's kernel has no transparent huge pages: guests run a little slower");
        return;
    }
    g_autofree char *mode = g_strndup(open + 1, (gsize)(close - open - 1));
    if (strcmp(mode, "never") == 0)
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO,
                         "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
                         "transparent huge pages are off: guests run a little slower");
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "transparent huge pages: %s", mode);
}

static void check_userfaultfd(const MmrigHost *host, MmrigFinding *finding)
{
    g_autofree char *open = doctor_read_text(host, "/proc/sys/vm/unprivileged_userfaultfd");
    const char *rule = !open                    ? ""
                       : strcmp(open, "0") == 0 ? " (vm.unprivileged_userfaultfd is 0)"
                                                : " (vm.unprivileged_userfaultfd is 1)";

    if (host->userfaultfd_errno == 0)
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "works%s", rule);
    else if (host->userfaultfd_device_errno == 0)
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "works by /dev/userfaultfd%s", rule);
    else if (host->userfaultfd_errno == EPERM)
        mmrig_doctor_say(
            finding, MMRIG_CHECK_WARN,
            "be root, or: sysctl vm.unprivileged_userfaultfd=1, or give yourself access to "
            "/dev/userfaultfd",
            "not permitted%s: no post-copy migration", rule);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, "use a host kernel with CONFIG_USERFAULTFD",
                         "does not work (%s): no post-copy migration",
                         g_strerror(host->userfaultfd_errno));
}

/* --- programs, files, room, permissions --- */

/* Why the descriptors before the one that is taken are not: "NAME (REASON), ...". */
static char *firmware_passed(const MmrigFirmwareSearch *search)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < search->passed->len; i++) {
        const MmrigFirmwareMiss *miss = g_ptr_array_index(search->passed, i);
        g_autofree char *name = g_path_get_basename(miss->descriptor);
        g_string_append_printf(text, "%s%s (%s)", i == 0 ? "; passed over: " : ", ", name,
                               miss->reason);
    }
    return g_string_free(text, FALSE);
}

static void check_firmware(const MmrigHost *host, MmrigFinding *finding)
{
    const MmrigFirmware *taken = host->firmware->taken;
    g_autofree char *passed = firmware_passed(host->firmware);
    g_autofree char *mend =
        g_strconcat("apt-get install ", mmrig_arch_default()->firmware_package, NULL);

    if (taken)
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s with %s, by %s%s", taken->code,
                         taken->variables, taken->descriptor, passed);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend,
                         "no descriptor of UEFI firmware fits: no scenarios with firmware%s",
                         passed);
}

static void doctor_check_tools(const MmrigHost *host, MmrigFinding *finding, MmrigToolUse use,
                               const char *without)
{
    g_autofree char *found = NULL;
    g_autofree char *missing = NULL;
    g_autofree char *packages = NULL;

    mmrig_doctor_tools(host->root, use, &found, &missing, &packages);
    if (!missing) {
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s", found);
    } else {
        g_autofree char *mend = g_strdup_printf("apt-get install %s", packages);
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend, "missing: %s; %s", missing, without);
    }
}

static void check_image_tools(const MmrigHost *host, MmrigFinding *finding)
{
    doctor_check_tools(host, finding, MMRIG_TOOL_IMAGE,
                       "no scenarios that use them in the guest, or no `mmrig shell`, without");
}

static void check_fetch_tools(const MmrigHost *host, MmrigFinding *finding)
{
    doctor_check_tools(host, finding, MMRIG_TOOL_FETCH, "no `mmrig kernel fetch` without");
}

static void check_build_tools(const MmrigHost *host, MmrigFinding *finding)
{
    doctor_check_tools(host, finding, MMRIG_TOOL_BUILD, "no `mmrig kernel build` without");
}

static void check_disk_tools(const MmrigHost *host, MmrigFinding *finding)
{
    doctor_check_tools(host, finding, MMRIG_TOOL_DISK,
                       "no scenarios that boot from a disk (boot = esp) without");
}

static void check_cache(const MmrigHost *host, MmrigFinding *finding)
{
    static const char *const mend =
        "free some space, or set XDG_CACHE_HOME to a folder on another disk";

    if (!host->cache) {
        mmrig_doctor_say(finding, MMRIG_CHECK_FAIL, NULL, "%s", host->cache_problem);
        return;
    }
    if (!host->cache_free.known) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL, "%s: how much is free is not known",
                         host->cache);
        return;
    }
    g_autofree char *size = mmrig_doctor_size(host->cache_free.bytes);
    if (host->cache_free.bytes < CACHE_NEEDED)
        mmrig_doctor_say(finding, MMRIG_CHECK_FAIL, mend,
                         "%s: %s free: too little for kernels and images", host->cache, size);
    else if (host->cache_free.bytes < CACHE_TREE)
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, mend,
                         "%s: %s free: too little to build a kernel", host->cache, size);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s: %s free", host->cache, size);
}

static void check_shm(const MmrigHost *host, MmrigFinding *finding)
{
    if (host->shm_errno != 0) {
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN,
                         "mount -t tmpfs tmpfs /dev/shm, with mode 1777 and some GiB",
                         "/dev/shm cannot hold a guest's memory (%s): templates go to the "
                         "cache's disk",
                         g_strerror(host->shm_errno));
        return;
    }
    if (host->shm_problem) {
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN,
                         "remove what is in the way, or name a folder of your own in "
                         "MMRIG_TEMPLATES",
                         "/dev/shm: %s: templates go to the cache's disk", host->shm_problem);
        return;
    }
    if (!host->shm_free.known) {
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL, "how much is free is not known");
        return;
    }
    g_autofree char *size = mmrig_doctor_size(host->shm_free.bytes);
    if (host->shm_free.bytes < SHM_EASY)
        mmrig_doctor_say(finding, MMRIG_CHECK_WARN, "mount -o remount,size=2G /dev/shm",
                         "%s free: too little for a guest's memory", size);
    else
        mmrig_doctor_say(finding, MMRIG_CHECK_OK, NULL, "%s free, and can be written", size);
}

static void check_user(const MmrigHost *host, MmrigFinding *finding)
{
    if (host->is_root)
        mmrig_doctor_say(finding, MMRIG_CHECK_INFO, NULL,
                         "root: everything is permitted; mmrig does not need it");
    else
        mmrig_doctor_say(
            finding, MMRIG_CHECK_INFO, NULL,
            "not root: KVM needs the group kvm, post-copy migration userfaultfd, and packages "
            "are for root to install");
}

/* --- the table --- */

static const struct {
    const char *name;
    void (*check)(const MmrigHost *host, MmrigFinding *finding);
} checks[] = {
    {"qemu", check_qemu},
    {"devices", check_devices},
    {"pack", check_pack},
    {"kvm", check_kvm},
    {"accuracy", check_accuracy},
    {"kernels", check_kernels},
    {"memory", mmrig_doctor_check_memory},
    {"cpus", mmrig_doctor_check_cpus},
    {"limits", mmrig_doctor_check_limits},
    {"hugepages", check_huge_pages},
    {"thp", check_thp},
    {"memlock", mmrig_doctor_check_memlock},
    {"userfaultfd", check_userfaultfd},
    {"ovmf", check_firmware},
    {"image-tools", check_image_tools},
    {"fetch-tools", check_fetch_tools},
    {"build-tools", check_build_tools},
    {"disk-tools", check_disk_tools},
    {"cache", check_cache},
    {"shm", check_shm},
    {"user", check_user},
};

static void finding_free(gpointer data)
{
    MmrigFinding *finding = data;

    g_free(finding->text);
    g_free(finding->mend);
    g_free(finding);
}

GPtrArray *mmrig_doctor_examine(const MmrigHost *host)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func(finding_free);

    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        MmrigFinding *finding = g_new0(MmrigFinding, 1);
        finding->name = checks[i].name;
        checks[i].check(host, finding);
        g_ptr_array_add(findings, finding);
    }
    return findings;
}

MmrigCheckState mmrig_doctor_worst(const GPtrArray *findings)
{
    MmrigCheckState worst = MMRIG_CHECK_OK;

    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        worst = MAX(worst, finding->state);
    }
    return worst;
}
