/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last step of reading a scenario: the values are checked against each other. */
#include <string.h>

#include "base/error.h"
#include "scenario-keys.h"
#include "scenario-private.h"

const MmrigDevice *mmrig_scenario_find_device(const MmrigScenario *scenario, const char *id)
{
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        if (g_str_equal(device->id, id))
            return device;
    }
    return NULL;
}

static gboolean check_device(MmrigParser *parser, const MmrigDevice *device, GError **error)
{
    g_autofree char *group =
        g_strdup_printf("%s %s", mmrig_device_section(device->kind), device->id);

    if (device->node >= MAX(parser->scenario->nodes, 1))
        return mmrig_parser_wrong(parser, error, group, "node",
                                  "there is no node %u; the machine has %u ([machine] nodes)",
                                  device->node, parser->scenario->nodes);
    if (device->kind == MMRIG_DEVICE_CXL && device->size == 0 && device->persistent == 0)
        return mmrig_parser_wrong(parser, error, group, NULL,
                                  "it has no memory; write volatile, persistent or both");
    if (device->kind != MMRIG_DEVICE_VIRTIO_MEM)
        return TRUE;
    if (device->block_size & (device->block_size - 1))
        return mmrig_parser_wrong(parser, error, group, "block-size",
                                  "not a power of two; write for example 2M or 4M");
    if (device->size % device->block_size)
        return mmrig_parser_wrong(parser, error, group, "size", "not a multiple of block-size");
    if (device->requested % device->block_size)
        return mmrig_parser_wrong(parser, error, group, "requested",
                                  "not a multiple of block-size");
    if (device->requested > device->size)
        return mmrig_parser_wrong(parser, error, group, "requested", "more than size");
    return TRUE;
}

/* The windows are numbered from 0 without a gap, and CXL interleaves by powers of two. */
static gboolean check_windows(MmrigParser *parser, GError **error)
{
    const GPtrArray *devices = parser->scenario->devices;
    const MmrigDevice *first[MMRIG_SCENARIO_DEVICES_MAX] = {0};
    guint ways[MMRIG_SCENARIO_DEVICES_MAX] = {0};
    guint windows = 0;

    for (guint i = 0; i < devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(devices, i);
        g_autofree char *group = g_strdup_printf("cxl %s", device->id);
        if (device->kind != MMRIG_DEVICE_CXL)
            continue;
        if (device->window > windows)
            return mmrig_parser_wrong(parser, error, group, "window",
                                      "the next new window is %u: they are numbered in order",
                                      windows);
        if (device->window == windows)
            first[windows++] = device;
        const MmrigDevice *other = first[device->window];
        if (other->size != device->size || other->persistent != device->persistent)
            return mmrig_parser_wrong(
                parser, error, group, "window",
                "devices that are interleaved are of equal sizes, and %s is not", other->id);
        ways[device->window]++;
    }
    for (guint i = 0; i < windows; i++) {
        g_autofree char *group = g_strdup_printf("cxl %s", first[i]->id);
        if (ways[i] > 8 || (ways[i] & (ways[i] - 1)))
            return mmrig_parser_wrong(parser, error, group, "window",
                                      "%u devices are in it; 1, 2, 4 or 8 can be interleaved",
                                      ways[i]);
    }
    return TRUE;
}

/* A request that a fault breaks must be one that the test may make. */
static gboolean check_fault_verb(MmrigParser *parser, const char *key, const char *verb,
                                 GError **error)
{
    GStrv requests = parser->scenario->requests;

    if (!verb || (requests && g_strv_contains((const char *const *)requests, verb)))
        return TRUE;
    return mmrig_parser_wrong(
        parser, error, "fault", key,
        "'%s' is not among the requests that the test may make ([test] requests)", verb);
}

