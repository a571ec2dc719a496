/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "template-maker-private.h"

#include "base/error.h"
#include "guest/channel.h"
#include "template-state.h"
#include "vm/vm.h"

#define SAVE_TIMEOUT_S   60
#define ANSWER_TIMEOUT_S 30
/* Two periods of the kernel's slowest housekeeping right after a boot (RCU, work queues). */
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
    MmrigVm *vm;
    MmrigChannel *channel;
    ClockReading first, second;
    ClockReading *reading; /* that was asked for; NULL: none */
    gboolean ready, kept, told, saved, timed_out, race;
    char *trouble; /* why it cannot go on */
} Maker;

G_GNUC_PRINTF(2, 3)
static void maker_give_up(Maker *maker, const char *format, ...)
{
    va_list values;

    if (maker->trouble)
        return;
    va_start(values, format);
    maker->trouble = g_strdup_vprintf(format, values);
    va_end(values);
}

static void maker_on_message(const MmrigGuestMessage *message, gpointer data)
{
    Maker *maker = data;

    if (message->kind == MMRIG_GUEST_READY) {
        maker->ready = TRUE;
    } else if (message->kind == MMRIG_GUEST_KEPT) {
        maker->kept = TRUE;
    } else if (message->kind == MMRIG_GUEST_CLOCK && maker->reading) {
        maker->reading->after = g_get_monotonic_time();
        maker->reading->guest = (double)message->clock_ns / 1000;
        maker->reading = NULL;
        maker->told = TRUE;
    } else if (message->kind == MMRIG_GUEST_FAIL) {
        maker_give_up(maker, "the agent could not go on: %s", message->fail);
    }
}

static void maker_on_closed(const GError *error, gpointer data)
{
    if (error)
        maker_give_up(data, "%s", error->message);
}

static const MmrigChannelCalls channel_calls = {maker_on_message, maker_on_closed};

static void maker_on_ended(MmrigVm *vm, gpointer data)
{
    Maker *maker = data;
    const char *panic = mmrig_vm_panic(vm);
    g_autofree char *obituary = mmrig_vm_obituary(vm);

    maker->race = mmrig_vm_died_of_race(vm);
    maker_give_up(maker, "%s%s", panic ? "the guest panicked: " : "", panic ? panic : obituary);
}

static void maker_on_event(MmrigQmp *qmp G_GNUC_UNUSED, const char *name, JsonObject *event,
                           Maker *maker)
{
    if (strcmp(name, "MIGRATION") != 0)
        return;
    const char *status = json_object_get_string_member_with_default(event, "status", "");
    if (strcmp(status, "completed") == 0)
        maker->saved = TRUE;
    else if (strcmp(status, "failed") == 0)
        maker_give_up(maker, "QEMU could not save the machine");
}

static gboolean on_timeout(gpointer data)
{
    Maker *maker = data;

    maker->timed_out = TRUE;
    maker_give_up(maker, "it took too long");
    return G_SOURCE_CONTINUE;
}

/* Until *what holds; FALSE with error if it will not. */
static gboolean maker_wait_for(Maker *maker, const gboolean *what, guint seconds,
                               GError **error)
{
    guint timer = g_timeout_add_seconds(seconds, on_timeout, maker);

    while (!*what && !maker->trouble)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    if (!maker->trouble)
        return TRUE;
    g_set_error(error, MMRIG_ERROR,
                maker->race        ? MMRIG_ERROR_QEMU_RACE
                : maker->timed_out ? MMRIG_ERROR_TIMEOUT
                                   : MMRIG_ERROR_GUEST,
                "no template: %s", maker->trouble);
    return FALSE;
}

static gboolean on_settled(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Lets the guest end what it does behind its agent's back, or each fork would have to. */
static gboolean maker_settle(Maker *maker, guint ms, GError **error)
{
    gboolean settled = FALSE;

    g_timeout_add(ms, on_settled, &settled);
    /* The timer's source is gone before settled is, even if the guest is not there any more. */
    while (!settled)
        g_main_context_iteration(NULL, TRUE);
    return maker_wait_for(maker, &settled, 1, error);
}

static gboolean maker_tell(Maker *maker, const char *const *words, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (mmrig_channel_send(maker->channel, words, &cause))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST, "no template: %s", cause->message);
    return FALSE;
}

static gboolean read_clock(Maker *maker, ClockReading *reading, GError **error)
{
    maker->told = FALSE;
    maker->reading = reading;
    reading->before = g_get_monotonic_time();
    return maker_tell(maker, (const char *const[]){"clock", "1", NULL}, error) &&
           maker_wait_for(maker, &maker->told, ANSWER_TIMEOUT_S, error);
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

static gboolean maker_save(Maker *maker, const MmrigPlan *machine, GError **error)
{
    MmrigQmp *qmp = mmrig_vm_qmp(maker->vm);
    g_autofree char *uri = mmrig_template_uri(machine);
    JsonObject *target = json_object_new();

    json_object_set_string_member(target, "uri", uri);
    gulong handler = g_signal_connect(qmp, "event", G_CALLBACK(maker_on_event), maker);
    gboolean saved =
        maker_command(qmp, "stop", NULL, error) &&
        maker_command(qmp, "migrate-set-capabilities", mmrig_template_capabilities(), error) &&
        maker_command(qmp, "migrate", json_object_ref(target), error) &&
        maker_wait_for(maker, &maker->saved, SAVE_TIMEOUT_S, error);
    g_signal_handler_disconnect(qmp, handler);
    json_object_unref(target);
    return saved;
}

/* From the start of QEMU to the saved state. */
static gboolean maker_make(Maker *maker, const MmrigPlan *machine, const char *const *words,
                           GError **error)
{
    /* First the guest: if QEMU dies early, its own words say more than QMP's end. */
    return maker_wait_for(maker, &maker->ready, MMRIG_BOOT_TIMEOUT, error) &&
           read_clock(maker, &maker->first, error) && maker_tell(maker, words, error) &&
           maker_wait_for(maker, &maker->kept, MMRIG_BOOT_TIMEOUT, error) &&
           mmrig_qmp_connect(mmrig_vm_qmp(maker->vm), MMRIG_QMP_TIMEOUT, error) &&
           maker_settle(maker, SETTLE_MS, error) && read_clock(maker, &maker->second, error) &&
           check_clock(maker, error) && maker_settle(maker, SETTLE_AGAIN_MS, error) &&
           maker_save(maker, machine, error);
}

gboolean mmrig_template_boot(const MmrigPlan *machine, const GArray *files,
                             const MmrigScenario *scenario, const char *nonce, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    Maker maker = {0};
    int ktap = -1;
    gboolean saved = FALSE;

    g_ptr_array_add(words, (gpointer) "template");
    g_ptr_array_add(words, (gpointer)nonce);
    mmrig_scenario_test_words(scenario, 0, words);
    maker.vm = mmrig_vm_start(machine, files, NULL, maker_on_ended, &maker, error);
    if (!maker.vm)
        return FALSE;
    /* Held open so that the port is connected, as it will be in the forks. */
    ktap = mmrig_vm_take_ktap(maker.vm);
    maker.channel =
        mmrig_channel_new(mmrig_vm_take_control(maker.vm), &channel_calls, &maker, error);
    if (maker.channel)
        saved = maker_make(&maker, machine, (const char *const *)words->pdata, error);
    mmrig_channel_free(maker.channel);
    mmrig_vm_free(maker.vm);
    close(ktap);
    g_free(maker.trouble);
    return saved;
}
