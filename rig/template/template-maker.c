/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-maker-private.h"

#include "base/error.h"
#include "template-state.h"
#include "vm/instance.h"

#define SAVE_TIMEOUT_S   60
#define ANSWER_TIMEOUT_S 30
/* Two periods of what the kernel does slowest right after a boot (RCU, work queues). */
#define SETTLE_MS 300
/* And what it takes to have answered a question. */
#define SETTLE_AGAIN_MS 50

/*
 * How far the guest's clock may be off the host's. A kernel that measures its TSC while the
 * host is too busy gets a frequency that is far off, or a plausible one by luck; what is right
 * is right to a thousandth.
 */
#define CLOCK_TOLERANCE 0.02

/* What the guest's clock was at a moment between two of ours, in microseconds. */
typedef struct {
    gint64 before, after;
    double guest;
} ClockReading;

typedef struct {
    MmrigInstance *instance;
    ClockReading first, second;
    ClockReading *reading; /* that was asked for; NULL: none */
    gboolean ready, kept, told, saved;
} Maker;

static void maker_on_ready(MmrigInstance *instance G_GNUC_UNUSED,
                           const char *boot_id G_GNUC_UNUSED, gpointer data)
{
    Maker *maker = data;

    maker->ready = TRUE;
}

static void maker_on_message(MmrigInstance *instance G_GNUC_UNUSED,
                             const MmrigGuestMessage *message, gpointer data)
{
    Maker *maker = data;

    if (message->kind == MMRIG_GUEST_KEPT) {
        maker->kept = TRUE;
    } else if (message->kind == MMRIG_GUEST_CLOCK && maker->reading) {
        maker->reading->after = g_get_monotonic_time();
        maker->reading->guest = (double)message->clock_ns / 1000;
        maker->reading = NULL;
        maker->told = TRUE;
    }
}

static void maker_on_event(MmrigInstance *instance, const char *name, JsonObject *event,
                           gpointer data)
{
    Maker *maker = data;

    if (strcmp(name, "MIGRATION") != 0)
        return;
    const char *status = mmrig_qmp_member_string(event, "status");
    if (g_strcmp0(status, "completed") == 0) {
        maker->saved = TRUE;
    } else if (g_strcmp0(status, "failed") == 0) {
        g_autoptr(GError) error = g_error_new_literal(MMRIG_ERROR, MMRIG_ERROR_RIG,
                                                      "QEMU could not save the machine");
        mmrig_instance_blame_rig(instance, error);
    }
}

/* Until *what holds, for so many seconds; FALSE with error if it will not. */
static gboolean maker_wait_for(Maker *maker, const gboolean *what, guint seconds,
                               const char *limit, GError **error)
{
    g_autoptr(GError) cause = NULL;

    mmrig_instance_limit(maker->instance, seconds, "%s within %u s", limit, seconds);
    if (mmrig_instance_wait(maker->instance, what, &cause)) {
        mmrig_instance_limit(maker->instance, 0, "none");
        return TRUE;
    }
    g_set_error(error, MMRIG_ERROR, cause->code, "no template: %s", cause->message);
    return FALSE;
}

static gboolean on_settled(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Lets the guest end what it does besides its agent, so that no fork has to do it. */
static void maker_settle(guint ms)
{
    gboolean settled = FALSE;

    g_timeout_add(ms, on_settled, &settled);
    while (!settled)
        g_main_context_iteration(NULL, TRUE);
}

static gboolean read_clock(Maker *maker, ClockReading *reading, GError **error)
{
    maker->told = FALSE;
    maker->reading = reading;
    reading->before = g_get_monotonic_time();
    mmrig_instance_send(maker->instance, (const char *const[]){"clock", "1", NULL});
    return maker_wait_for(maker, &maker->told, ANSWER_TIMEOUT_S,
                          "the agent did not tell the time", error);
}

/*
 * The forks would all have its clock. How much time went by between the two readings is known
 * up to how long the answers took, so that a clock that is right is never refused.
 */
static gboolean check_clock(const Maker *maker, GError **error)
{
    const ClockReading *first = &maker->first, *second = &maker->second;
    double guest = second->guest - first->guest;
    double least = (double)(second->before - first->after);
    double most = (double)(second->after - first->before);

    if (guest >= least * (1 - CLOCK_TOLERANCE) && guest <= most * (1 + CLOCK_TOLERANCE))
        return TRUE;
    g_set_error(
        error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
        "no template: the guest's clock goes at %.2f times the speed of the host's, which "
        "may have been too busy when it booted",
        guest / ((least + most) / 2));
    return FALSE;
}

static gboolean maker_command(MmrigQmp *qmp, const char *name, JsonObject *arguments,
                              GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(JsonNode) reply =
        mmrig_qmp_execute(qmp, name, arguments, MMRIG_QMP_TIMEOUT, &cause);

    if (reply)
        return TRUE;
    g_set_error(error, MMRIG_ERROR,
                g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_QEMU) ? MMRIG_ERROR_UNMET
                                                                      : MMRIG_ERROR_RIG,
                "no template: QEMU's %s: %s", name, cause->message);
    return FALSE;
}

