/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * That /dev/kvm can be opened proves nothing: a nested or broken KVM fails only once a guest
 * runs. So a guest is booted, on the machine that the scenarios get, and what counts is that
 * its agent says "ready".
 */
#include "kvm.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "backing.h"
#include "base/error.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/store.h"
#include "instance.h"

/* Changes with what is proved or how the answer is written. */
#define PURPOSE  "kvm-proof 3"
#define MEMORY   (G_GUINT64_CONSTANT(512) << 20)
#define WORKS    "works"
#define BROKEN   "broken"
#define UNPROVEN "unproven"
#define QMP_MS   10000
#define NAME     "kvm-proof"

/* --- the guest --- */

typedef struct {
    MmrigInstance *instance;
    gboolean settled;
    MmrigKvmState state;
    char *reason;
    gboolean late; /* the guest did not get ready in time, and that is all */
} Proof;

/* Keeps the first answer and passes over later ones. Takes reason. */
static void kvm_settle(Proof *proof, MmrigKvmState state, char *reason)
{
    if (proof->settled) {
        g_free(reason);
        return;
    }
    proof->settled = TRUE;
    proof->state = state;
    proof->reason = reason;
}

static void kvm_on_ready(MmrigInstance *instance G_GNUC_UNUSED,
                         const char *boot_id G_GNUC_UNUSED, gpointer data)
{
    kvm_settle(data, MMRIG_KVM_WORKS, NULL);
}

static void kvm_on_ended(MmrigInstance *instance, gpointer data)
{
    const MmrigInstanceEvidence *seen = mmrig_instance_evidence(instance);
    g_autoptr(GError) failure = mmrig_instance_failure(instance);

    Proof *proof = data;

    /*
     * A guest that was ready and died afterwards has proved KVM. A guest that breaks the
     * protocol proves nothing about it, nor does a host that is busy or kills for want of
     * memory.
     */
    if (seen->agent_ready)
        kvm_settle(data, MMRIG_KVM_WORKS, NULL);
    else if (seen->agent_failure)
        kvm_settle(
            data, MMRIG_KVM_UNPROVEN,
            g_strdup_printf("the guest that was to prove it failed: %s", seen->agent_failure));
    else if (g_error_matches(failure, MMRIG_ERROR, MMRIG_ERROR_RIG) ||
             g_error_matches(failure, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT)) {
        proof->late =
            !proof->settled && g_error_matches(failure, MMRIG_ERROR, MMRIG_ERROR_TIMEOUT);
        kvm_settle(data, MMRIG_KVM_UNPROVEN, g_strdup(failure->message));
    } else
        kvm_settle(data, MMRIG_KVM_BROKEN, g_strdup(failure->message));
}

static void kvm_stopped(Proof *proof, const char *status)
{
    kvm_settle(proof, MMRIG_KVM_BROKEN,
               g_strdup_printf("QEMU stopped the guest in the middle (%s)", status));
}

/* KVM's internal errors stop the guest (QEMU accel/kvm/kvm-all.c) and nothing else. */
static void kvm_on_event(MmrigInstance *instance G_GNUC_UNUSED, const char *name,
                         JsonObject *event G_GNUC_UNUSED, gpointer data)
{
    if (strcmp(name, "STOP") == 0)
        kvm_stopped(data, "internal error");
}

static void on_status(GObject *source, GAsyncResult *result, gpointer data)
{
    Proof *proof = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = mmrig_qmp_execute_finish(MMRIG_QMP(source), result, &error);

    /* If the connection is lost, QEMU is ending, and kvm_on_ended() will be called. */
    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return;
    JsonNode *status = json_object_get_member(json_node_get_object(node), "status");
    if (status && json_node_get_value_type(status) == G_TYPE_STRING &&
        strcmp(json_node_get_string(status), "internal-error") == 0)
        kvm_stopped(proof, json_node_get_string(status));
}

/* The guest may have stopped before QMP was connected, which would have told of it. */
static void kvm_on_connected(MmrigInstance *instance, gpointer data)
{
    mmrig_qmp_execute_async(mmrig_instance_qmp(instance), "query-status", NULL, QMP_MS,
                            mmrig_instance_over(instance), on_status, data);
}

