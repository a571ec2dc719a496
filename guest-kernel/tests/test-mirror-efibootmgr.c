/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An unmodified efibootmgr asks for another share of mirrored memory, and has it after the next
 * boot. Three boots: ask, check, and refused, before which more than half was asked for.
 *
 * Arguments: percent and below, what the machine has without a request, in hundredths;
 * fixed=yes, its ranges are fixed, so that no request can be met.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "efivar.h"
#include "firmware.h"
#include "harness.h"

/* What is asked for by efibootmgr -m t -M 25. */
#define ASKED      2500
#define TOO_MUCH   6000
#define GRANULE    (2ull << 20)
#define OUTPUT_MAX 4096

struct variable {
    uint8_t version;
    uint8_t below;
    uint16_t percent;
    uint8_t status;
} __attribute__((packed));

static bool fixed(void)
{
    return test_arg("fixed") != NULL;
}

static void expect_variable(const char *name, struct variable wanted)
{
    struct variable got;

    ASSERT_EQ(efivar_read(name, EFIVAR_MIRROR_VENDOR, &got, sizeof(got)), (int)sizeof(got));
    DIAG("%s: version %u, below 4 GiB %u, %u hundredths, status %u", name, got.version,
         got.below, got.percent, got.status);
    EXPECT_EQ(got.version, wanted.version);
    EXPECT_EQ(got.below, wanted.below);
    EXPECT_EQ(got.percent, wanted.percent);
    EXPECT_EQ(got.status, wanted.status);
}

/* From 4 GiB on exactly the shares are mirrored; below it all or nothing. */
static void expect_map(uint64_t percent, bool below)
{
    static struct efi_map map;
    struct ranges mirrored = {0};

    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    for (uint32_t i = 0; i < mirror_get(MMRIG_MIRROR_NODE_COUNT); i++) {
        uint32_t at = MMRIG_MIRROR_NODE_TABLE(i);
        uint64_t base = mirror_get64(at + MMRIG_MIRROR_ENTRY_BASE_LO);
        uint64_t size = mirror_get64(at + MMRIG_MIRROR_ENTRY_SIZE_LO);
        uint64_t share = size * percent / 10000 / GRANULE * GRANULE;
        uint64_t got = ranges_within(&mirrored, base, size);

        DIAG("0x%" PRIx64 "+0x%" PRIx64 ": 0x%" PRIx64 " bytes are mirrored", base, size, got);
        if (base < FOUR_GIB) {
            /* The PC's hole of 384 KiB below 1 MiB is no memory. */
            EXPECT_EQ(got, below ? size - (384 << 10) : 0);
        } else {
            EXPECT_EQ(got, share);
            EXPECT_EQ(ranges_within(&mirrored, base, share ? share : 1), share);
        }
    }
}

static void expect_shown(const char *text)
{
    char output[OUTPUT_MAX];

    ASSERT_EQ(COMMAND(output, sizeof(output), "efibootmgr"), 0);
    if (!strstr(output, text))
        DIAG("efibootmgr said: %s", output);
    EXPECT_TRUE(strstr(output, text) != NULL);
}

FIXTURE(request)
{
    int unused;
};

FIXTURE_SETUP(request)
{
    if (!mirror_open())
        ABORT("there is no mmrig-mirror");
    efivar_mount();
}

FIXTURE_TEARDOWN(request)
{
}

static void ask(void)
{
    uint16_t percent = (uint16_t)test_arg_u64("percent", 0);
    uint8_t below = (uint8_t)test_arg_u64("below", 0);
    char output[OUTPUT_MAX];

    expect_variable("MirrorCurrent", (struct variable){1, below, percent, 0});
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_SOURCE), MMRIG_MIRROR_SOURCE_DEVICE);
    if (!fixed())
        expect_map(percent, below);
    ASSERT_EQ(COMMAND(output, sizeof(output), "efibootmgr", "-m", "t", "-M", "25"), 0);
    DIAG("%s", output);
    EXPECT_TRUE(strstr(output, "RequestMirroredPercentageAbove4G: 25.00") != NULL);
    EXPECT_TRUE(strstr(output, "RequestMirrorMemoryBelow4GB: true") != NULL);
    expect_variable("MirrorRequest", (struct variable){1, 1, ASKED, 0});
}

static void check_fixed(void)
{
    struct ranges wanted = {0}, mirrored = {0};
    static struct efi_map map;

    expect_variable("MirrorCurrent", (struct variable){1, 1, ASKED, 4});
    expect_variable("MirrorRequest", (struct variable){1, 1, ASKED, 4});
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_SOURCE), MMRIG_MIRROR_SOURCE_DEVICE);
    efi_map_read(&map);
    efi_map_mirrored(&map, &mirrored);
    mirror_table(mirror_requested, mirror_get(MMRIG_MIRROR_RANGE_COUNT),
                 MMRIG_MIRROR_ATTRIBUTE_MIRROR, &wanted);
    ASSERT_GT(wanted.count, 0);
    ranges_expect_equal("fixed and mirrored", &wanted, &mirrored);
    expect_shown("MirrorStatus: DIMM configuration does not allow mirror");
    expect_shown("DesiredMirroredPercentageAbove4G: 25.00");
}

static void check(void)
{
    const struct variable more = {1, 1, TOO_MUCH, 0};

    expect_variable("MirrorCurrent", (struct variable){1, 1, ASKED, 0});
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_SOURCE), MMRIG_MIRROR_SOURCE_VARIABLE);
    expect_map(ASKED, true);
    expect_shown("MirroredPercentageAbove4G: 25.00");
    expect_shown("MirrorMemoryBelow4GB: true");
    /* efibootmgr itself would not pass this on. */
    ASSERT_TRUE(efivar_write("MirrorRequest", EFIVAR_MIRROR_VENDOR, &more, sizeof(more)));
}

static void refused(void)
{
    expect_variable("MirrorCurrent", (struct variable){1, 1, TOO_MUCH, 3});
    expect_variable("MirrorRequest", (struct variable){1, 1, TOO_MUCH, 3});
    EXPECT_EQ(mirror_get(MMRIG_MIRROR_SOURCE), MMRIG_MIRROR_SOURCE_DEVICE);
    expect_map(test_arg_u64("percent", 0), test_arg_u64("below", 0));
    expect_shown("MirrorStatus: MirroredMemoryAbove4GB > 50.00%");
}

TEST_F(request, is_met_at_the_next_boot)
{
    ASSERT_EQ(mirror_get(MMRIG_MIRROR_STATUS), MMRIG_MIRROR_STATUS_DONE);
    if (test_boot_is("ask"))
        ask();
    else if (test_boot_is("check"))
        fixed() ? check_fixed() : check();
    else if (test_boot_is("refused"))
        refused();
    else
        ABORT("which boot is this?");
}

HARNESS_MAIN