static gboolean maker_save(Maker *maker, const MmrigPlan *plan, GError **error)
{
    MmrigQmp *qmp = mmrig_instance_qmp(maker->instance);
    g_autofree char *uri = mmrig_template_uri(plan);
    g_autoptr(JsonObject) target = json_object_new();

    json_object_set_string_member(target, "uri", uri);
    return maker_command(qmp, "stop", NULL, error) &&
           maker_command(qmp, "migrate-set-capabilities", mmrig_template_capabilities(),
                         error) &&
           maker_command(qmp, "migrate", json_object_ref(target), error) &&
           maker_wait_for(maker, &maker->saved, SAVE_TIMEOUT_S, "QEMU did not save the machine",
                          error);
}

/* From the agent's being ready to the saved state. */
static gboolean maker_make(Maker *maker, const MmrigPlan *plan, const char *const *words,
                           GError **error)
{
    if (!read_clock(maker, &maker->first, error))
        return FALSE;
    mmrig_instance_send(maker->instance, words);
    if (!maker_wait_for(maker, &maker->kept, MMRIG_BOOT_TIMEOUT,
                        "the agent did not hold the test", error))
        return FALSE;
    maker_settle(SETTLE_MS);
    if (!read_clock(maker, &maker->second, error) || !check_clock(maker, error))
        return FALSE;
    maker_settle(SETTLE_AGAIN_MS);
    return maker_save(maker, plan, error);
}

/*
 * Until the agent is ready. A kernel that says nothing would say nothing in the next boot
 * either; so that nobody waits for it twice, this is told as the end of any boot, and not as a
 * want of the template's.
 */
static gboolean maker_wait_for_ready(Maker *maker, guint seconds, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (maker_wait_for(maker, &maker->ready, seconds, "the guest was not ready", &cause))
        return TRUE;
    const MmrigInstanceEvidence *seen = mmrig_instance_evidence(maker->instance);
    if (g_error_matches(cause, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT) && seen->silent)
        g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_SILENT, seen->time_limit);
    else
        g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

gboolean mmrig_template_boot(const MmrigPlan *machine, const GArray *files,
                             const MmrigForkable *what, const char *nonce, GError **error)
{
    static const MmrigInstanceCalls calls = {
        .ready = maker_on_ready, .message = maker_on_message, .event = maker_on_event};
    const MmrigInstanceOptions start = {
        .plan = machine, .backings = files, .kind = MMRIG_START_TEMPLATE};
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    Maker maker = {0};

    g_ptr_array_add(words, (gpointer) "template");
    g_ptr_array_add(words, (gpointer)nonce);
    for (const char *const *word = what->words; *word; word++)
        g_ptr_array_add(words, (gpointer)*word);
    g_ptr_array_add(words, NULL);
    maker.instance = mmrig_instance_start(&start, &calls, &maker, error);
    if (!maker.instance)
        return FALSE;
    guint limit = what->boot_timeout ? what->boot_timeout : MMRIG_BOOT_TIMEOUT;
    gboolean saved = maker_wait_for_ready(&maker, limit, error) &&
                     maker_make(&maker, machine, (const char *const *)words->pdata, error);
    mmrig_instance_free(maker.instance);
    return saved;
}
