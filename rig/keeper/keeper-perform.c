/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request, step by step: where (asking the guest or a device if need be), then what. Each
 * step asks one thing and names the next, which gets the answer.
 */
#include "keeper-private.h"

#include <string.h>

#include "actions/actions.h"
#include "base/error.h"
#include "machine/ram.h"
#include "mmrig-ras-regs.h"

/* Milliseconds that the guest's agent may take. */
#define GUEST_PATIENCE 15000

/* How many may be open; a guest that never answers must not make the keeper grow. */
#define QUESTIONS_MAX 64

typedef void (*Step)(GTask *task, JsonNode *answer);

typedef struct {
    MmrigKeeperState *state;
    MmrigInject inject;
    JsonObject *result;
    Step next;
    guint64 gpa, offset;
    char *module; /* of pmem and cxl: the device's id */
    guint64 question;
    guint timer;
} Job;

static void forget_question(Job *job)
{
    g_clear_handle_id(&job->timer, g_source_remove);
    if (job->question)
        g_hash_table_remove(job->state->questions, &job->question);
    job->question = 0;
}

static void job_free(gpointer data)
{
    Job *job = data;

    forget_question(job);
    g_clear_pointer(&job->result, json_object_unref);
    g_free(job->module);
    g_free(job);
}

/*
 * The functions that follow end the task, and drop the reference that is handed from step to
 * step.
 */
static void keeper_fail(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

G_GNUC_PRINTF(2, 3)
static void keeper_refuse(GTask *task, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *text = g_strdup_vprintf(format, values);
    va_end(values);
    keeper_fail(task, g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_INPUT, text));
}

static void keeper_done(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_object_set_boolean_member(job->result, "ok", TRUE);
    json_node_take_object(node, g_steal_pointer(&job->result));
    g_task_return_pointer(task, node, (GDestroyNotify)json_node_unref);
    g_object_unref(task);
}

static void keeper_on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Job *job = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(JsonNode) answer = mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &error);

    if (answer) {
        job->next(task, answer);
        return;
    }
    /* If QEMU refuses the command, it is the user's input that has to be mended. */
    if (g_error_matches(error, MMRIG_ERROR, MMRIG_ERROR_QEMU))
        error->code = MMRIG_ERROR_INPUT;
    g_prefix_error(&error, "the machine refuses: ");
    keeper_fail(task, error);
}

static void keeper_ask(GTask *task, const char *command, JsonObject *arguments, Step next)
{
    Job *job = g_task_get_task_data(task);

    job->next = next;
    mmrig_qmp_execute_async(job->state->kept.qmp, command, arguments, MMRIG_QMP_TIMEOUT,
                            job->state->over, keeper_on_answer, task);
}

/* value NULL: qom-get. */
static void ask_property(GTask *task, const char *id, const char *property, const char *value,
                         Step next)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", id, NULL);
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    if (value)
        json_object_set_string_member(arguments, "value", value);
    keeper_ask(task, value ? "qom-set" : "qom-get", arguments, next);
}

/* The device of the pack of this type; without one the task fails and says how to get it. */
static const MmrigDevice *keeper_need(GTask *task, const char *type, const char *what)
{
    const Job *job = g_task_get_task_data(task);
    const MmrigDevice *device = mmrig_spec_pack_device(job->state->kept.spec, type);

    if (!device)
        keeper_refuse(
            task,
            "%s: the machine has no %s; start it with --device %s, or with a section [pack "
            "ID] and type = %s in its scenario",
            what, type, type, type);
    return device;
}

static const char *answer_text(JsonNode *answer)
{
    if (JSON_NODE_HOLDS_VALUE(answer) && json_node_get_value_type(answer) == G_TYPE_STRING)
        return json_node_get_string(answer);
    return "";
}

/* ---- What -------------------------------------------------------------------------------- */

static void say_where(const Job *job, const char *key, guint64 address)
{
    json_object_set_int_member(job->result, key, (gint64)address);
}

static void on_set(GTask *task, JsonNode *answer G_GNUC_UNUSED)
{
    keeper_done(task);
}

static void do_dram(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    const MmrigDevice *ras = keeper_need(task, "mmrig-ras", "dram");
    gboolean clear = job->inject.verb == MMRIG_INJECT_CLEAR;

    if (!ras)
        return;
    g_autofree char *text = mmrig_inject_ras_text(&job->inject, job->gpa);
    say_where(job, "gpa", job->gpa);
    say_where(job, "length", job->inject.length ? job->inject.length : MMRIG_RAS_GRANULE);
    ask_property(task, ras->id, clear ? "clear" : "inject", text, on_set);
}

