/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel was started by a boot loader that the firmware found on a disk, and not by QEMU.
 * Two boots, first and second: disk and variables are the same in both.
 *
 * Argument: partition, the GUID of the EFI system partition.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/io.h>

#include "efivar.h"
#include "harness.h"

/* What a boot loader tells of itself (systemd.io/BOOT_LOADER_INTERFACE). */
#define LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
/* EFI_GLOBAL_VARIABLE (UEFI 2.10, 3.3). */
#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
/* Nobody's but this test's. */
#define OURS "0c5ad3c5-6b6c-4a4e-9a0c-51b1e3a3f2d7"

#define TEXT_MAX 128

/* A variable that holds text: UTF-16, with a zero at its end. */
static void read_text(const char *name, char *text)
{
    uint16_t letters[TEXT_MAX];
    int bytes = efivar_read(name, LOADER, letters, sizeof(letters));

    *text = '\0';
    if (bytes < 0) {
        DIAG("%s is not there", name);
        return;
    }
    size_t count = (size_t)bytes / sizeof(letters[0]);
    for (size_t i = 0; i < count && i < TEXT_MAX - 1 && letters[i]; i++) {
        text[i] = letters[i] < 127 ? (char)letters[i] : '?';
        text[i + 1] = '\0';
    }
    DIAG("%s: %s", name, text);
}

/* fw_cfg's registers and items (QEMU docs/specs/fw_cfg.rst). */
enum {
    FW_CFG_SELECT = 0x510,
    FW_CFG_DATA = 0x511,
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_CMDLINE_SIZE = 0x14,
};

static uint32_t fw_cfg(uint16_t item)
{
    uint32_t value = 0;

    outw(item, FW_CFG_SELECT);
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)inb(FW_CFG_DATA) << 8 * i;
    return value;
}

FIXTURE(boot)
{
    int unused;
};

FIXTURE_SETUP(boot)
{
    efivar_mount();
}

FIXTURE_TEARDOWN(boot)
{
}

TEST_F(boot, loader_tells_of_itself)
{
    const char *partition = test_arg("partition");
    char text[TEXT_MAX];

    if (!partition)
        ABORT("partition= is not given");
    read_text("LoaderInfo", text);
    EXPECT_EQ(strncmp(text, "systemd-boot ", strlen("systemd-boot ")), 0);
    read_text("LoaderImageIdentifier", text);
    EXPECT_EQ(strcasecmp(text, "\\EFI\\BOOT\\BOOTX64.EFI"), 0);
    read_text("LoaderEntrySelected", text);
    EXPECT_STREQ(text, "mmrig.conf");
    read_text("LoaderDevicePartUUID", text);
    EXPECT_EQ(strcasecmp(text, partition), 0);
}

/*
 * An option to boot is attributes, the size of the path, a name in UTF-16, and the path, whose
 * nodes begin with type, subtype and size (UEFI 2.10, 3.1.3 and 10.2).
 */
TEST_F(boot, firmware_took_the_disk)
{
    uint8_t option[256];
    uint16_t current;
    char name[16];

    ASSERT_EQ(efivar_read("BootCurrent", GLOBAL, &current, sizeof(current)),
              (int)sizeof(current));
    snprintf(name, sizeof(name), "Boot%04X", current);
    int size = efivar_read(name, GLOBAL, option, sizeof(option));
    DIAG("%s has %d bytes", name, size);
    ASSERT_GT(size, 6);
    ASSERT_LE(size, (int)sizeof(option));
    int at = 6;
    while (at + 1 < size && (option[at] || option[at + 1]))
        at += 2;
    at += 2;
    bool sata = false;
    while (at + 4 <= size && option[at] != 0x7f) {
        int length = option[at + 2] | option[at + 3] << 8;
        ASSERT_GE(length, 4);
        sata |= option[at] == 3 && option[at + 1] == 18;
        at += length;
    }
    EXPECT_TRUE(sata);
}

TEST(qemu_has_no_kernel)
{
    /* A kernel without CONFIG_X86_IOPL_IOPERM; what the loader and the firmware tell is enough.
     */
    if (ioperm(FW_CFG_SELECT, 2, 1) != 0 && errno == ENOSYS)
        SKIP("this kernel lets no program use I/O ports");
    ASSERT_EQ(ioperm(FW_CFG_SELECT, 2, 1), 0);
    /* "QEMU": what is read next is an answer. */
    ASSERT_EQ(fw_cfg(FW_CFG_SIGNATURE), 0x554d4551);
    EXPECT_EQ(fw_cfg(FW_CFG_KERNEL_SIZE), 0);
    EXPECT_EQ(fw_cfg(FW_CFG_INITRD_SIZE), 0);
    EXPECT_EQ(fw_cfg(FW_CFG_CMDLINE_SIZE), 0);
}

TEST_F(boot, variables_last)
{
    static const char kept[] = "kept";
    char got[sizeof(kept)] = "";

    if (test_boot_is("first")) {
        EXPECT_EQ(efivar_read("MmrigKept", OURS, got, sizeof(got)), -1);
        ASSERT_TRUE(efivar_write("MmrigKept", OURS, kept, sizeof(kept)));
    } else {
        ASSERT_TRUE(test_boot_is("second"));
        ASSERT_EQ(efivar_read("MmrigKept", OURS, got, sizeof(got)), (int)sizeof(got));
        EXPECT_STREQ(got, kept);
    }
}

HARNESS_MAIN
