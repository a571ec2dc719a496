/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of actions.c: how one verb is described. A verb turns checked arguments into at
 * most one QMP command, and QEMU's answer into the reply; both are plain functions, and only
 * actions.c talks to anybody.
 */
#pragma once

#include "actions.h"
#include "base/error.h"

#define MMRIG_ACTION_KEYS_MAX 8

/* A request: its arguments, known to be those that the verb takes. */
typedef struct {
    const char *verb;
    const MmrigMachineSpec *spec;
    GHashTable *values; /* key -> value */
} MmrigRequest;

/* A key that the verb takes. */
typedef struct {
    const char *key;
    gboolean optional;
    gboolean address; /* a number that a fault can shift */
} MmrigActionKey;

typedef struct {
    const char *verb;
    const char *const *commands;                /* what it needs of QMP */
    gboolean joins_machines;                    /* has none of what follows */
    MmrigActionKey keys[MMRIG_ACTION_KEYS_MAX]; /* up to the first without a key */

    /* Whether machines of the architecture have what it acts on; NULL: all have. */
    gboolean (*exists_on)(const MmrigArch *arch);

    /*
     * Checks the request against the machine and makes the arguments of the QMP
     * command, the first of commands; *arguments stays NULL if it takes none.
     */
    gboolean (*prepare)(const MmrigRequest *request, JsonObject **arguments, GError **error);

    /*
     * Turns what the command returned into the reply. NULL for a verb that replies with
     * nothing. A verb without commands gets a NULL answer.
     */
    GStrv (*reply)(const MmrigRequest *request, pid_t pid, JsonNode *answer, GError **error);
} MmrigAction;

extern const MmrigAction mmrig_action_mce_inject;
extern const MmrigAction mmrig_action_balloon_set;
extern const MmrigAction mmrig_action_balloon_query;
extern const MmrigAction mmrig_action_virtio_mem_set;
extern const MmrigAction mmrig_action_virtio_mem_query;
extern const MmrigAction mmrig_action_host_rss;
extern const MmrigAction mmrig_action_meet;
extern const MmrigAction mmrig_action_cxl_poison;
extern const MmrigAction mmrig_action_cxl_event;
extern const MmrigAction mmrig_action_mirror_spoil;
extern const MmrigAction mmrig_action_ras_inject;
extern const MmrigAction mmrig_action_ras_clear;
extern const MmrigAction mmrig_action_ras_count;
extern const MmrigAction mmrig_action_ras_last;
extern const MmrigAction mmrig_action_pmem_inject;
extern const MmrigAction mmrig_action_pmem_clear;
extern const MmrigAction mmrig_action_pmem_count;

/* The value of a key, or NULL where an optional one was not given. */
const char *mmrig_request_text(const MmrigRequest *request, const char *key);

/*
 * The value of a key as a number, decimal or 0x and hexadecimal, of min to max; number keeps
 * what it holds where an optional key was not given.
 */
gboolean mmrig_request_number(const MmrigRequest *request, const char *key, guint64 min,
                              guint64 max, guint64 *number, GError **error);

/* The device of this class and id (any id if NULL) of the machine, or NULL with error. */
const MmrigDevice *mmrig_request_device(const MmrigRequest *request,
                                        const MmrigDeviceClass *class, const char *id,
                                        GError **error);

/*
 * The arguments of qom-get, or with a value those of qom-set, for the machine's device of this
 * type of the pack. FALSE with error if it has none.
 */
gboolean mmrig_request_property(const MmrigRequest *request, const char *type,
                                const char *property, const char *value, JsonObject **arguments,
                                GError **error);

/* For a request whose answer is a property that counts: the reply "count=N". */
GStrv mmrig_reply_count(const MmrigRequest *request, pid_t pid, JsonNode *answer,
                        GError **error);

/* A member of what QEMU answered, which must be there and not be negative. */
gboolean mmrig_answer_number(JsonObject *object, const char *member, guint64 *number,
                             GError **error);
