/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doctor's checks on made-up hosts, and how its findings are shown. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/store.h"
#include "base/term.h"
#include "doctor/doctor-probe-private.h"
#include "doctor/doctor.h"
#include "machine/spec.h"
#include "qemu/qemu-probe.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

#define BOOT_LOADER "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

/* --- a host that lacks nothing, in a folder --- */

typedef struct {
    MmrigHost *host;
} Place;

static void put(const Place *place, const char *path, const void *bytes, gssize size, int mode)
{
    g_autofree char *full = g_strconcat(place->host->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);
    g_autoptr(GError) error = NULL;

    /* The mode is for new files only. */
    mmrig_remove_tree(full, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents_full(full, bytes, size, G_FILE_SET_CONTENTS_NONE, mode, &error);
    g_assert_no_error(error);
}

static void drop(const Place *place, const char *path)
{
    g_autofree char *full = g_strconcat(place->host->root, path, NULL);
    g_autoptr(GError) error = NULL;

    mmrig_remove_tree(full, &error);
    g_assert_no_error(error);
}

/* A program, dynamically linked or not, as far as its headers go. */
static void put_program(const Place *place, const char *path, gboolean dynamic)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr parts[2];
    } elf = {
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                   .e_machine = mmrig_arch_default()->elf_machine,
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_phnum = 2},
        .parts = {{.p_type = PT_LOAD}, {.p_type = dynamic ? PT_INTERP : PT_LOAD}}};

    put(place, path, &elf, sizeof elf, 0755);
}

static MmrigQemu *make_qemu(void)
{
    g_auto(GStrv) types = mmrig_spec_all_types();
    MmrigQemu *qemu = g_new0(MmrigQemu, 1);

    qemu->path = g_strdup("/usr/bin/qemu-system-x86_64");
    qemu->version = g_strdup("10.0.2 (made up)");
    qemu->kvm_built = TRUE;
    qemu->types = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (char **type = types; *type; type++)
        g_hash_table_add(qemu->types, g_strdup(*type));
    return qemu;
}

static void place_make(Place *place, gconstpointer data)
{
    static const char *const programs[] = {"/usr/bin/ndctl",
                                           "/usr/bin/daxctl",
                                           "/usr/bin/cxl",
                                           "/usr/bin/v4l2-ctl",
                                           "/usr/bin/v4l2-compliance",
                                           "/usr/sbin/rasdaemon",
                                           "/usr/bin/efibootmgr",
                                           "/usr/sbin/mkfs.ext4",
                                           "/usr/bin/apt-get",
                                           "/usr/bin/dpkg-deb",
                                           "/sbin/depmod",
                                           "/usr/bin/gcc",
                                           "/usr/bin/ld",
                                           "/usr/bin/make",
                                           "/usr/bin/flex",
                                           "/usr/bin/bison",
                                           "/usr/bin/bc",
                                           "/usr/bin/xz",
                                           "/usr/bin/tar",
                                           "/usr/bin/mformat",
                                           "/usr/sbin/sfdisk",
                                           "/usr/bin/mmd",
                                           "/usr/bin/mcopy"};
    g_autoptr(GError) error = NULL;
    MmrigHost *host = g_new0(MmrigHost, 1);

    g_setenv("PATH", "/usr/local/bin:/usr/bin:/bin", TRUE);

    (void)data;
    place->host = host;
    host->root = g_dir_make_tmp("mmrig-test-XXXXXX", &error);
    g_assert_no_error(error);
    host->qemu = make_qemu();
    host->pack = g_strdup("mmrig-camera");
    host->pack_qemu = g_strdup("10.0.2");
    host->kvm_tried = TRUE;
    host->kvm = MMRIG_KVM_WORKS;
    host->kernels = g_strdup("tree (6.12.1)");
    host->cache = g_strdup("/cache");
    host->cache_free = (MmrigAmount){TRUE, 20 * GIB};
    host->shm_free = (MmrigAmount){TRUE, 2 * GIB};
    host->limits = mmrig_host_limits_read(host->root);
    host->limits->memory = 8 * GIB;
    host->limits->cpus = 4;
    host->firmware =
        mmrig_firmware_search((const char *const[]){host->root, NULL}, mmrig_arch_default());
    host->firmware->taken = g_new0(MmrigFirmware, 1);
    host->firmware->taken->code = g_strdup("/f/code");
    host->firmware->taken->variables = g_strdup("/f/vars");
    host->firmware->taken->descriptor = g_strdup("/f/60-x.json");
    host->is_root = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(programs); i++)
        put(place, programs[i], "", 0, 0755);
    put_program(place, "/bin/busybox", FALSE);
    put(place, BOOT_LOADER, "", 0, 0644);
    put(place, "/proc/sys/vm/unprivileged_userfaultfd", "0\n", -1, 0644);
    put(place, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n", -1, 0644);
    put(place, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n", -1, 0644);
    put(place, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n", -1,
        0644);
}

static void place_clear(Place *place, gconstpointer data)
{
    (void)data;
    drop(place, "");
    mmrig_host_free(place->host);
}

/* --- */

/* Checks one finding: its state, a part of its text, and of its remedy (NULL: has none). */
static void check(const Place *place, const char *name, MmrigCheckState state, const char *text,
                  const char *mend)
{
    g_autoptr(GPtrArray) findings = mmrig_doctor_examine(place->host);

    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        if (strcmp(finding->name, name) != 0)
            continue;
        g_assert_cmpstr(mmrig_check_state_name(finding->state), ==,
                        mmrig_check_state_name(state));
        if (!strstr(finding->text, text))
            g_error("%s: '%s' is not in '%s'", name, text, finding->text);
        if (!mend)
            g_assert_cmpstr(finding->mend, ==, NULL);
        else if (!finding->mend || !strstr(finding->mend, mend))
            g_error("%s: '%s' is not in '%s'", name, mend, finding->mend);
        return;
    }
    g_error("there is no check '%s'", name);
}

