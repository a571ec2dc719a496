/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest test may ask of the rig: a table of verbs. The scenario lists the verbs that
 * its test may use ([test] requests); every argument comes from a guest and is checked.
 *
 *   mce-inject gpa=ADDR kind=srao|srar|fatal [cpu=N]   a machine check on one CPU
 *   ras-inject kind=KIND gpa=ADDR [len=N] [cpu=N] [poison=on|off] [broadcast=on|off] [count=N]
 *   ras-clear gpa=ADDR [len=N] [source=ras|all]
 *   ras-count of=COUNTER                               reply: count=N
 *   ras-last of=consumed                               reply: access=, gpa=, size=, cpu=, or
 *                                                      nothing; the four ask mmrig-ras
 *                                                      (docs/devices/ras.md)
 *   pmem-inject id=ID offset=N length=N [notify=0|1]   a media error in an NVDIMM
 *   pmem-clear id=ID offset=N length=N
 *   pmem-count of=COUNTER                              reply: count=N; the three ask
 *                                                      mmrig-nvdimm (docs/devices/nvdimm.md)
 *   mirror-spoil gpa=ADDR len=N                        the second copy of mirrored memory
 *   balloon-set bytes=N                                the guest's memory, as by QMP balloon
 *   balloon-query                                      reply: actual=BYTES
 *   virtio-mem-set id=ID requested=BYTES
 *   virtio-mem-query id=ID                             reply: requested=, plugged=, block=,
 *                                                      max= (bytes)
 *   cxl-poison id=ID dpa=ADDR [len=N]                  on the device's list of poison
 *   cxl-event id=ID log=LOG dpa=ADDR                   a general media event in a device's log:
 *                                                      informational, warning, failure, fatal
 *   meet name=POINT [value=TEXT]                       waits for the tests of all machines;
 *                                                      reply: MACHINE=TEXT of each other one
 *   host-rss                                           reply: rss=BYTES of the QEMU process
 */
#pragma once

#include "arch/arch.h"
#include "machine/spec.h"
#include "qmp/qmp.h"

/* What the rig does wrong on purpose in requests; all empty: nothing. */
typedef struct {
    char *drop;         /* this request is answered "ok" and not carried out, or NULL */
    char *shift;        /* in this request every address is moved, or NULL */
    gint64 shift_bytes; /* by this much */
} MmrigActionFault;

typedef struct {
    MmrigQmp *qmp;
    pid_t pid; /* QEMU's */
    const MmrigMachineSpec *spec;
    const MmrigActionFault *fault;
} MmrigActionContext;

/*
 * Carries out one request. args are KEY=VALUE strings from the guest, NULL-terminated. The
 * finish function returns the KEY=VALUE strings of the reply (maybe none; free with
 * g_strfreev()), or NULL with an error whose message goes to the guest.
 */
void mmrig_action_perform_async(const MmrigActionContext *context, const char *verb,
                                const char *const *args, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data);
GStrv mmrig_action_perform_finish(GAsyncResult *result, GError **error);

/* For checking scenarios: whether there is such a verb, */
gboolean mmrig_action_exists(const char *verb);
/* Whether there is such a verb, and machines of that architecture have what it acts on. */
gboolean mmrig_action_exists_on(const MmrigArch *arch, const char *verb);
/* the one nearest to a misspelt one, or NULL, */
const char *mmrig_action_nearest(const char *verb);
/* whether it takes an address, which a fault can shift, */
gboolean mmrig_action_has_address(const char *verb);
/* and whether it is about several machines; such a one is carried out by who has them all. */
gboolean mmrig_action_joins_machines(const char *verb);
/*
 * For who carries it out: the values of the request's arguments by their keys, all of which the
 * verb takes. GUEST error. There must be such a verb.
 */
GHashTable *mmrig_action_arguments(const char *verb, const char *const *args, GError **error);
/* The QMP commands the verb needs, NULL-terminated; NULL if there is no such verb. */
const char *const *mmrig_action_commands(const char *verb);
