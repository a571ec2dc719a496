/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firmware.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

/* ---- What the kernel said -----------------------------------------------------------------
 */

/* Calls see for each line of the kernel's log that is still there, until it returns false. */
static void each_line(bool (*see)(const char *line, void *data), void *data)
{
    /* The kernel's own limit for a record (kernel/printk/printk.c, PRINTK_MESSAGE_MAX). */
    char record[8192];
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        ABORT("/dev/kmsg: %s", strerror(errno));
    for (;;) {
        ssize_t size = read(fd, record, sizeof(record) - 1);
        if (size < 0 && (errno == EPIPE || errno == EINTR))
            continue;
        if (size <= 0)
            break;
        record[size] = '\0';
        char *text = strchr(record, ';');
        if (!text)
            continue;
        text++;
        text[strcspn(text, "\n")] = '\0';
        if (!see(text, data))
            break;
    }
    close(fd);
}

struct search {
    const char *text;
    char *line;
    size_t size;
    bool found;
};

static bool look(const char *line, void *data)
{
    struct search *search = data;

    search->found = strstr(line, search->text) != NULL;
    if (search->found && search->line)
        snprintf(search->line, search->size, "%s", line);
    return !search->found;
}

bool kernel_said(const char *text, char *line, size_t size)
{
    struct search search = {text, line, size, false};

    each_line(look, &search);
    return search.found;
}

/* ---- The EFI memory map --------------------------------------------------------------------
 */

/* What the kernel turns into usable memory (arch/x86/platform/efi/efi.c, do_add_efi_memmap). */
static bool type_usable(const char *type)
{
    static const char *const usable[] = {"Loader Code", "Loader Data", "Boot Code", "Boot Data",
                                         "Conventional"};

    for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
        if (strcmp(type, usable[i]) == 0)
            return true;
    return false;
}

/* "efi: mem05: [Conventional|   |  |MR|...] range=[0x...-0x...] (5MB)" */
static bool see_entry(const char *line, void *data)
{
    struct efi_map *map = data;
    struct efi_entry entry = {0};
    unsigned number;
    uint64_t end;
    int at = 0;

    if (sscanf(line, "efi: mem%u: [%n", &number, &at) != 1 || at == 0)
        return true;
    /* The map is printed once more when the kernel has changed it. */
    if (number == 0 && map->count > 0)
        return false;
    const char *type = line + at, *bar = strchr(type, '|'), *close = strchr(type, ']');
    const char *range = close ? strstr(close, "range=[") : NULL;
    if (!bar || !close || bar > close || !range ||
        sscanf(range, "range=[%" SCNx64 "-%" SCNx64 "]", &entry.base, &end) != 2 ||
        end < entry.base)
        ABORT("cannot read the kernel's line: %s", line);
    if (map->count == EFI_ENTRIES_MAX)
        ABORT("more than %d entries in the memory map", EFI_ENTRIES_MAX);
    snprintf(entry.type, sizeof(entry.type), "%.*s", (int)(bar - type), type);
    for (size_t length = strlen(entry.type); length > 0 && entry.type[length - 1] == ' ';)
        entry.type[--length] = '\0';
    entry.size = end - entry.base + 1;
    const char *mirrored = strstr(bar, "|MR|"), *specific = strstr(bar, "|SP|");
    entry.mirrored = mirrored && mirrored < close;
    entry.specific = specific && specific < close;
    entry.usable = type_usable(entry.type);
    map->entries[map->count++] = entry;
    return true;
}

static int by_base(const void *a, const void *b)
{
    const struct efi_entry *one = a, *other = b;

    return (one->base > other->base) - (one->base < other->base);
}

void efi_map_read(struct efi_map *map)
{
    map->count = 0;
    each_line(see_entry, map);
    if (map->count == 0)
        ABORT("the kernel has printed no EFI memory map; it needs UEFI firmware and efi=debug");
    qsort(map->entries, map->count, sizeof(map->entries[0]), by_base);
}

/* ---- Ranges --------------------------------------------------------------------------------
 */

