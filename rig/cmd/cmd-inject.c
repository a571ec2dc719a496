/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breaks the memory of a machine that is kept. What is asked is in inject.h, how in keeper.h.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command-private.h"
#include "keeper/inject.h"
#include "keeper/keeper.h"

typedef struct {
    char **words; /* RUN and what to do */
    char *user;   /* whose machine; NULL: one's own */
    char *gpa, *offset, *pid, *vaddr, *kind, *length, *device, *cpu, *count;
    gboolean broadcast, notify, json;
} InjectArguments;

static void inject_command_free_arguments(InjectArguments *arguments)
{
    g_strfreev(arguments->words);
    g_free(arguments->user);
    g_free(arguments->gpa);
    g_free(arguments->offset);
    g_free(arguments->pid);
    g_free(arguments->vaddr);
    g_free(arguments->kind);
    g_free(arguments->length);
    g_free(arguments->device);
    g_free(arguments->cpu);
    g_free(arguments->count);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InjectArguments, inject_command_free_arguments)

static char *describe(void)
{
    g_autoptr(GString) text = g_string_new(
        "What to break:\n"
        "  dram    the machine's memory, by mmrig-ras (start it with --device mmrig-ras)\n"
        "  pmem    an NVDIMM's media, by mmrig-nvdimm (--device mmrig-nvdimm)\n"
        "  cxl     a CXL device's media, by QEMU: the device lists the address as poisoned\n"
        "  mce     nothing: a machine check is told to a processor now, by QEMU's own command\n"
        "  list    what is bad now\n"
        "  clear   makes everything good, or dram or pmem, or one place\n"
        "\nKinds of error (dram and mce):\n");

    for (gsize i = 0; i < mmrig_inject_kinds_count; i++)
        g_string_append_printf(text, "  %-7s %s\n", mmrig_inject_kinds[i].name,
                               mmrig_inject_kinds[i].meaning);
    g_string_append(text,
                    "\nRUN is the name that `mmrig run --keep` prints. Exit status: 0, 2 for "
                    "wrong\narguments or what the machine refuses, 99 if the rig broke. See "
                    "mmrig-inject(1).");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean inject_command_parse(int argc, char **argv, InjectArguments *a, GError **error)
{
    const GOptionEntry entries[] = {
        {"gpa", 0, 0, G_OPTION_ARG_STRING, &a->gpa, "Where: a guest physical address",
         "ADDRESS"},
        {"offset", 0, 0, G_OPTION_ARG_STRING, &a->offset,
         "Where: an offset in the memory or the device", "OFFSET"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &a->device,
         "Which NVDIMM or CXL device, if there are several", "ID"},
        {"pid", 0, 0, G_OPTION_ARG_STRING, &a->pid,
         "Where: in the memory of this process of the guest", "PID"},
        {"vaddr", 0, 0, G_OPTION_ARG_STRING, &a->vaddr, "... at this virtual address",
         "ADDRESS"},
        {"length", 0, 0, G_OPTION_ARG_STRING, &a->length, "How many bytes (default: 64)",
         "BYTES"},
        {"kind", 0, 0, G_OPTION_ARG_STRING, &a->kind, "Which error, see below (default: srar)",
         "KIND"},
        {"cpu", 0, 0, G_OPTION_ARG_STRING, &a->cpu,
         "The processor that is told (default: the first)", "N"},
        {"broadcast", 0, 0, G_OPTION_ARG_NONE, &a->broadcast, "All processors are told", NULL},
        {"count", 0, 0, G_OPTION_ARG_STRING, &a->count, "How many corrected errors at once",
         "N"},
        {"notify", 0, 0, G_OPTION_ARG_NONE, &a->notify, "pmem: the platform tells the guest",
         NULL},
        {"user", 0, 0, G_OPTION_ARG_STRING, &a->user,
         "Root only: the machine is kept by this user", "NAME"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &a->json, "Print the answer as JSON", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &a->words, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("RUN dram|pmem|cxl|mce|list|clear [dram|pmem]");
    g_autofree char *description = describe();

    g_option_context_set_summary(context,
                                 "Injects a memory error into a machine that is kept.");
    g_option_context_set_description(context, description);
    return mmrig_command_parse(context, entries, &argc, &argv, error);
}

/* The request: what stands behind RUN, and the options as KEY=VALUE. */
static GPtrArray *make_request(const InjectArguments *a)
{
    const struct {
        const char *key, *value;
    } pairs[] = {
        {"gpa", a->gpa},   {"offset", a->offset}, {"device", a->device},
        {"pid", a->pid},   {"vaddr", a->vaddr},   {"length", a->length},
        {"kind", a->kind}, {"cpu", a->cpu},       {"count", a->count},
    };
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    for (char **word = a->words + 1; *word; word++)
        g_ptr_array_add(words, g_strdup(*word));
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (pairs[i].value)
            g_ptr_array_add(words, g_strconcat(pairs[i].key, "=", pairs[i].value, NULL));
    if (a->broadcast)
        g_ptr_array_add(words, g_strdup("broadcast"));
    if (a->notify)
        g_ptr_array_add(words, g_strdup("notify"));
    g_ptr_array_add(words, NULL);
    return words;
}

/* Whose machine is meant: a name, or a number. */
static gboolean inject_find_user(const char *text, uid_t *user, GError **error)
{
    const struct passwd *entry = text ? getpwnam(text) : NULL;
    guint64 number = getuid();

    if (entry)
        number = entry->pw_uid;
    else if (text && !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "--user %s: there is no such user",
                    text);
        return FALSE;
    }
    *user = (uid_t)number;
    if (*user == getuid() || getuid() == 0)
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                "--user %s: a machine answers only to the user who keeps it, and to root",
                text);
    return FALSE;
}

/* Sets the error for a command line without a name or an action; it lists the machines. */
static void set_which(const InjectArguments *a, uid_t user, GError **error)
{
    g_auto(GStrv) runs = mmrig_keeper_list(user);
    g_autofree char *names = g_strjoinv(", ", runs);

    if (a->words && *a->words && **a->words)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%.80s: inject what? dram, pmem, cxl or mce; or list, or clear", *a->words);
    else if (*runs)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "into which machine? These are kept: %s", names);
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "into which machine? None is kept; `mmrig run --keep` and `mmrig shell` "
                    "keep one");
}

