/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-state.h"

char *mmrig_template_uri(const MmrigPlan *machine)
{
    const MmrigBacking *state =
        g_ptr_array_index(machine->backings, machine->backings->len - 1);

    return g_strdup_printf("file:/proc/self/fd/%d", state->fd);
}

JsonObject *mmrig_template_capabilities(void)
{
    /* Memory in shared files is not part of the state; progress comes as events. */
    static const char *const names[] = {"x-ignore-shared", "events"};
    JsonObject *arguments = json_object_new();
    JsonArray *list = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        JsonObject *capability = json_object_new();
        json_object_set_string_member(capability, "capability", names[i]);
        json_object_set_boolean_member(capability, "state", TRUE);
        json_array_add_object_element(list, capability);
    }
    json_object_set_array_member(arguments, "capabilities", list);
    return arguments;
}