static void set(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

static void test_all_well(Place *place, gconstpointer data)
{
    g_autoptr(GPtrArray) findings = mmrig_doctor_examine(place->host);
    g_autofree char *text = mmrig_doctor_text(findings, FALSE, 0);

    (void)data;
    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        gboolean info =
            strcmp(finding->name, "accuracy") == 0 || strcmp(finding->name, "user") == 0;
        if (finding->state != (info ? MMRIG_CHECK_INFO : MMRIG_CHECK_OK))
            g_error("%s: %s", finding->name, finding->text);
        g_assert_null(strchr(finding->text, '\n'));
    }
    g_assert_cmpint(mmrig_doctor_worst(findings), ==, MMRIG_CHECK_INFO);
    g_assert_true(g_str_has_suffix(text, "\nmmrig can run here, with all its parts.\n"));
}

static void test_qemu(Place *place, gconstpointer data)
{
    MmrigHost *host = place->host;

    (void)data;
    check(place, "qemu", MMRIG_CHECK_OK, "10.0.2 (made up), /usr/bin/qemu-system-x86_64", NULL);
    g_hash_table_remove(host->qemu->types, "nvdimm");
    check(place, "devices", MMRIG_CHECK_WARN, "lacks nvdimm:", "qemu-system-x86");

    g_clear_pointer(&host->qemu, mmrig_qemu_free);
    g_autofree char *old =
        g_strconcat("/q: QEMU 7.2.0 is too old; ", mmrig_arch_default()->qemu_mend, NULL);
    set(&host->qemu_problem, old);
    check(place, "qemu", MMRIG_CHECK_FAIL, "too old", "bookworm-backports");
    g_autoptr(GPtrArray) findings = mmrig_doctor_examine(host);
    const MmrigFinding *qemu = g_ptr_array_index(findings, 0);
    g_assert_cmpstr(qemu->text, ==, "/q: QEMU 7.2.0 is too old");
    g_assert_cmpint(mmrig_doctor_worst(findings), ==, MMRIG_CHECK_FAIL);
    set(&host->qemu_problem, "the disk is on fire");
    check(place, "qemu", MMRIG_CHECK_FAIL, "the disk is on fire", NULL);
    check(place, "devices", MMRIG_CHECK_INFO, "not known", NULL);
    check(place, "kvm", MMRIG_CHECK_INFO, "not known", NULL);
}

static void test_pack(Place *place, gconstpointer data)
{
    MmrigHost *host = place->host;

    (void)data;
    check(place, "pack", MMRIG_CHECK_OK, "built for QEMU 10.0.2: mmrig-camera", NULL);
    g_clear_pointer(&host->pack, g_free);
    set(&host->pack_problem, "/p.so: this is QEMU 10.2.0; rebuild the pack for it: cmake");
    check(place, "pack", MMRIG_CHECK_WARN,
          "/p.so: this is QEMU 10.2.0: scenarios with mmrig's own devices cannot run",
          "rebuild the pack for it: cmake");
    set(&host->pack_problem, "the disk is on fire");
    check(place, "pack", MMRIG_CHECK_WARN, "the disk is on fire: scenarios", NULL);
    g_clear_pointer(&host->qemu, mmrig_qemu_free);
    set(&host->qemu_problem, "none");
    check(place, "pack", MMRIG_CHECK_INFO, "not known", NULL);
}

