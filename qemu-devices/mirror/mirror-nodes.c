/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: where the nodes' memory lies. */
#include "mirror.h"

#include "hw/core/boards.h"
#include "hw/i386/x86.h"
#include "qapi/error.h"
#include "system/numa.h"

static bool mirror_add_node(MmrigMirror *s, uint64_t base, uint64_t size,
                            uint32_t node, Error **errp)
{
    if (size == 0) {
        return true;
    }
    if (s->node_count == MMRIG_MIRROR_NODES_MAX) {
        error_setg(errp, "the machine has more than %u pieces of memory",
                   MMRIG_MIRROR_NODES_MAX);
        return false;
    }
    s->nodes[s->node_count++] = (MirrorEntry){base, size, node};
    return true;
}

/* A node's memory, from offset on in all of it, which has a hole below 4G. */
static bool mirror_place_node(MmrigMirror *s, X86MachineState *x86,
                              uint64_t offset, uint64_t size, uint32_t node,
                              Error **errp)
{
    uint64_t below = x86->below_4g_mem_size;
    uint64_t low = offset < below ? MIN(size, below - offset) : 0;

    return mirror_add_node(s, offset, low, node, errp) &&
           mirror_add_node(s, x86->above_4g_mem_start + (offset + low - below),
                           size - low, node, errp);
}

bool mmrig_mirror_place_nodes(MmrigMirror *s, Error **errp)
{
    Object *object = qdev_get_machine();
    MachineState *machine = MACHINE(object);
    NumaState *numa = machine->numa_state;
    X86MachineState *x86;
    uint64_t offset = 0;

    s->node_count = 0;
    if (!object_dynamic_cast(object, TYPE_X86_MACHINE)) {
        error_setg(errp, "mmrig-mirror is for x86 machines");
        return false;
    }
    x86 = X86_MACHINE(object);
    if (!numa || numa->num_nodes == 0) {
        return mirror_place_node(s, x86, 0, machine->ram_size, 0, errp);
    }
    for (int i = 0; i < numa->num_nodes; i++) {
        if (!mirror_place_node(s, x86, offset, numa->nodes[i].node_mem, i,
                               errp)) {
            return false;
        }
        offset += numa->nodes[i].node_mem;
    }
    return true;
}
