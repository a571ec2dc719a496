/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "base/term.h"
#include "command-private.h"
#include "doctor/doctor.h"

static gboolean doctor_parse_arguments(int argc, char **argv, gboolean *no_boot, gboolean *json,
                                       GError **error)
{
    const GOptionEntry entries[] = {
        {"no-boot", 0, 0, G_OPTION_ARG_NONE, no_boot, "Do not boot a guest to try KVM", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, json, "Print the findings as JSON", NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(
        context, "Checks what mmrig needs of this host, and says how to mend what is missing.");
    g_option_context_set_description(
        context,
        "Exit status: 0 nothing needed is missing, 1 something is, 2 wrong arguments.\n"
        "See mmrig-doctor(1).");
    return mmrig_command_options("doctor", context, entries, argc, argv, error);
}

MmrigExit mmrig_cmd_doctor(int argc, char **argv)
{
    gboolean no_boot = FALSE, json = FALSE;
    g_autoptr(GError) error = NULL;

    if (!doctor_parse_arguments(argc, argv, &no_boot, &json, &error))
        return mmrig_error_report(error);
    g_autoptr(MmrigHost) host = mmrig_host_gather(!no_boot);
    g_autoptr(GPtrArray) findings = mmrig_doctor_examine(host);

    if (json) {
        g_autoptr(JsonNode) node = mmrig_doctor_json(findings);
        mmrig_command_print_json(node);
    } else {
        gboolean terminal = mmrig_term_is_terminal(STDOUT_FILENO);
        g_autofree char *text =
            mmrig_doctor_text(findings, mmrig_term_colours(STDOUT_FILENO),
                              terminal ? mmrig_term_width(STDOUT_FILENO) : 0);
        mmrig_print("%s", text);
    }
    return mmrig_doctor_worst(findings) == MMRIG_CHECK_FAIL ? MMRIG_EXIT_FAIL : MMRIG_EXIT_PASS;
}