static void test_kvm(Place *place, gconstpointer data)
{
    MmrigHost *host = place->host;

    (void)data;
    check(place, "kvm", MMRIG_CHECK_OK, "a guest has booted", NULL);
    check(place, "accuracy", MMRIG_CHECK_INFO, "runs use KVM", NULL);

    host->kvm = MMRIG_KVM_BROKEN;
    set(&host->kvm_reason, "QEMU was killed");
    check(place, "kvm", MMRIG_CHECK_WARN, "(QEMU was killed)", "/cache/kvm is removed");
    check(place, "accuracy", MMRIG_CHECK_INFO, "runs use TCG", NULL);

    host->kvm = MMRIG_KVM_ABSENT;
    set(&host->kvm_reason, "/dev/kvm: Permission denied");
    check(place, "kvm", MMRIG_CHECK_WARN, "Permission denied", "adduser USER kvm");

    host->kvm = MMRIG_KVM_UNPROVEN;
    set(&host->kvm_reason, "no image");
    check(place, "kvm", MMRIG_CHECK_INFO, "could not be tried (no image)", NULL);
    set(&host->kernels, NULL);
    check(place, "kvm", MMRIG_CHECK_INFO, "could not be tried", "mmrig kernel fetch");
    check(place, "kernels", MMRIG_CHECK_WARN, "none in the cache", "mmrig kernel fetch");

    host->kvm_tried = FALSE;
    check(place, "kvm", MMRIG_CHECK_INFO, "was not tried", "without --no-boot");
}

