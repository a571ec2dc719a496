/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random accesses to mmrig-camera, random DMA addresses, clock steps, interrupts, poison in its
 * buffers, resets and migrations, for some seconds. Whatever is read must be what a model of
 * the device says, and memory that was never offered to it must stay as it is.
 */
#include <inttypes.h>

#include "camera-model.h"
#include "fuzz.h"

#define SLOT    4
#define REGS    0xe0000000u
#define TABLE   0xe0010000u
#define MAILBOX 0x03f00000ull
/* Memory the device may write to, and memory that it is never given. */
#define FREE_START  0x04000000ull
#define FREE_SIZE   0x08000000ull
#define GUARD_START 0x01000000ull
#define GUARD_SIZE  0x00100000ull

static struct {
    uint64_t steps, frames, errors, messages, resets, migrations, poisoned;
} count;

static const uint64_t odd_addresses[] = {
    0,
    0xfffff000,
    0x100000000,
    0xfffffffffffff000,
    0x7ffffffffffff000,
    0x10000000,
    0x0ffff000,
    REGS,
    0xfee00000,
    0xa0000,
    1ull << 40,
    (1ull << 48) - 4096,
    0x8000000000000000,
};
static const uint32_t odd_lengths[] = {0, 1, 63, 64, 1023, 1024, 4096, 0x7fffffff, 0xffffffff};

/* Never one from which a frame could reach the guarded memory. */
static uint64_t any_address(void)
{
    uint64_t address;

    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        address = PICK(odd_addresses);
        break;
    case 1:
        address = any_64() >> g_test_rand_int_range(0, 64);
        break;
    case 2:
        address = FREE_START + any_64() % FREE_SIZE;
        break;
    default:
        address = FREE_START + any_64() % FREE_SIZE / 4096 * 4096;
        break;
    }
    return address < FREE_START ? address | FREE_START : address;
}

/* ---- The device against the model -------------------------------------------------------- */

static void check_value(Model *m, uint32_t reg, uint32_t expected)
{
    uint32_t value = qtest_readl(m->q, REGS + reg);

    if (value != expected)
        g_error("register 0x%03x is 0x%x, should be 0x%x", reg, value, expected);
}

static void check_one(Model *m, const ModelValue *v)
{
    check_value(m, v->reg, (uint32_t)v->value);
    if (v->wide)
        check_value(m, v->reg + 4, (uint32_t)(v->value >> 32));
    if (v->reg == MMRIG_CAM_CLOCK_LO)
        m->clock_hi = (uint32_t)((uint64_t)m->now >> 32);
}

static void check_messages(Model *m)
{
    for (unsigned v = 0; v < MMRIG_CAM_VECTORS; v++) {
        g_assert_cmphex(qtest_readl(m->q, MAILBOX + 16 * v), ==, m->messages[v]);
        count.messages += m->messages[v] != 0;
        qtest_writel(m->q, MAILBOX + 16 * v, 0);
        m->messages[v] = 0;
    }
}

static void check_all(Model *m)
{
    ModelValue values[MODEL_VALUES];

    model_values(m, values);
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++)
        check_one(m, &values[i]);
    for (uint32_t reg = 0; reg < MMRIG_CAM_SIZE; reg += 4)
        check_value(m, reg, m->constant[reg / 4]);
    for (uint32_t reg = MMRIG_CAM_SIZE_TABLE(0); reg < MMRIG_CAM_REGS_SIZE; reg += 4)
        check_value(m, reg, m->constant[reg / 4]);
    check_messages(m);
}

static void after_step(Model *m)
{
    ModelValue values[MODEL_VALUES];

    model_values(m, values);
    check_one(m, &PICK(values));
    check_value(m, MMRIG_CAM_ERROR, m->error);
    check_value(m, MMRIG_CAM_RESULT, m->result);
    check_value(m, MMRIG_CAM_IRQ_STATUS, m->irq_status);
}

static void check_guarded(const Model *m)
{
    g_autofree uint8_t *bytes = g_malloc(GUARD_SIZE);

    qtest_read(m->q, GUARD_START, bytes, GUARD_SIZE);
    for (size_t i = 0; i < GUARD_SIZE; i++)
        g_assert_cmphex(bytes[i], ==, 0x5c);
}

/* ---- Steps ------------------------------------------------------------------------------- */

static void write_register(Model *m, uint32_t reg, uint32_t value)
{
    qtest_writel(m->q, REGS + reg, value);
    model_write(m, reg, value);
}

static void set_address(Model *m, uint64_t address)
{
    write_register(m, MMRIG_CAM_BUF_ADDRESS_LO, (uint32_t)address);
    write_register(m, MMRIG_CAM_BUF_ADDRESS_HI, (uint32_t)(address >> 32));
}