static gboolean check_machine(MmrigParser *parser, GError **error)
{
    const MmrigScenario *scenario = parser->scenario;
    guint64 sum = 0;

    for (char **word = scenario->node_memory; word && *word; word++) {
        guint64 bytes = 0;
        if (!mmrig_size_parse(*word, &bytes, error))
            return FALSE;
        sum += bytes;
    }
    if (scenario->node_memory && g_strv_length(scenario->node_memory) != scenario->nodes)
        return mmrig_parser_wrong(parser, error, "machine", "node-memory",
                                  "%u sizes for %u nodes; write one for each",
                                  g_strv_length(scenario->node_memory), scenario->nodes);
    if (scenario->node_memory && sum != scenario->memory)
        return mmrig_parser_wrong(parser, error, "machine", "node-memory",
                                  "together %" G_GUINT64_FORMAT
                                  " bytes, and memory is %" G_GUINT64_FORMAT,
                                  sum, scenario->memory);
    if (!scenario->firmware_code != !scenario->firmware_variables)
        return mmrig_parser_wrong(parser, error, "firmware",
                                  scenario->firmware_code ? "variables" : "code",
                                  "missing; code and variables belong together");
    if (scenario->firmware == MMRIG_FIRMWARE_NONE &&
        (scenario->firmware_code || scenario->keep_variables))
        return mmrig_parser_wrong(parser, error, "firmware", "type",
                                  "no firmware has code or variables; write ovmf");
    if (scenario->firmware == MMRIG_FIRMWARE_NONE && scenario->boot_from == MMRIG_BOOT_ESP)
        return mmrig_parser_wrong(parser, error, "firmware", "boot",
                                  "only firmware boots from a disk; write type = ovmf as well");
    if (scenario->keep_variables && !scenario->boots)
        return mmrig_parser_wrong(parser, error, "firmware", "keep-variables",
                                  "from one boot to the next, and there is one ([test] boots)");
    return TRUE;
}

gboolean mmrig_parser_check(MmrigParser *parser, GError **error)
{
    MmrigScenario *scenario = parser->scenario;
    gboolean balloon = FALSE;

    if ((scenario->expect == MMRIG_EXPECT_PANIC) != (scenario->panic != NULL))
        return mmrig_parser_wrong(parser, error, "test", "panic",
                                  scenario->panic
                                      ? "only with expect = panic; remove it"
                                      : "missing; write what the text of the panic must match");
    if (scenario->expect == MMRIG_EXPECT_PANIC && scenario->boots)
        return mmrig_parser_wrong(parser, error, "test", "boots",
                                  "a scenario that expects a panic has one boot; remove it");
    if (scenario->forked && scenario->cold)
        return mmrig_parser_wrong(
            parser, error, "scenario", "forked",
            "it cannot be told to be booted as well; remove this or cold");
    if (scenario->forked && scenario->boots)
        return mmrig_parser_wrong(
            parser, error, "scenario", "forked",
            "a scenario with boots is never forked; remove this or boots");
    if (!check_machine(parser, error))
        return FALSE;
    for (guint i = 0; i < scenario->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(scenario->devices, i);
        g_autofree char *group =
            g_strdup_printf("%s %s", mmrig_device_section(device->kind), device->id);
        if (!check_device(parser, device, error))
            return FALSE;
        if (device->kind == MMRIG_DEVICE_BALLOON && balloon)
            return mmrig_parser_wrong(parser, error, group, NULL,
                                      "a machine has one balloon at most; remove this one");
        balloon |= device->kind == MMRIG_DEVICE_BALLOON;
    }
    if (!check_windows(parser, error))
        return FALSE;
    if (!check_fault_verb(parser, "drop", scenario->fault.drop, error) ||
        !check_fault_verb(parser, "shift", scenario->fault.shift, error))
        return FALSE;
    if (scenario->fault.truncate) {
        const MmrigDevice *device =
            mmrig_scenario_find_device(scenario, scenario->fault.truncate);
        if (!device ||
            (device->kind != MMRIG_DEVICE_NVDIMM && !mmrig_device_wants_store(device)))
            return mmrig_parser_wrong(
                parser, error, "fault", "truncate",
                "there is no [nvdimm %s], and only those have a backing file "
                "(and a [pack] with type = mmrig-nvdimm)",
                scenario->fault.truncate);
        if (!scenario->boots || g_strv_length(scenario->boots) < 2)
            return mmrig_parser_wrong(
                parser, error, "fault", "truncate",
                "happens between two boots, and there is one ([test] boots)");
    }
    return TRUE;
}
