/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of mmrig-camera share: a machine with one, and its everyday use. */
#ifndef MMRIG_CAMERA_MACHINE_H
#define MMRIG_CAMERA_MACHINE_H

#include "camera-check.h"
#include "qtest.h"
#include "registers.h"

#define SLOT   4
#define REGS   0xe0000000u
#define TABLE  0xe0010000u /* MSI-X */
#define BUFFER 0x04000000ull
#define MS     1000000ll
/* A place in RAM that MSI-X messages are sent to, to see them. */
#define MAILBOX 0x02000000ull

#define DEVICE "mmrig-camera,id=cam,addr=4,sizes=64x16:640x480:3840x2160,max-fps=1000"

static inline uint32_t get(QTest *q, uint32_t reg)
{
    return qtest_readl(q, REGS + reg);
}

static inline void set(QTest *q, uint32_t reg, uint32_t value)
{
    qtest_writel(q, REGS + reg, value);
}

static inline void map_camera(QTest *q)
{
    g_assert_cmphex(qtest_pci_readl(q, SLOT, 0), ==,
                    MMRIG_CAM_PCI_DEVICE << 16 | MMRIG_CAM_PCI_VENDOR);
    g_assert_cmphex(qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_REGS, REGS), ==, MMRIG_CAM_REGS_SIZE);
    g_assert_cmpuint(qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_MSIX, TABLE), >=,
                     16 * MMRIG_CAM_VECTORS);
    qtest_pci_command(q, SLOT, TRUE);
}

/* Its table of registers. */
static inline Registers camera_table(QTest *q)
{
    return (Registers){
        .q = q,
        .path = "cam",
        .base = REGS,
        .size = MMRIG_CAM_REGS_SIZE,
        .error_access = MMRIG_CAM_ERR_ACCESS,
        .error_register = MMRIG_CAM_ERR_REGISTER,
        .error_read_only = MMRIG_CAM_ERR_READ_ONLY,
        .error_value = MMRIG_CAM_ERR_RESERVED,
        .reg_error = MMRIG_CAM_ERROR,
        .reg_detail = MMRIG_CAM_ERROR_DETAIL_LO,
    };
}

static inline QTest *start(const char *properties)
{
    g_autofree char *device = g_strconcat(DEVICE, properties, NULL);
    QTest *q = qtest_start("-device", device, NULL);

    map_camera(q);
    return q;
}

/* GREY, 64x16, a frame each millisecond. */
static inline void small(QTest *q)
{
    set(q, MMRIG_CAM_SIZE, MMRIG_CAM_SIZE_PACK(64, 16));
    set(q, MMRIG_CAM_FORMAT, MMRIG_CAM_FORMAT_GREY);
    set(q, MMRIG_CAM_INTERVAL_NS, 1000000);
    g_assert_cmphex(get(q, MMRIG_CAM_RESULT), ==, MMRIG_CAM_OK);
}

static inline uint32_t queue(QTest *q, uint64_t address, uint32_t length, uint32_t cookie)
{
    set(q, MMRIG_CAM_BUF_ADDRESS_LO, (uint32_t)address);
    set(q, MMRIG_CAM_BUF_ADDRESS_HI, (uint32_t)(address >> 32));
    set(q, MMRIG_CAM_BUF_LENGTH, length);
    set(q, MMRIG_CAM_BUF_COOKIE, cookie);
    set(q, MMRIG_CAM_QUEUE, 1);
    return get(q, MMRIG_CAM_RESULT);
}

static inline uint32_t command(QTest *q, uint32_t value)
{
    set(q, MMRIG_CAM_COMMAND, value);
    return get(q, MMRIG_CAM_RESULT);
}

static inline uint64_t detail(QTest *q)
{
    return (uint64_t)get(q, MMRIG_CAM_ERROR_DETAIL_HI) << 32 |
           get(q, MMRIG_CAM_ERROR_DETAIL_LO);
}

static inline uint64_t done_address(QTest *q)
{
    return (uint64_t)get(q, MMRIG_CAM_DONE_ADDRESS_HI) << 32 |
           get(q, MMRIG_CAM_DONE_ADDRESS_LO);
}

/* MSI-X on: vector V writes 0x1000 + V to MAILBOX + 16 * V, which is cleared. */
static inline void send_interrupts(QTest *q)
{
    unsigned capability = qtest_pci_capability(q, SLOT, 0x11);
    uint32_t control;

    g_assert_cmpuint(capability, !=, 0);
    control = qtest_pci_readl(q, SLOT, capability);
    g_assert_cmpuint((control >> 16 & 0x7ff) + 1, ==, MMRIG_CAM_VECTORS);
    for (uint32_t v = 0; v < MMRIG_CAM_VECTORS; v++) {
        qtest_writel(q, TABLE + 16 * v, MAILBOX + 16 * v);
        qtest_writel(q, TABLE + 16 * v + 4, 0);
        qtest_writel(q, TABLE + 16 * v + 8, 0x1000 + v);
        qtest_writel(q, TABLE + 16 * v + 12, 0);
    }
    qtest_fill(q, MAILBOX, 32, 0);
    qtest_pci_writel(q, SLOT, capability, control | 1u << 31);
}

/* The oldest completion is this frame, and its memory says the same. */
static inline void take_frame(QTest *q, uint32_t sequence, uint64_t address, uint32_t cookie)
{
    uint32_t bytes = get(q, MMRIG_CAM_FRAME_BYTES);
    g_autofree uint8_t *frame = g_malloc(bytes + 1);
    struct mmrig_cam_frame header;

    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), >, 0);
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_STATUS), ==, MMRIG_CAM_OK);
    g_assert_cmphex(get(q, MMRIG_CAM_DONE_COOKIE), ==, cookie);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_SEQUENCE), ==, sequence);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_BYTES), ==, bytes);
    g_assert_cmphex(done_address(q), ==, address);
    qtest_read(q, address, frame, bytes + 1);
    check_frame(frame, &(CheckFrame){sequence, get(q, MMRIG_CAM_GENERATION), address, cookie,
                                     get(q, MMRIG_CAM_SIZE), get(q, MMRIG_CAM_FORMAT),
                                     get(q, MMRIG_CAM_STRIDE), get(q, MMRIG_CAM_DONE_CRC32C)});
    memcpy(&header, frame, sizeof(header));
    g_assert_cmphex(le64toh(header.time), ==,
                    (uint64_t)get(q, MMRIG_CAM_DONE_TIME_HI) << 32 |
                        get(q, MMRIG_CAM_DONE_TIME_LO));
    /* The byte behind the frame is not the camera's. */
    g_assert_cmphex(frame[bytes], ==, 0xee);
    set(q, MMRIG_CAM_DONE_POP, 1);
    g_assert_cmphex(get(q, MMRIG_CAM_RESULT), ==, MMRIG_CAM_OK);
}

#endif