/* ---- Output ------------------------------------------------------------------------------ */

static void print_place(const char *target, JsonObject *entry)
{
    const char *device = json_object_get_string_member_with_default(entry, "device", NULL);
    const char *state = json_object_get_string_member_with_default(entry, "state", NULL);
    const char *source = json_object_get_string_member_with_default(entry, "source", NULL);
    gint64 where = json_object_get_int_member_with_default(entry, device ? "offset" : "gpa", 0);

    mmrig_print("%s%s%s 0x%" G_GINT64_MODIFIER "x %" G_GINT64_FORMAT "%s%s\n", target,
                device ? " " : "", device ? device : "", (guint64)where,
                json_object_get_int_member_with_default(entry, "length", 0),
                state || source ? " " : "",
                state    ? state
                : source ? source
                         : "");
}

/* "TARGET [DEVICE] ADDRESS LENGTH [WHAT]", a line each. */
static void print_list(JsonObject *answer)
{
    static const char *const targets[] = {"dram", "pmem", "cxl"};

    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        JsonNode *node = json_object_get_member(answer, targets[i]);
        JsonArray *array =
            node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        for (guint at = 0; array && at < json_array_get_length(array); at++) {
            JsonNode *entry = json_array_get_element(array, at);
            if (JSON_NODE_HOLDS_OBJECT(entry))
                print_place(targets[i], json_node_get_object(entry));
        }
    }
}

static void print_done(MmrigInjectVerb verb, JsonObject *answer)
{
    const char *target = json_object_get_string_member_with_default(answer, "target", "all");
    const char *kind = json_object_get_string_member_with_default(answer, "kind", NULL);
    gboolean place =
        json_object_has_member(answer, "gpa") || json_object_has_member(answer, "offset");

    mmrig_print("%s", verb == MMRIG_INJECT_CLEAR ? "cleared " : "injected ");
    if (kind)
        mmrig_print("%s ", kind);
    if (place)
        print_place(target, answer);
    else
        mmrig_print("%s\n", target);
}

MmrigExit mmrig_cmd_inject(int argc, char **argv)
{
    g_auto(InjectArguments) arguments = {0};
    g_autoptr(GError) error = NULL;
    MmrigInject inject;
    uid_t user;

    if (!inject_command_parse(argc, argv, &arguments, &error) ||
        !inject_find_user(arguments.user, &user, &error))
        return mmrig_error_report(error);
    if (!arguments.words || !arguments.words[0] || !*arguments.words[0] ||
        !arguments.words[1]) {
        set_which(&arguments, user, &error);
        return mmrig_error_report(error);
    }
    g_autoptr(GPtrArray) words = make_request(&arguments);
    const char *const *request = (const char *const *)words->pdata;
    /* The keeper checks the request too; here a wrong one is refused even if no machine has
     * that name. */
    if (!mmrig_inject_parse(request, &inject, &error))
        return mmrig_error_report(error);
    g_autoptr(JsonNode) answer = mmrig_keeper_ask(user, *arguments.words, request, &error);
    if (!answer)
        return mmrig_error_report(error);
    if (arguments.json)
        mmrig_command_print_json(answer);
    else if (inject.verb == MMRIG_INJECT_LIST)
        print_list(json_node_get_object(answer));
    else
        print_done(inject.verb, json_node_get_object(answer));
    return MMRIG_EXIT_PASS;
}