static gboolean kvm_boot(Proof *proof, const MmrigBootInputs *inputs, guint seconds,
                         GError **error)
{
    static const MmrigInstanceCalls calls = {
        .connected = kvm_on_connected,
        .ready = kvm_on_ready,
        .event = kvm_on_event,
        .ended = kvm_on_ended,
    };
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    const MmrigMachineSpec spec = {.title = (char *)NAME,
                                   .arch = mmrig_arch_default(),
                                   .cpus = 1,
                                   .memory = MEMORY,
                                   .devices = devices};
    g_autoptr(MmrigPlan) plan = mmrig_plan_make(&spec, inputs, error);
    g_autoptr(GArray) backings = plan ? mmrig_backings_new(plan, NULL, error) : NULL;

    if (!backings)
        return FALSE;
    const MmrigInstanceOptions start = {
        .plan = plan, .backings = backings, .kind = inputs->kind, .boot_timeout = seconds};
    proof->instance = mmrig_instance_start(&start, &calls, proof, error);
    return proof->instance != NULL;
}

static MmrigKvmState boot_and_wait(const MmrigBootInputs *inputs, guint seconds, char **reason,
                                   gboolean *late)
{
    Proof proof = {0};
    g_autoptr(GError) error = NULL;

    if (!kvm_boot(&proof, inputs, seconds, &error))
        kvm_settle(&proof, MMRIG_KVM_UNPROVEN, g_strdup(error->message));
    while (!proof.settled)
        g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&proof.instance, mmrig_instance_free);
    /* proof is on the stack: nothing may call back with it after this. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    *reason = proof.reason;
    *late = proof.late;
    return proof.state;
}

/* --- the kept answer --- */

/*
 * A device node that was made anew, as by loading the module again, is asked anew. The guest's
 * image is no part of it: a run of many scenarios has many images, and on a host whose KVM
 * hangs each would wait for its own doubt.
 */
static char *kvm_entry_name(const MmrigQemu *qemu, const char *device, const char *kernel)
{
    g_autoptr(MmrigKey) key = mmrig_key_new(PURPOSE);
    g_autofree char *boot_id = NULL, *number = NULL;
    struct utsname host;
    struct stat status;

    if (!mmrig_key_add_stat(key, qemu->path, NULL) || !mmrig_key_add_stat(key, kernel, NULL) ||
        !mmrig_key_add_stat(key, device, NULL) || stat(device, &status) != 0 ||
        uname(&host) != 0 ||
        !g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot_id, NULL, NULL))
        return NULL;
    number = g_strdup_printf("%u:%u", major(status.st_rdev), minor(status.st_rdev));
    mmrig_key_add(key, number);
    /* What path names may be a wrapper, whose file says nothing of the QEMU that it starts. */
    mmrig_key_add(key, qemu->id);
    mmrig_key_add(key, host.release);
    mmrig_key_add(key, boot_id);
    return g_strdup(mmrig_key_digest(key));
}

/*
 * An answer as it is kept: a line with the state, one with how many times in a row, then the
 * reason.
 */
typedef struct {
    MmrigKvmState state;
    guint times;
    char *reason; /* NULL for what works */
} KvmAnswer;

static void kvm_answer_clear(KvmAnswer *answer)
{
    g_clear_pointer(&answer->reason, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KvmAnswer, kvm_answer_clear)

static gboolean kvm_answer_read(const char *entry, KvmAnswer *answer)
{
    static const struct {
        const char *word;
        MmrigKvmState state;
    } words[] = {
        {WORKS, MMRIG_KVM_WORKS}, {BROKEN, MMRIG_KVM_BROKEN}, {UNPROVEN, MMRIG_KVM_UNPROVEN}};
    g_autofree char *text = NULL;
    guint64 times = 0;

    if (!g_file_get_contents(entry, &text, NULL, NULL))
        return FALSE;
    g_auto(GStrv) lines = g_strsplit(text, "\n", 3);
    if (g_strv_length(lines) != 3 ||
        !g_ascii_string_to_unsigned(lines[1], 10, 1, G_MAXUINT, &times, NULL))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(lines[0], words[i].word) != 0)
            continue;
        answer->state = words[i].state;
        answer->times = (guint)times;
        answer->reason =
            answer->state == MMRIG_KVM_WORKS ? NULL : g_strchomp(g_strdup(lines[2]));
        return TRUE;
    }
    return FALSE;
}

/*
 * Whether the answer still counts. A doubt lasts twice as long each time; one from the future
 * does not count.
 */
