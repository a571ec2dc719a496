/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration streams of mmrig-camera that are not what it has saved. */
#include <string.h>

#include "camera-machine.h"
#include "fuzz-stream.h"

static QTest *start_camera(const char *incoming)
{
    return qtest_start("-device", DEVICE, incoming ? "-incoming" : NULL, incoming, NULL);
}

static void prepare(QTest *q)
{
    map_camera(q);
    send_interrupts(q);
    small(q);
    for (uint32_t i = 0; i < 6; i++)
        queue(q, BUFFER + 0x1000 * i, 1024, i);
    set(q, MMRIG_CAM_IRQ_ENABLE, MMRIG_CAM_IRQ_FRAME | MMRIG_CAM_IRQ_UNDERRUN);
    command(q, MMRIG_CAM_COMMAND_START);
    if (one_in(2))
        qtest_clock_step(q, 3 * MS + MS / 2);
}

/* Its registers and BARs are where the stream says that they are. */
static void use(QTest *q)
{
    qtest_clock_step(q, 5 * MS);
    qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_REGS, REGS);
    qtest_pci_map(q, SLOT, MMRIG_CAM_BAR_MSIX, TABLE);
    qtest_pci_command(q, SLOT, TRUE);
    for (uint32_t i = 0; i < MMRIG_CAM_CLOCK_LO / 4; i++)
        get(q, 4 * i);
    g_assert_cmpuint(get(q, MMRIG_CAM_DONE_COUNT), <=, get(q, MMRIG_CAM_DONE_DEPTH));
    qtest_clock_step(q, 20 * MS);
    for (uint32_t i = 0; i < 4; i++)
        set(q, MMRIG_CAM_DONE_POP, 1);
    queue(q, BUFFER, 64 << 10, 7);
    qtest_clock_step(q, 20 * MS);
    command(q, MMRIG_CAM_COMMAND_STOP);
    command(q, MMRIG_CAM_COMMAND_START);
    qtest_clock_step(q, 5 * MS);
}

static void test_stream(void)
{
    static const char *const sections[] = {"0000:00:04.0/mmrig-camera", NULL};
    const FuzzStream stream = {sections, start_camera, prepare, use, NULL};

    fuzz_stream(&stream);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/camera/stream-fuzz", test_stream);
}
