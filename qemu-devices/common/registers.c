/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "registers.h"

#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/bitops.h"

static unsigned register_width(const MmrigRegister *row)
{
    return row->width ? row->width : 32;
}

static unsigned register_count(const MmrigRegister *row)
{
    return row->count ? row->count : 1;
}

static uint32_t register_end(const MmrigRegister *row)
{
    return row->offset + register_count(row) * register_width(row) / 8;
}

static bool register_is_writable(const MmrigRegister *row)
{
    return row->mask || row->set;
}

void mmrig_registers_check(const MmrigRegisters *table)
{
    uint32_t end = 0;

    for (size_t i = 0; i < table->row_count; i++) {
        const MmrigRegister *row = &table->rows[i];
        unsigned width = register_width(row);

        g_assert(row->name && row->offset % 4 == 0 && row->offset >= end);
        g_assert(width == 32 || width == 64);
        g_assert(row->bytes <= width / 8);
        /* A write needs a place to go to that is the device's own. */
        g_assert(!register_is_writable(row) || row->set ||
                 (row->bytes && !row->holder && register_count(row) == 1));
        g_assert(row->kind == MMRIG_REGISTER_ACTION
                     ? row->set && !row->get
                     : row->bytes || row->get || row->constant);
        end = register_end(row);
    }
    g_assert(end <= table->size);
}

/* The row that has a register there, or NULL. */
static const MmrigRegister *register_find(const MmrigRegisters *table,
                                          hwaddr offset)
{
    size_t first = 0;
    size_t last = table->row_count;

    while (first < last) {
        size_t middle = first + (last - first) / 2;
        const MmrigRegister *row = &table->rows[middle];

        if (offset < row->offset) {
            last = middle;
        } else if (offset >= register_end(row)) {
            first = middle + 1;
        } else {
            return row;
        }
    }
    return NULL;
}

static uint64_t register_load(const void *place, size_t bytes)
{
    switch (bytes) {
    case 1:
        return *(const uint8_t *)place;
    case 4:
        return *(const uint32_t *)place;
    default:
        return *(const uint64_t *)place;
    }
}

static void register_store(void *place, size_t bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        *(uint8_t *)place = value;
        break;
    case 4:
        *(uint32_t *)place = value;
        break;
    default:
        *(uint64_t *)place = value;
        break;
    }
}

static uint64_t register_value(void *device, const MmrigRegister *row,
                               unsigned index)
{
    const char *holder = row->holder ? row->holder(device) : device;

    if (row->get) {
        return row->get(device, row, index);
    }
    return row->bytes ? register_load(holder + row->field + index * row->bytes,
                                      row->bytes)
                      : row->constant;
}

uint64_t mmrig_registers_read(const MmrigRegisters *table, void *device,
                              hwaddr offset, unsigned size)
{
    const MmrigRegister *row;
    unsigned width;
    unsigned bit;

    if (size != 4 || offset % 4 != 0) {
        table->error(device, table->error_access, offset);
        return UINT64_MAX;
    }
    row = register_find(table, offset);
    if (!row) {
        return 0;
    }
    width = register_width(row);
    bit = (offset - row->offset) * 8;
    return extract64(register_value(device, row, bit / width), bit % width, 32);
}

void mmrig_registers_write(const MmrigRegisters *table, void *device,
                           hwaddr offset, uint64_t wide, unsigned size)
{
    uint64_t value = (uint32_t)wide;
    const MmrigRegister *row;

    if (size != 4 || offset % 4 != 0) {
        table->error(device, table->error_access, offset);
        return;
    }
    row = register_find(table, offset);
    if (!row || !register_is_writable(row)) {
        table->error(device,
                     row ? table->error_read_only : table->error_register,
                     offset);
        return;
    }
    if (register_width(row) == 64) {
        value = deposit64(register_value(device, row, 0),
                          (offset - row->offset) * 8, 32, value);
    }
    if ((row->mask && value & ~row->mask) || (row->most && value > row->most)) {
        table->error(device, table->error_value, value);
    } else if (row->set) {
        row->set(device, row, value);
    } else {
        register_store((char *)device + row->field, row->bytes, value);
    }
}

void mmrig_registers_reset(const MmrigRegisters *table, void *device)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const MmrigRegister *row = &table->rows[i];

        if (row->kind != MMRIG_REGISTER_STATE || row->holder) {
            continue;
        }
        for (unsigned k = 0; row->bytes && k < register_count(row); k++) {
            register_store((char *)device + row->field + k * row->bytes,
                           row->bytes, row->reset);
        }
    }
}

static const char *const register_kinds[] = {
    [MMRIG_REGISTER_STATE] = "state",
    [MMRIG_REGISTER_FIXED] = "fixed",
    [MMRIG_REGISTER_ACTION] = "action",
    [MMRIG_REGISTER_CLOCK] = "clock",
};

static void register_list(Object *object, Visitor *v, const char *name,
                          void *opaque, Error **errp)
{
    const MmrigRegisters *table = opaque;
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < table->row_count; i++) {
        const MmrigRegister *row = &table->rows[i];

        g_string_append_printf(
            text,
            "0x%03x %s %s %u %u %d 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 "\n",
            row->offset, row->name, register_kinds[row->kind],
            register_width(row), register_count(row), register_is_writable(row),
            row->mask, row->most, row->reset);
    }
    visit_type_str(v, name, &text->str, errp);
}

void mmrig_registers_describe(ObjectClass *klass, const MmrigRegisters *table)
{
    mmrig_registers_check(table);
    object_class_property_add(klass, "registers", "str", register_list, NULL,
                              NULL, (void *)table);
    object_class_property_set_description(
        klass, "registers", "read only: the registers, a line each, for tests");
}