void ranges_add(struct ranges *ranges, uint64_t base, uint64_t size)
{
    struct range *last = ranges->count ? &ranges->at[ranges->count - 1] : NULL;

    if (size == 0)
        return;
    if (last && last->base + last->size == base) {
        last->size += size;
        return;
    }
    if (ranges->count == RANGES_MAX)
        ABORT("more than %d ranges", RANGES_MAX);
    ranges->at[ranges->count++] = (struct range){base, size};
}

void ranges_parse(struct ranges *ranges, const char *text)
{
    while (text && *text) {
        char *end;
        uint64_t base = strtoull(text, &end, 0);
        if (*end != '+')
            ABORT("'%s' is no range", text);
        uint64_t size = strtoull(end + 1, &end, 0);
        unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
        if (shift)
            end++;
        if (*end && *end != ':')
            ABORT("'%s' is no range", text);
        ranges_add(ranges, base, size << shift);
        text = *end ? end + 1 : end;
    }
}

uint64_t ranges_bytes(const struct ranges *ranges)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < ranges->count; i++)
        bytes += ranges->at[i].size;
    return bytes;
}

uint64_t ranges_within(const struct ranges *ranges, uint64_t base, uint64_t size)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < ranges->count; i++) {
        uint64_t from = ranges->at[i].base > base ? ranges->at[i].base : base;
        uint64_t end = ranges->at[i].base + ranges->at[i].size;
        if (end > base + size)
            end = base + size;
        if (end > from)
            bytes += end - from;
    }
    return bytes;
}

void ranges_expect_equal(const char *what, const struct ranges *a, const struct ranges *b)
{
    DIAG("%s: %zu and %zu ranges", what, a->count, b->count);
    for (size_t i = 0; i < a->count || i < b->count; i++) {
        struct range one = i < a->count ? a->at[i] : (struct range){0};
        struct range other = i < b->count ? b->at[i] : (struct range){0};
        DIAG("  0x%" PRIx64 "+0x%" PRIx64 " and 0x%" PRIx64 "+0x%" PRIx64, one.base, one.size,
             other.base, other.size);
        EXPECT_EQ(one.base, other.base);
        EXPECT_EQ(one.size, other.size);
    }
}

void efi_map_mirrored(const struct efi_map *map, struct ranges *ranges)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->entries[i].mirrored)
            ranges_add(ranges, map->entries[i].base, map->entries[i].size);
}

void efi_map_specific(const struct efi_map *map, struct ranges *ranges)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->entries[i].specific)
            ranges_add(ranges, map->entries[i].base, map->entries[i].size);
}

/* ---- mmrig-mirror --------------------------------------------------------------------------
 */

static const volatile uint32_t *registers;

static bool is_mirror(const char *folder)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/vendor", folder);
    if (file_u64(path) != MMRIG_MIRROR_PCI_VENDOR)
        return false;
    snprintf(path, sizeof(path), "%s/device", folder);
    return file_u64(path) == MMRIG_MIRROR_PCI_DEVICE;
}

static void map_registers(const char *folder)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/enable", folder);
    if (!file_write(path, "1"))
        ABORT("%s: %s", path, strerror(errno));
    snprintf(path, sizeof(path), "%s/resource%d", folder, MMRIG_MIRROR_BAR_REGS);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at =
        fd < 0 ? MAP_FAILED : mmap(NULL, MMRIG_MIRROR_REGS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        ABORT("%s: %s", path, strerror(errno));
    close(fd);
    registers = at;
}

bool mirror_open(void)
{
    static const char devices[] = "/sys/bus/pci/devices";
    DIR *folder = opendir(devices);
    struct dirent *entry;

    if (!folder)
        ABORT("%s: %s", devices, strerror(errno));
    while (!registers && (entry = readdir(folder))) {
        char path[280];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", devices, entry->d_name);
        if (is_mirror(path))
            map_registers(path);
    }
    closedir(folder);
    return registers && mirror_get(MMRIG_MIRROR_ID) == MMRIG_MIRROR_ID_VALUE;
}

