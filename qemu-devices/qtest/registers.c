/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "registers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
    [REGISTER_STATE] = "state",
    [REGISTER_FIXED] = "fixed",
    [REGISTER_ACTION] = "action",
    [REGISTER_CLOCK] = "clock",
};

static uint32_t row_end(const Register *row)
{
    return row->offset + row->count * row->width / 8;
}

static void parse_row(const char *line, Register *row)
{
    char kind[16];
    unsigned i = 0;

    if (sscanf(line, "%x %31s %15s %u %u %d %" SCNx64 " %" SCNx64 " %" SCNx64, &row->offset,
               row->name, kind, &row->width, &row->count, &row->writable, &row->mask,
               &row->most, &row->reset) != 9)
        g_error("not a register: %s", line);
    while (i < G_N_ELEMENTS(kinds) && strcmp(kinds[i], kind) != 0)
        i++;
    g_assert_cmpuint(i, <, G_N_ELEMENTS(kinds));
    row->kind = (RegisterKind)i;
    g_assert_cmpuint(row->width % 32, ==, 0);
    g_assert_cmpuint(row->count, >, 0);
}

static uint32_t read_register(const Registers *r, uint32_t offset)
{
    return qtest_readl(r->q, r->base + offset);
}

static uint32_t *read_all(const Registers *r)
{
    uint32_t *values = g_new0(uint32_t, r->size / 4);

    for (uint32_t offset = 0; offset < r->size; offset += 4)
        values[offset / 4] = read_register(r, offset);
    return values;
}

void registers_begin(Registers *r)
{
    g_autoptr(JsonNode) value = qtest_qmp(
        r->q, "{'execute': 'qom-get', 'arguments': {'path': '%s', 'property': 'registers'}}",
        r->path);
    g_auto(GStrv) lines = g_strsplit(json_node_get_string(value), "\n", -1);
    uint32_t end = 0;

    r->rows = g_new0(Register, g_strv_length(lines));
    for (r->row_count = 0; lines[r->row_count] && *lines[r->row_count]; r->row_count++) {
        Register *row = &r->rows[r->row_count];

        parse_row(lines[r->row_count], row);
        g_assert_cmphex(row->offset, >=, end);
        end = row_end(row);
    }
    g_assert_cmpuint(r->row_count, >, 0);
    g_assert_cmphex(end, <=, r->size);
    r->at_reset = read_all(r);
}

void registers_end(Registers *r)
{
    g_clear_pointer(&r->rows, g_free);
    g_clear_pointer(&r->at_reset, g_free);
}

const Register *registers_find(const Registers *r, uint32_t offset)
{
    for (unsigned i = 0; i < r->row_count; i++)
        if (offset >= r->rows[i].offset && offset < row_end(&r->rows[i]))
            return &r->rows[i];
    return NULL;
}

static const char *name_at(const Registers *r, uint32_t offset)
{
    const Register *row = registers_find(r, offset);

    return row ? row->name : "(none)";
}

/* ---- What is refused --------------------------------------------------------------------- */

static void check_error(Registers *r, uint32_t offset, uint32_t error, uint32_t detail)
{
    if (read_register(r, r->reg_error) != error || read_register(r, r->reg_detail) != detail)
        g_error("register 0x%03x %s: error 0x%x detail 0x%x, should be 0x%x and 0x%x", offset,
                name_at(r, offset), read_register(r, r->reg_error),
                read_register(r, r->reg_detail), error, detail);
    qtest_writel(r->q, r->base + r->reg_error, 0);
    g_assert_cmphex(read_register(r, r->reg_error), ==, 0);
}

static void check_access(Registers *r, uint32_t offset)
{
    uint64_t at = r->base + offset;

    g_assert_cmphex(qtest_readb(r->q, at), ==, UINT8_MAX);
    check_error(r, offset, r->error_access, offset);
    qtest_writew(r->q, at, 1);
    check_error(r, offset, r->error_access, offset);
    if (offset + 8 <= r->size) {
        g_assert_cmphex(qtest_readq(r->q, at), ==, UINT64_MAX);
        check_error(r, offset, r->error_access, offset);
        g_assert_cmphex(qtest_readl(r->q, at + 2), ==, UINT32_MAX);
        check_error(r, offset, r->error_access, offset + 2);
        qtest_writel(r->q, at + 1, 0);
        check_error(r, offset, r->error_access, offset + 1);
    }
}