static void on_mce(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    GError *error = NULL;
    g_auto(GStrv) reply = mmrig_action_perform_finish(result, &error);

    if (!reply) {
        error->code = error->code == MMRIG_ERROR_GUEST ? MMRIG_ERROR_INPUT : error->code;
        keeper_fail(task, error);
        return;
    }
    keeper_done(task);
}

static void do_mce(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    g_auto(GStrv) words = mmrig_inject_mce_words(&job->inject, job->gpa);

    say_where(job, "gpa", job->gpa);
    static const MmrigActionFault no_fault;
    const MmrigActionContext context = {job->state->kept.qmp, job->state->kept.pid,
                                        job->state->kept.spec, &no_fault};
    mmrig_action_perform_async(&context, "mce-inject", (const char *const *)words,
                               job->state->over, on_mce, task);
}

static void on_cxl(GTask *task, JsonNode *answer G_GNUC_UNUSED)
{
    Job *job = g_task_get_task_data(task);
    JsonObject *entry = json_object_new();

    json_object_set_string_member(entry, "device", job->module);
    json_object_set_int_member(entry, "offset", (gint64)job->offset);
    json_object_set_int_member(entry, "length",
                               json_object_get_int_member(job->result, "length"));
    json_array_add_object_element(job->state->cxl, entry);
    keeper_done(task);
}

/* Asks QEMU to put the range on the device's own list of poison. */
static void do_cxl(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    guint64 length = job->inject.length ? job->inject.length : MMRIG_RAS_GRANULE;
    g_autofree char *path = g_strconcat("/machine/peripheral/", job->module, NULL);
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(job->result, "device", job->module);
    say_where(job, "offset", job->offset);
    say_where(job, "length", length);
    json_object_set_string_member(arguments, "path", path);
    json_object_set_int_member(arguments, "start", (gint64)job->offset);
    json_object_set_int_member(arguments, "length", (gint64)length);
    keeper_ask(task, "cxl-inject-poison", arguments, on_cxl);
}

static void do_pmem(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    const MmrigDevice *nvdimm = keeper_need(task, "mmrig-nvdimm", "pmem");
    guint64 length = job->inject.length ? job->inject.length : MMRIG_RAS_GRANULE;

    if (!nvdimm)
        return;
    g_autofree char *text =
        g_strdup_printf("%s 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x%s", job->module,
                        job->offset, length, job->inject.notify ? " notify" : "");
    json_object_set_string_member(job->result, "device", job->module);
    say_where(job, "offset", job->offset);
    say_where(job, "length", length);
    ask_property(task, nvdimm->id, job->inject.verb == MMRIG_INJECT_CLEAR ? "clear" : "inject",
                 text, on_set);
}

/* ---- Where ------------------------------------------------------------------------------- */

static void on_modules(GTask *task, JsonNode *answer)
{
    Job *job = g_task_get_task_data(task);
    GError *error = NULL;

    if (mmrig_inject_find_module(answer_text(answer), job->gpa, &job->module, &job->offset,
                                 &error))
        do_pmem(task);
    else
        keeper_fail(task, error);
}

/* The address is known. */
static void at_address(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    const MmrigDevice *nvdimm;

    switch (job->inject.target) {
    case MMRIG_TARGET_MCE:
        do_mce(task);
        return;
    case MMRIG_TARGET_PMEM:
        nvdimm = keeper_need(task, "mmrig-nvdimm", "pmem");
        if (nvdimm)
            ask_property(task, nvdimm->id, "modules", NULL, on_modules);
        return;
    case MMRIG_TARGET_ANY:
    case MMRIG_TARGET_DRAM:
    case MMRIG_TARGET_CXL:
        do_dram(task);
        return;
    }
}

static gboolean on_silence(gpointer data)
{
    GTask *task = data;
    Job *job = g_task_get_task_data(task);

    job->timer = 0;
    forget_question(job);
    keeper_fail(
        task, g_error_new(MMRIG_ERROR, MMRIG_ERROR_TIMEOUT,
                          "the guest's agent did not say where the process's memory is within "
                          "%d s",
                          GUEST_PATIENCE / 1000));
    return G_SOURCE_REMOVE;
}

static void ask_guest(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    MmrigKeeperState *state = job->state;
    GError *error = NULL;

    if (g_hash_table_size(state->questions) >= QUESTIONS_MAX) {
        keeper_refuse(task, "too many requests wait for the guest");
        return;
    }
    job->question = ++state->next_question;
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, job->question);
    g_autofree char *pid = g_strdup_printf("%" G_GUINT64_FORMAT, job->inject.pid);
    g_autofree char *vaddr = g_strdup_printf("%" G_GUINT64_FORMAT, job->inject.vaddr);
    const char *const words[] = {"translate", number, pid, vaddr, NULL};
    g_hash_table_insert(state->questions, &job->question, task);
    job->timer = g_timeout_add(GUEST_PATIENCE, on_silence, task);
    if (!mmrig_channel_send(state->kept.channel, words, &error)) {
        forget_question(job);
        keeper_fail(task, error);
    }
}