static void test_memory(Place *place, gconstpointer data)
{
    MmrigHostLimits *limits = place->host->limits;

    (void)data;
    check(place, "memory", MMRIG_CHECK_OK, "8.0 GiB available", NULL);
    limits->memory = 1500 * MIB;
    check(place, "memory", MMRIG_CHECK_WARN, "one guest at a time", "free some memory");
    limits->memory_by = g_strdup("/job");
    check(place, "memory", MMRIG_CHECK_WARN,
          "1.5 GiB available within the limit of cgroup /job", "memory.max");
    limits->memory = 900 * MIB;
    check(place, "memory", MMRIG_CHECK_FAIL, "too little", "memory.max");
    limits->memory = 0;
    check(place, "memory", MMRIG_CHECK_FAIL, "too little", "memory.max");
    set(&limits->memory_by, NULL);
    check(place, "memory", MMRIG_CHECK_WARN, "does not tell", "mount /proc");

    check(place, "hugepages", MMRIG_CHECK_OK, "3 of 8", NULL);
    put(place, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n", -1, 0644);
    check(place, "hugepages", MMRIG_CHECK_INFO, "set aside", "vm.nr_hugepages");
    drop(place, "/sys/kernel/mm/hugepages");
    check(place, "hugepages", MMRIG_CHECK_INFO, "has no huge pages", NULL);

    check(place, "thp", MMRIG_CHECK_OK, "madvise", NULL);
    put(place, "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]", -1,
        0644);
    check(place, "thp", MMRIG_CHECK_INFO, "off", "echo madvise");
    drop(place, "/sys/kernel/mm/transparent_hugepage");
    check(place, "thp", MMRIG_CHECK_INFO, "has no transparent", NULL);

    place->host->is_root = FALSE;
    check(place, "memlock", MMRIG_CHECK_OK, "no limit", NULL);
    limits->locked = 8 * MIB;
    check(place, "memlock", MMRIG_CHECK_INFO, "8.0 MiB", "limits.conf");
}

static void test_limits(Place *place, gconstpointer data)
{
    MmrigHostLimits *limits = place->host->limits;

    (void)data;
    check(place, "cpus", MMRIG_CHECK_OK, "4 to run on", NULL);
    limits->cpus_by = g_strdup("/job");
    check(place, "cpus", MMRIG_CHECK_OK, "4 at a time, by the quota of cgroup /job", NULL);
    check(place, "limits", MMRIG_CHECK_OK, "suffice", NULL);
    limits->file_size = MIB;
    check(place, "limits", MMRIG_CHECK_WARN, "no more than files of 1.0 MiB:", "ulimit -f");
    limits->address_space = GIB;
    check(place, "limits", MMRIG_CHECK_WARN, "files of 1.0 MiB, address spaces of 1.0 GiB",
          "ulimit -v");
    limits->tasks = 3;
    check(place, "limits", MMRIG_CHECK_FAIL, "3 more tasks", "pids.max");
    limits->tasks = MMRIG_NO_LIMIT;
    limits->files = 20;
    check(place, "limits", MMRIG_CHECK_FAIL, "20 open files", "ulimit -n");
}

/* What doctor tries, tried on what only looks like it. */
static void test_probes(Place *place, gconstpointer data)
{
    g_autofree char *file = g_build_filename(place->host->root, "userfaultfd", NULL);
    g_autofree char *none = g_build_filename(place->host->root, "none", NULL);

    (void)data;
    put(place, "/userfaultfd", "", 0, 0644);
    g_assert_cmpint(mmrig_doctor_userfaultfd(file), ==, ENOTTY);
    g_assert_cmpint(mmrig_doctor_userfaultfd(none), ==, ENOENT);
    g_assert_cmpint(mmrig_doctor_memory_folder(place->host->root), ==, 0);
    g_assert_cmpint(mmrig_doctor_memory_folder(none), ==, ENOENT);
    /* A file system that can never be written. */
    g_assert_cmpint(mmrig_doctor_memory_folder("/proc"), !=, 0);
}

static void test_userfaultfd(Place *place, gconstpointer data)
{
    MmrigHost *host = place->host;

    (void)data;
    check(place, "userfaultfd", MMRIG_CHECK_OK, "works (vm.unprivileged_userfaultfd is 0)",
          NULL);
    host->userfaultfd_errno = EPERM;
    host->userfaultfd_device_errno = ENOTTY;
    check(place, "userfaultfd", MMRIG_CHECK_WARN, "not permitted",
          "vm.unprivileged_userfaultfd=1");
    host->userfaultfd_device_errno = 0;
    check(place, "userfaultfd", MMRIG_CHECK_OK, "/dev/userfaultfd", NULL);
    host->userfaultfd_device_errno = ENOENT;
    host->userfaultfd_errno = ENOSYS;
    drop(place, "/proc/sys/vm/unprivileged_userfaultfd");
    check(place, "userfaultfd", MMRIG_CHECK_WARN, "not implemented", "CONFIG_USERFAULTFD");
}

static void test_files(Place *place, gconstpointer data)
{
    (void)data;
    check(place, "ovmf", MMRIG_CHECK_OK, "/f/code with /f/vars, by /f/60-x.json", NULL);
    put(place, "/50-bad.json", "{}", -1, 0644);
    mmrig_firmware_search_free(place->host->firmware);
    place->host->firmware = mmrig_firmware_search(
        (const char *const[]){place->host->root, NULL}, mmrig_arch_default());
    check(place, "ovmf", MMRIG_CHECK_WARN,
          "passed over: 50-bad.json (it is not of UEFI firmware)", "apt-get install ovmf");

    check(place, "image-tools", MMRIG_CHECK_OK,
          "ndctl daxctl cxl v4l2-ctl v4l2-compliance rasdaemon efibootmgr mkfs.ext4 busybox",
          NULL);
    put_program(place, "/bin/busybox", TRUE);
    check(place, "image-tools", MMRIG_CHECK_WARN, "missing: busybox;",
          "apt-get install busybox-static");
    put(place, "/bin/busybox", "\177ELF", -1, 0755);
    check(place, "image-tools", MMRIG_CHECK_WARN, "missing: busybox;", "busybox-static");
    drop(place, "/usr/bin/daxctl");
    check(place, "image-tools", MMRIG_CHECK_WARN, "missing: daxctl busybox;",
          "apt-get install daxctl busybox-static");
    drop(place, "/sbin/depmod");
    check(place, "fetch-tools", MMRIG_CHECK_WARN, "missing: depmod;", "apt-get install kmod");
    /* There, but not a program. */
    put(place, "/usr/bin/bison", "", 0, 0644);
    check(place, "build-tools", MMRIG_CHECK_WARN, "missing: bison;", "apt-get install bison");

    /* Where a run does not look for what goes into images. */
    put(place, "/usr/bin/daxctl", "", 0, 0755);
    put_program(place, "/bin/busybox", FALSE);
    check(place, "image-tools", MMRIG_CHECK_OK, "busybox", NULL);
    drop(place, "/usr/bin/daxctl");
    put(place, "/usr/local/bin/daxctl", "", 0, 0755);
    check(place, "image-tools", MMRIG_CHECK_WARN, "missing: daxctl;", "apt-get install daxctl");

    check(place, "disk-tools", MMRIG_CHECK_OK, "mformat sfdisk mmd mcopy " BOOT_LOADER, NULL);
    drop(place, BOOT_LOADER);
    check(place, "disk-tools", MMRIG_CHECK_WARN, "missing: " BOOT_LOADER "; no scenarios",
          "apt-get install systemd-boot-efi");
    drop(place, "/usr/bin/mmd");
    drop(place, "/usr/bin/mcopy");
    check(place, "disk-tools", MMRIG_CHECK_WARN, "missing: mmd mcopy " BOOT_LOADER ";",
          "apt-get install mtools systemd-boot-efi");
}

static void test_room(Place *place, gconstpointer data)
{
    MmrigHost *host = place->host;

    (void)data;
    check(place, "cache", MMRIG_CHECK_OK, "/cache: 20.0 GiB free", NULL);
    host->cache_free.bytes = 2 * GIB;
    check(place, "cache", MMRIG_CHECK_WARN, "too little to build", "XDG_CACHE_HOME");
    host->cache_free.bytes = 100 * MIB;
    check(place, "cache", MMRIG_CHECK_FAIL, "too little for kernels", "XDG_CACHE_HOME");
    host->cache_free.known = FALSE;
    check(place, "cache", MMRIG_CHECK_INFO, "not known", NULL);
    set(&host->cache, NULL);
    set(&host->cache_problem, "/cache: Read-only file system");
    check(place, "cache", MMRIG_CHECK_FAIL, "Read-only", NULL);

    host->shm_free.bytes = 64 * MIB;
    check(place, "shm", MMRIG_CHECK_WARN, "too little", "remount,size=2G");
    host->shm_errno = EROFS;
    check(place, "shm", MMRIG_CHECK_WARN, "Read-only file system", "mount -t tmpfs");

    check(place, "user", MMRIG_CHECK_INFO, "root: everything", NULL);
    host->is_root = FALSE;
    check(place, "user", MMRIG_CHECK_INFO, "not root", NULL);
}

/* --- how findings are shown --- */

static void add(GPtrArray *findings, const char *name, MmrigCheckState state, const char *text,
                const char *mend)
{
    MmrigFinding *finding = g_new0(MmrigFinding, 1);

    *finding = (MmrigFinding){name, state, (char *)text, (char *)mend};
    g_ptr_array_add(findings, finding);
}

static void test_text(void)
{
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = NULL, *coloured = NULL, *narrow = NULL;

    add(findings, "qemu", MMRIG_CHECK_OK, "one two three four", NULL);
    add(findings, "userfaultfd", MMRIG_CHECK_WARN, "no", "be root and do more of it");
    text = mmrig_doctor_text(findings, FALSE, 0);
    g_assert_cmpstr(text, ==,
                    "ok    qemu         one two three four\n"
                    "warn  userfaultfd  no\n"
                    "                   mend: be root and do more of it\n"
                    "\nmmrig can run here; 1 of its parts cannot (warn).\n");
    coloured = mmrig_doctor_text(findings, TRUE, 0);
    g_assert_true(g_str_has_prefix(coloured, "\033[32mok    \033[0mqemu         one"));
    g_assert_nonnull(strstr(coloured, "\n\033[33mwarn  \033[0muserfaultfd  no\n"));

    add(findings, "kvm", MMRIG_CHECK_FAIL, "an-overlong-word-that-cannot-be-broken x", NULL);
    narrow = mmrig_doctor_text(findings, FALSE, 45);
    g_assert_cmpstr(narrow, ==,
                    "ok    qemu         one two three four\n"
                    "warn  userfaultfd  no\n"
                    "                   mend: be root and do more\n"
                    "                         of it\n"
                    "fail  kvm          an-overlong-word-that-cannot-be-broken\n"
                    "                   x\n"
                    "\nmmrig cannot run here yet: mend what says fail (1).\n");
}

static void test_json(void)
{
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(JsonNode) node = NULL;
    g_autofree char *text = NULL;

    add(findings, "qemu", MMRIG_CHECK_FAIL, "a \"b\"", "c");
    add(findings, "kvm", MMRIG_CHECK_INFO, "d", NULL);
    node = mmrig_doctor_json(findings);
    text = json_to_string(node, FALSE);
    g_assert_cmpstr(text, ==,
                    "{\"schema\":1,\"usable\":false,\"checks\":["
                    "{\"name\":\"qemu\",\"state\":\"fail\",\"text\":\"a \\\"b\\\"\","
                    "\"mend\":\"c\"},"
                    "{\"name\":\"kvm\",\"state\":\"info\",\"text\":\"d\",\"mend\":null}]}");
}

/* The real host: whatever it is like, there is an answer to each check. */
static void test_this_host(void)
{
    g_autoptr(MmrigHost) host = NULL;
    g_autoptr(GPtrArray) findings = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *cache = g_dir_make_tmp("mmrig-test-XXXXXX", &error);

    g_assert_no_error(error);
    g_setenv("XDG_CACHE_HOME", cache, TRUE);
    host = mmrig_host_gather(FALSE);
    findings = mmrig_doctor_examine(host);
    g_assert_cmpuint(findings->len, >, 10);
    for (guint i = 0; i < findings->len; i++) {
        const MmrigFinding *finding = g_ptr_array_index(findings, i);
        g_assert_true(finding->text && *finding->text);
    }
    g_assert_true((host->qemu != NULL) != (host->qemu_problem != NULL));
    g_assert_true(host->cache_free.known);
    mmrig_remove_tree(cache, &error);
    g_assert_no_error(error);
}

static void test_term(void)
{
    g_autofree char *columns = g_strdup(g_getenv("COLUMNS"));

    g_assert_cmpstr(mmrig_term_style(FALSE, MMRIG_STYLE_RED), ==, "");
    g_assert_cmpstr(mmrig_term_style(TRUE, MMRIG_STYLE_RED), ==, "\033[31m");
    /* Not a descriptor, so not a terminal. */
    g_assert_false(mmrig_term_is_terminal(-1));
    g_assert_false(mmrig_term_colours(-1));
    g_setenv("COLUMNS", "132", TRUE);
    g_assert_cmpuint(mmrig_term_width(-1), ==, 132);
    g_setenv("COLUMNS", "wide", TRUE);
    g_assert_cmpuint(mmrig_term_width(-1), ==, 80);
    g_unsetenv("COLUMNS");
    g_assert_cmpuint(mmrig_term_width(-1), ==, 80);
    if (columns)
        g_setenv("COLUMNS", columns, TRUE);
}

/* Colours on a terminal, unless the user does not want them. */
static void test_term_colours(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

    g_assert_cmpint(master, >=, 0);
    if (grantpt(master) != 0 || unlockpt(master) != 0 ||
        (slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        g_test_skip("no pseudo-terminals here");
        close(master);
        return;
    }
    g_unsetenv("NO_COLOR");
    g_setenv("TERM", "xterm", TRUE);
    g_assert_true(mmrig_term_is_terminal(slave));
    g_assert_true(mmrig_term_colours(slave));
    g_setenv("NO_COLOR", "", TRUE);
    g_assert_true(mmrig_term_colours(slave));
    g_setenv("NO_COLOR", "1", TRUE);
    g_assert_false(mmrig_term_colours(slave));
    g_unsetenv("NO_COLOR");
    g_setenv("TERM", "dumb", TRUE);
    g_assert_false(mmrig_term_colours(slave));
    struct winsize size = {.ws_col = 123};
    g_assert_cmpint(ioctl(slave, TIOCSWINSZ, &size), ==, 0);
    g_assert_cmpuint(mmrig_term_width(slave), ==, 123);
    close(slave);
    close(master);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function)                                                                    \
    g_test_add("/doctor/" path, Place, NULL, place_make, function, place_clear)
    ADD("all-well", test_all_well);
    ADD("qemu", test_qemu);
    ADD("pack", test_pack);
    ADD("kvm", test_kvm);
    ADD("memory", test_memory);
    ADD("userfaultfd", test_userfaultfd);
    ADD("limits", test_limits);
    ADD("probes", test_probes);
    ADD("files", test_files);
    ADD("room", test_room);
    g_test_add_func("/doctor/text", test_text);
    g_test_add_func("/doctor/json", test_json);
    g_test_add_func("/doctor/this-host", test_this_host);
    g_test_add_func("/term/basics", test_term);
    g_test_add_func("/term/colours", test_term_colours);
    return g_test_run();
}