/* A value that the register has to refuse, if there is one. */
static gboolean bad_value(const Register *row, uint32_t *value)
{
    if (row->most && row->most < UINT32_MAX) {
        *value = (uint32_t)row->most + 1;
        return TRUE;
    }
    *value = (uint32_t)~row->mask & -(uint32_t)~row->mask;
    return row->mask && *value;
}

static void check_write(Registers *r, uint32_t offset)
{
    const Register *row = registers_find(r, offset);
    uint32_t before = read_register(r, offset);
    uint32_t value = ~before;

    if (!row || !row->writable) {
        qtest_writel(r->q, r->base + offset, value);
        check_error(r, offset, row ? r->error_read_only : r->error_register, offset);
    } else if (bad_value(row, &value)) {
        qtest_writel(r->q, r->base + offset, value);
        check_error(r, offset, r->error_value, value);
    } else {
        return;
    }
    if (read_register(r, offset) != before && (!row || row->kind != REGISTER_CLOCK))
        g_error("register 0x%03x %s: a refused write changed it", offset, name_at(r, offset));
}

void registers_check_refused(Registers *r)
{
    for (uint32_t offset = 0; offset < r->size; offset += 4) {
        const Register *row = registers_find(r, offset);

        check_access(r, offset);
        /* What an error changes by itself is read only, or not looked at. */
        if (row && row->kind == REGISTER_STATE && !row->writable)
            qtest_writel(r->q, r->base + offset, 0),
                check_error(r, offset, r->error_read_only, offset);
        else
            check_write(r, offset);
        if (!row)
            g_assert_cmphex(read_register(r, offset), ==, 0);
    }
}

/* ---- State ------------------------------------------------------------------------------- */

static uint64_t value_of(const Register *row, const uint32_t *values)
{
    uint64_t value = values[row->offset / 4];

    return row->width == 64 ? value | (uint64_t)values[row->offset / 4 + 1] << 32 : value;
}

static gboolean is_excused(const char *name, const char *const *excused)
{
    return excused && g_strv_contains(excused, name);
}

/* How many things are wrong with its value, each with a line. */
static unsigned count_not_own(const Registers *r, const Register *row, const uint32_t *values,
                              const char *const *excused)
{
    uint64_t value = value_of(row, values);
    unsigned wrong = 0;

    if (row->kind != REGISTER_STATE || row->count > 1 || is_excused(row->name, excused))
        return 0;
    if (value == value_of(row, r->at_reset)) {
        g_printerr("register %s is 0x%" PRIx64 ", as after a reset\n", row->name, value);
        wrong++;
    }
    for (const Register *other = r->rows; other < row; other++)
        if (other->kind == REGISTER_STATE && other->count == 1 && value > 1 &&
            value_of(other, values) == value && !is_excused(other->name, excused)) {
            g_printerr("registers %s and %s are both 0x%" PRIx64 "\n", other->name, row->name,
                       value);
            wrong++;
        }
    return wrong;
}

uint32_t *registers_take(const Registers *r, const char *const *excused)
{
    uint32_t *values = read_all(r);
    unsigned wrong = 0;

    for (unsigned i = 0; i < r->row_count; i++)
        wrong += count_not_own(r, &r->rows[i], values, excused);
    g_assert_cmpuint(wrong, ==, 0);
    return values;
}

void registers_check_same(const Registers *r, const uint32_t *values)
{
    for (uint32_t offset = 0; offset < r->size; offset += 4) {
        const Register *row = registers_find(r, offset);
        uint32_t value;

        if (row && row->kind == REGISTER_CLOCK)
            continue;
        value = read_register(r, offset);
        if (value != values[offset / 4])
            g_error("register 0x%03x %s is 0x%x, was 0x%x", offset, name_at(r, offset), value,
                    values[offset / 4]);
    }
}

void registers_check_reset(const Registers *r)
{
    registers_check_same(r, r->at_reset);
}