void mmrig_keeper_drop_questions(MmrigKeeperState *state)
{
    g_autoptr(GList) tasks = g_hash_table_get_values(state->questions);

    for (GList *at = tasks; at; at = at->next) {
        forget_question(g_task_get_task_data(at->data));
        keeper_fail(at->data,
                    g_error_new(MMRIG_ERROR, MMRIG_ERROR_GUEST, "the machine is gone"));
    }
}

void mmrig_keeper_guest_answered(MmrigKeeperState *state, const MmrigGuestMessage *message)
{
    guint64 number = message->number;
    GTask *task = g_hash_table_lookup(state->questions, &number);

    if (!task)
        return;
    Job *job = g_task_get_task_data(task);
    forget_question(job);
    if (message->translated.problem) {
        keeper_refuse(task,
                      "process %" G_GUINT64_FORMAT ", address 0x%" G_GINT64_MODIFIER "x: %s",
                      job->inject.pid, job->inject.vaddr, message->translated.problem);
        return;
    }
    /* QEMU judges the address. Only one that JSON's numbers cannot hold is refused here. */
    if (message->translated.address > (guint64)G_MAXINT64) {
        keeper_refuse(task, "the guest's agent told an address that cannot be");
        return;
    }
    job->gpa = message->translated.address;
    at_address(task);
}

static const MmrigDevice *find_device(const MmrigMachineSpec *spec,
                                      const MmrigDeviceClass *class, const char *id,
                                      guint *count)
{
    const MmrigDevice *found = NULL;

    *count = 0;
    for (guint i = 0; i < spec->devices->len; i++) {
        const MmrigDevice *device = g_ptr_array_index(spec->devices, i);
        if (device->class != class || (*id && strcmp(device->id, id) != 0))
            continue;
        found = found ? found : device;
        (*count)++;
    }
    return found;
}

/* An offset in a device: the one that was named, or the only one. */
static void at_offset(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    const MmrigMachineSpec *spec = job->state->kept.spec;
    gboolean pmem = job->inject.target == MMRIG_TARGET_PMEM;
    gboolean cxl = job->inject.target == MMRIG_TARGET_CXL;
    guint count;

    if (!pmem && !cxl) {
        if (mmrig_ram_address(spec, job->inject.offset, &job->gpa))
            at_address(task);
        else
            keeper_refuse(task, "--offset: the machine has %" G_GUINT64_FORMAT " MiB of memory",
                          spec->memory >> 20);
        return;
    }
    const MmrigDevice *device = find_device(
        spec, pmem ? &mmrig_device_nvdimm : &mmrig_device_cxl, job->inject.device, &count);
    if (!device) {
        keeper_refuse(task,
                      "%s: the machine has no %s %s; its scenario would have a section [%s ID]",
                      mmrig_target_name(job->inject.target), pmem ? "NVDIMM" : "CXL device",
                      job->inject.device, pmem ? "nvdimm" : "cxl");
        return;
    }
    /* QEMU would take any range, also one outside of the device, so it is checked here. */
    if (cxl &&
        (job->inject.offset % MMRIG_RAS_GRANULE || job->inject.length % MMRIG_RAS_GRANULE ||
         job->inject.offset >= mmrig_device_memory(device) ||
         job->inject.length > mmrig_device_memory(device) - job->inject.offset)) {
        keeper_refuse(task,
                      "cxl: %s has %" G_GUINT64_FORMAT " MiB, which is poisoned by %d bytes",
                      device->id, mmrig_device_memory(device) >> 20, MMRIG_RAS_GRANULE);
        return;
    }
    if (count > 1) {
        keeper_refuse(task, "%s: the machine has %u of them; say which, by --device ID",
                      mmrig_target_name(job->inject.target), count);
        return;
    }
    job->module = g_strdup(device->id);
    job->offset = job->inject.offset;
    if (cxl)
        do_cxl(task);
    else
        do_pmem(task);
}

static void find_place(GTask *task)
{
    Job *job = g_task_get_task_data(task);

    if (job->inject.has_pid) {
        ask_guest(task);
    } else if (job->inject.has_gpa) {
        job->gpa = job->inject.gpa;
        at_address(task);
    } else {
        at_offset(task);
    }
}

/* ---- Listing, and clearing everything ------------------------------------------------------
 */

static void list_pmem(GTask *task);

/* What was injected. QEMU does not tell what the guest has cleared since. */
static void list_cxl(GTask *task)
{
    Job *job = g_task_get_task_data(task);
    guint count;

    if (find_device(job->state->kept.spec, &mmrig_device_cxl, "", &count))
        json_object_set_array_member(job->result, "cxl", json_array_ref(job->state->cxl));
    keeper_done(task);
}