uint32_t mirror_get(uint32_t reg)
{
    return registers[reg / 4];
}

uint64_t mirror_get64(uint32_t reg)
{
    return mirror_get(reg) | (uint64_t)mirror_get(reg + 4) << 32;
}

uint32_t mirror_applied(uint32_t index)
{
    return MMRIG_MIRROR_APPLIED_TABLE(index);
}

uint32_t mirror_requested(uint32_t index)
{
    return MMRIG_MIRROR_RANGE_TABLE(index);
}

void mirror_table(uint32_t (*table)(uint32_t), uint32_t count, uint32_t attribute,
                  struct ranges *ranges)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = table(i);
        if (mirror_get(at + MMRIG_MIRROR_ENTRY_ATTRIBUTES) & attribute)
            ranges_add(ranges, mirror_get64(at + MMRIG_MIRROR_ENTRY_BASE_LO),
                       mirror_get64(at + MMRIG_MIRROR_ENTRY_SIZE_LO));
    }
}

/* ---- NUMA nodes ----------------------------------------------------------------------------
 */

struct node_range nodes[NODE_RANGES_MAX];
size_t nodes_count;

/* "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]" */
static bool see_node(const char *line, void *data __attribute__((unused)))
{
    struct node_range range;
    uint64_t end;
    unsigned domain;

    if (sscanf(line, "ACPI: SRAT: Node %u PXM %u [mem %" SCNx64 "-%" SCNx64 "]", &range.node,
               &domain, &range.base, &end) != 4 ||
        end < range.base || strstr(line, "hotplug"))
        return true;
    if (nodes_count == NODE_RANGES_MAX)
        ABORT("more than %d ranges of nodes", NODE_RANGES_MAX);
    range.size = end - range.base + 1;
    nodes[nodes_count++] = range;
    return true;
}

void nodes_read(void)
{
    nodes_count = 0;
    each_line(see_node, NULL);
}

/* ---- Zones ---------------------------------------------------------------------------------
 */

static void read_field(const char *line, struct zone *zone)
{
    const struct {
        const char *name;
        uint64_t *value;
    } fields[] = {
        {"pages free", &zone->free}, {"spanned", &zone->spanned},  {"present", &zone->present},
        {"managed", &zone->managed}, {"start_pfn:", &zone->start},
    };

    line += strspn(line, " ");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t size = strlen(fields[i].name);
        if (strncmp(line, fields[i].name, size) == 0 && line[size] == ' ')
            *fields[i].value = strtoull(line + size, NULL, 10);
    }
}

struct zone zone_read(unsigned node, const char *name)
{
    struct zone zone = {0};
    char line[256], current[32];
    unsigned number;
    bool inside = false;
    FILE *file = fopen("/proc/zoneinfo", "re");

    if (!file)
        ABORT("/proc/zoneinfo: %s", strerror(errno));
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Node %u, zone %31s", &number, current) == 2) {
            inside = number == node && strcmp(current, name) == 0;
            zone.there |= inside;
        } else if (inside) {
            read_field(line, &zone);
        }
    }
    fclose(file);
    return zone;
}

void zones_free(uint64_t *movable, uint64_t *other)
{
    static const char free_pages[] = "  pages free";
    char line[256], name[32];
    uint64_t *count = other;
    FILE *file = fopen("/proc/zoneinfo", "re");

    if (!file)
        ABORT("/proc/zoneinfo: %s", strerror(errno));
    *movable = *other = 0;
    while (fgets(line, sizeof(line), file)) {
        /* Most lines are neither, and this is called while memory is counted. */
        if (line[0] == 'N' && sscanf(line, "Node %*u, zone %31s", name) == 1)
            count = strcmp(name, "Movable") == 0 ? movable : other;
        else if (strncmp(line, free_pages, sizeof(free_pages) - 1) == 0)
            *count += strtoull(line + sizeof(free_pages) - 1, NULL, 10);
    }
    fclose(file);
}