static void any_write(Model *m)
{
    uint32_t reg = (uint32_t)g_test_rand_int_range(0, MMRIG_CAM_REGS_SIZE / 4) * 4;

    if (one_in(2))
        reg %= MMRIG_CAM_CLOCK_HI + 4;
    /* Half an address would escape any_address(). */
    if (reg / 8 != MMRIG_CAM_BUF_ADDRESS_LO / 8)
        write_register(m, reg, (uint32_t)(any_64() >> g_test_rand_int_range(0, 64)));
}

/* Of a size or at a place that the registers refuse. */
static void bad_access(Model *m)
{
    unsigned size = fuzz_size();
    uint32_t reg = (uint32_t)g_test_rand_int_range(0, MMRIG_CAM_REGS_SIZE - 8);

    if (size == 4)
        reg |= (uint32_t)g_test_rand_int_range(1, 4);
    if (one_in(2))
        g_assert_cmphex(fuzz_read(m->q, REGS + reg, size), ==, fuzz_ones(size));
    else
        fuzz_write(m->q, REGS + reg, any_64(), size);
    model_error(m, MMRIG_CAM_ERR_ACCESS, reg);
}

static void sensible_write(Model *m)
{
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        write_register(m, MMRIG_CAM_SIZE, PICK(model_sizes));
        break;
    case 1:
        write_register(m, MMRIG_CAM_FORMAT, PICK(model_formats));
        break;
    case 2:
        write_register(m, MMRIG_CAM_INTERVAL_NS,
                       (uint32_t)g_test_rand_int_range(100000, 5000000));
        break;
    case 3:
        write_register(m, MMRIG_CAM_COMMAND, (uint32_t)g_test_rand_int_range(0, 4));
        break;
    case 4:
        write_register(m, MMRIG_CAM_BUF_LENGTH, PICK(odd_lengths));
        break;
    case 5:
        write_register(m, MMRIG_CAM_BUF_COOKIE, (uint32_t)g_test_rand_int());
        break;
    case 6:
        write_register(m, MMRIG_CAM_IRQ_STATUS, (uint32_t)g_test_rand_int_range(0, 64));
        break;
    default:
        write_register(m, MMRIG_CAM_IRQ_ENABLE, (uint32_t)g_test_rand_int_range(0, 66));
        break;
    }
}

static void start_stream(Model *m)
{
    write_register(m, MMRIG_CAM_COMMAND, MMRIG_CAM_COMMAND_START);
}

static void pop(Model *m)
{
    write_register(m, MMRIG_CAM_DONE_POP, 1);
}

static void any_queue(Model *m)
{
    set_address(m, any_address());
    if (!one_in(5))
        write_register(m, MMRIG_CAM_BUF_LENGTH, model_bytes(m));
    write_register(m, MMRIG_CAM_QUEUE, 0);
}

static void clock_step(Model *m)
{
    /* One time in some, many frames are due. */
    int64_t ns = one_in(100) ? 40000000 : g_test_rand_int_range(0, 3000000);
    uint32_t before = m->frames;

    qtest_clock_step(m->q, ns);
    model_step(m, ns);
    count.frames += m->frames - before;
}

static void any_poison(Model *m)
{
    g_autofree char *text = NULL;
    g_autofree char *why = NULL;
    uint64_t at = any_address();

    if (!one_in(8))
        return;
    if (m->queue_count && one_in(2))
        at = m->queue[g_test_rand_int_range(0, (int)m->queue_count)].address;
    /* Not all there can be: that is for others to try. */
    if (qtest_get(m->q, "ras0", "poisoned") > 4000) {
        qtest_set(m->q, "ras0", "clear", "gpa=0x4000000,len=0x8000000");
        return;
    }
    text = g_strdup_printf("kind=poison,gpa=0x%" PRIx64 ",len=%d", at,
                           g_test_rand_int_range(1, 5000));
    why = fuzz_try_set(m->q, "ras0", "inject", text);
    count.poisoned += why == NULL;
}

static void bus_master(Model *m)
{
    if (!one_in(20))
        return;
    m->master = !one_in(3);
    qtest_pci_command(m->q, SLOT, m->master);
}

static void interrupts(Model *m)
{
    unsigned capability = qtest_pci_capability(m->q, SLOT, 0x11);

    if (!one_in(20))
        return;
    m->msix = !one_in(3);
    for (uint32_t v = 0; v < MMRIG_CAM_VECTORS; v++) {
        qtest_writel(m->q, TABLE + 16 * v, (uint32_t)MAILBOX + 16 * v);
        qtest_writel(m->q, TABLE + 16 * v + 8, 0x1000 + v);
        qtest_writel(m->q, TABLE + 16 * v + 12, 0);
    }
    qtest_pci_writel(m->q, SLOT, capability, m->msix ? 1u << 31 : 0);
}