static void on_listed_dram(GTask *task, JsonNode *answer)
{
    Job *job = g_task_get_task_data(task);

    json_object_set_member(job->result, "dram", json_node_copy(answer));
    list_pmem(task);
}

/* mmrig-nvdimm's lines "ID OFFSET LENGTH known|unknown" as objects. */
static void on_listed_pmem(GTask *task, JsonNode *answer)
{
    Job *job = g_task_get_task_data(task);
    g_auto(GStrv) lines = g_strsplit(answer_text(answer), "\n", -1);
    JsonArray *array = json_array_new();

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 5);
        if (g_strv_length(words) < 4)
            continue;
        JsonObject *entry = json_object_new();
        json_object_set_string_member(entry, "device", words[0]);
        json_object_set_int_member(entry, "offset", g_ascii_strtoll(words[1], NULL, 0));
        json_object_set_int_member(entry, "length", g_ascii_strtoll(words[2], NULL, 0));
        json_object_set_string_member(entry, "state", words[3]);
        json_array_add_object_element(array, entry);
    }
    json_object_set_array_member(job->result, "pmem", array);
    list_cxl(task);
}

static void list_pmem(GTask *task)
{
    const Job *job = g_task_get_task_data(task);
    const MmrigDevice *nvdimm = mmrig_spec_pack_device(job->state->kept.spec, "mmrig-nvdimm");

    if (nvdimm)
        ask_property(task, nvdimm->id, "errors", NULL, on_listed_pmem);
    else
        list_cxl(task);
}

static void keeper_list(GTask *task)
{
    const Job *job = g_task_get_task_data(task);
    const MmrigMachineSpec *spec = job->state->kept.spec;
    const MmrigDevice *ras = mmrig_spec_pack_device(spec, "mmrig-ras");
    guint count;

    if (ras)
        ask_property(task, ras->id, "poison", NULL, on_listed_dram);
    else if (mmrig_spec_pack_device(spec, "mmrig-nvdimm") ||
             find_device(spec, &mmrig_device_cxl, "", &count))
        list_pmem(task);
    else
        keeper_need(task, "mmrig-ras", "list");
}

static void clear_all_pmem(GTask *task, JsonNode *answer G_GNUC_UNUSED)
{
    const Job *job = g_task_get_task_data(task);
    const MmrigDevice *nvdimm = mmrig_spec_pack_device(job->state->kept.spec, "mmrig-nvdimm");

    if (nvdimm && job->inject.target != MMRIG_TARGET_DRAM)
        ask_property(task, nvdimm->id, "clear", "all", on_set);
    else if (job->inject.target == MMRIG_TARGET_PMEM)
        keeper_need(task, "mmrig-nvdimm", "pmem");
    else
        keeper_done(task);
}

static void clear_all(GTask *task)
{
    const Job *job = g_task_get_task_data(task);
    const MmrigMachineSpec *spec = job->state->kept.spec;
    const MmrigDevice *ras = mmrig_spec_pack_device(spec, "mmrig-ras");

    /* mmrig-ras clears its own poison first; then each device clears its own. */
    if (ras && job->inject.target != MMRIG_TARGET_PMEM)
        ask_property(task, ras->id, "clear", "gpa=0,len=0xffffffffffffffff", clear_all_pmem);
    else if (job->inject.target == MMRIG_TARGET_DRAM ||
             !mmrig_spec_pack_device(spec, "mmrig-nvdimm"))
        keeper_need(task, "mmrig-ras", "clear");
    else
        clear_all_pmem(task, NULL);
}

/* ---- The whole --------------------------------------------------------------------------- */

void mmrig_keeper_perform_async(MmrigKeeperState *state, const char *const *words,
                                GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Job *job = g_new0(Job, 1);
    GError *error = NULL;

    g_task_set_source_tag(task, mmrig_keeper_perform_async);
    g_task_set_task_data(task, job, job_free);
    job->state = state;
    job->result = json_object_new();
    if (!mmrig_inject_parse(words, &job->inject, &error)) {
        keeper_fail(task, error);
        return;
    }
    if (job->inject.verb == MMRIG_INJECT_LIST) {
        keeper_list(task);
        return;
    }
    if (job->inject.target != MMRIG_TARGET_ANY)
        json_object_set_string_member(job->result, "target",
                                      mmrig_target_name(job->inject.target));
    if (job->inject.kind)
        json_object_set_string_member(job->result, "kind", job->inject.kind->name);
    if (job->inject.has_gpa || job->inject.has_offset || job->inject.has_pid)
        find_place(task);
    else
        clear_all(task);
}

JsonNode *mmrig_keeper_perform_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