static gboolean kvm_answer_counts(const KvmAnswer *answer, const char *entry)
{
    guint doublings = MIN(answer->times - 1, MMRIG_KVM_DOUBT_DOUBLINGS);
    struct stat status;
    time_t now = time(NULL);

    if (answer->state == MMRIG_KVM_WORKS)
        return TRUE;
    return stat(entry, &status) == 0 && status.st_mtime <= now &&
           now - status.st_mtime < (time_t)MMRIG_KVM_DOUBT_SECONDS << doublings;
}

static gboolean write_text(int fd, gpointer data, GError **error)
{
    const char *text = data;
    gsize size = strlen(text);

    if (mmrig_io_write_all(fd, text, size))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write: %s", g_strerror(errno));
    return FALSE;
}

static void kvm_keep(const char *folder, const char *name, MmrigKvmState state, guint times,
                     const char *reason)
{
    g_auto(KvmAnswer) there = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = g_strdup_printf("%s\n%u\n%s\n",
                                            state == MMRIG_KVM_WORKS    ? WORKS
                                            : state == MMRIG_KVM_BROKEN ? BROKEN
                                                                        : UNPROVEN,
                                            times, reason ? reason : "");

    /* Another run may have proved meanwhile what this one was too late for. */
    if (state != MMRIG_KVM_WORKS && kvm_answer_read(path, &there) &&
        there.state == MMRIG_KVM_WORKS)
        return;
    /* The store keeps an entry that is there, so the old or damaged one is removed first. */
    unlink(path);
    g_autofree char *entry = mmrig_store_file(folder, name, write_text, text, &error);

    /* The answer is good even if it could not be kept; the next run then asks again. */
    if (!entry)
        g_debug("%s", error->message);
}

/* --- the question --- */

static MmrigKvmState kvm_prove(const MmrigQemu *qemu, const char *device, const char *kernel,
                               const char *initrd, guint seconds, char **reason)
{
    const MmrigBootInputs inputs = {.qemu = qemu->path,
                                    .qmp_object =
                                        g_hash_table_contains(qemu->types, MMRIG_QMP_TYPE),
                                    .accel = MMRIG_ACCEL_KVM,
                                    .kernel = kernel,
                                    .initrd = initrd};
    g_autofree char *folder = NULL, *name = NULL, *entry = NULL;
    g_auto(KvmAnswer) kept = {0};
    MmrigKvmState state;
    gboolean late;

    if (!qemu->kvm_built) {
        *reason = g_strdup_printf("%s is built without KVM", qemu->path);
        return MMRIG_KVM_ABSENT;
    }
    if (access(device, R_OK | W_OK) != 0) {
        *reason = g_strdup_printf("%s: %s", device, g_strerror(errno));
        return MMRIG_KVM_ABSENT;
    }
    if (!kernel || !initrd) {
        *reason = g_strdup("no guest kernel is in the cache to try it with");
        return MMRIG_KVM_UNPROVEN;
    }
    folder = mmrig_path_cache("kvm", NULL);
    name = kvm_entry_name(qemu, device, kernel);
    entry = folder && name ? g_build_filename(folder, name, NULL) : NULL;
    if (entry && kvm_answer_read(entry, &kept) && kvm_answer_counts(&kept, entry)) {
        *reason = g_steal_pointer(&kept.reason);
        return kept.state;
    }
    state = boot_and_wait(&inputs, seconds, reason, &late);
    /* That a guest was late proves nothing, but the next run need not wait for it as well. */
    if (entry && (state != MMRIG_KVM_UNPROVEN || late))
        kvm_keep(folder, name, state, kept.times + (kept.times < G_MAXUINT), *reason);
    return state;
}

MmrigKvmState mmrig_kvm_prove(const MmrigQemu *qemu, const char *device, const char *kernel,
                              const char *initrd, guint seconds, char **reason)
{
    g_autofree char *why = NULL;
    MmrigKvmState state = kvm_prove(qemu, device, kernel, initrd, seconds, &why);

    if (reason)
        *reason = g_steal_pointer(&why);
    return state;
}

MmrigKvmState mmrig_kvm_state(const MmrigQemu *qemu, const char *kernel, const char *initrd,
                              char **reason)
{
    return mmrig_kvm_prove(qemu, MMRIG_KVM_DEVICE, kernel, initrd, MMRIG_KVM_SECONDS, reason);
}