static void map(Model *m)
{
    qtest_pci_map(m->q, SLOT, MMRIG_CAM_BAR_REGS, REGS);
    qtest_pci_map(m->q, SLOT, MMRIG_CAM_BAR_MSIX, TABLE);
    qtest_pci_command(m->q, SLOT, TRUE);
    m->master = TRUE;
    m->msix = FALSE;
}

static void reset(Model *m)
{
    if (!one_in(80))
        return;
    check_messages(m);
    fuzz_reset(m->q, SLOT);
    model_reset(m);
    map(m);
    check_all(m);
    count.resets++;
}

static QTest *start(const Model *m, const char *incoming)
{
    (void)m;
    return qtest_start("-cpu", "qemu64,vendor=GenuineIntel,family=6,model=143,stepping=4", "-D",
                       "/dev/null", "-device", "mmrig-ras,id=ras0", "-device",
                       "mmrig-camera,addr=4,sizes=" SIZES
                       ",max-fps=10000,dma-bits=48,align=1,start-timeout-ms=20,queue-depth=7",
                       incoming ? "-incoming" : NULL, incoming, NULL);
}

/* qtest's clock begins anew in the other QEMU, and no frame is due before it is where it was.
 */
static void migrate(Model *m)
{
    m->q = fuzz_migrate(m->q, start, m);
    qtest_clock_step(m->q, m->now);
    count.migrations++;
}

static const FuzzStep steps[] = {
    {"any write", 2, any_write},
    {"bad access", 1, bad_access},
    {"write", 4, sensible_write},
    {"start", 2, start_stream},
    {"pop", 3, pop},
    {"queue", 8, any_queue},
    {"clock", 6, clock_step},
    {"poison", 1, any_poison},
    {"bus master", 1, bus_master},
    {"interrupts", 1, interrupts},
    {"reset", 1, reset},
};

static const FuzzPlan plan = {
    .steps = steps,
    .step_count = G_N_ELEMENTS(steps),
    .after = after_step,
    .often = check_messages,
    .check = check_all,
    .migrate = migrate,
    .machine_steps = 20000,
};

static void one_machine(gint64 end)
{
    Model model = {.q = NULL};
    Model *m = &model;

    m->q = start(m, NULL);
    map(m);
    model_reset(m);
    for (uint32_t reg = 0; reg < MMRIG_CAM_REGS_SIZE; reg += 4)
        m->constant[reg / 4] = qtest_readl(m->q, REGS + reg);
    g_assert_cmphex(m->constant[MMRIG_CAM_ID / 4], ==, MMRIG_CAM_ID_VALUE);
    g_assert_cmpuint(m->constant[MMRIG_CAM_DMA_BITS / 4], ==, DMA_BITS);
    g_assert_cmpuint(m->constant[MMRIG_CAM_QUEUE_DEPTH / 4], ==, QUEUE_DEPTH);
    g_assert_cmpuint(m->constant[MMRIG_CAM_DONE_DEPTH / 4], ==, DONE_DEPTH);
    g_assert_cmpuint(m->constant[MMRIG_CAM_MIN_BUFFERS / 4], ==, MIN_BUFFERS);
    qtest_fill(m->q, GUARD_START, GUARD_SIZE, 0x5c);
    count.steps += fuzz_machine(m, &plan, end);
    check_guarded(m);
    count.errors += m->errors;
    qtest_stop(m->q);
}

static void test_fuzz(void)
{
    gint64 end = fuzz_end();

    /* Each machine for some steps, so that more than one is tried. */
    while (g_get_monotonic_time() < end)
        one_machine(end);
    g_test_message("%" PRIu64 " steps: %" PRIu64 " frames, %" PRIu64 " errors, %" PRIu64
                   " messages, %" PRIu64 " resets, %" PRIu64 " migrations, %" PRIu64
                   " poisoned",
                   count.steps, count.frames, count.errors, count.messages, count.resets,
                   count.migrations, count.poisoned);
    /* Else it would be wide of the mark; on a busy host a short run can be too short. */
    if (count.steps < 5000)
        return;
    g_assert_cmpuint(count.frames, >, 0);
    g_assert_cmpuint(count.messages, >, 0);
    g_assert_cmpuint(count.poisoned, >, 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    return fuzz_main(argv[0], "/camera/fuzz", test_fuzz);
}
