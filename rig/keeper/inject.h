/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `mmrig inject` asks of a machine that is kept: as a line of words between the command
 * and the process that keeps the machine, and as the QMP commands that come of it. Pure.
 *
 *   inject TARGET [KEY=VALUE...]    list    clear [TARGET] [KEY=VALUE...]
 */
#pragma once

#include <glib.h>

/* Bytes in a request, with its LF; and in an answer. */
#define MMRIG_INJECT_REQUEST_MAX 1024
#define MMRIG_INJECT_ANSWER_MAX  (4 * 1024 * 1024)

typedef enum {
    MMRIG_INJECT_INJECT,
    MMRIG_INJECT_LIST,
    MMRIG_INJECT_CLEAR,
} MmrigInjectVerb;

typedef enum {
    MMRIG_TARGET_ANY, /* clear only */
    MMRIG_TARGET_DRAM,
    MMRIG_TARGET_PMEM,
    MMRIG_TARGET_CXL,
    MMRIG_TARGET_MCE,
} MmrigTarget;

/* One kind of error, as --kind names it. */
typedef struct {
    const char *name;
    const char *ras;     /* what mmrig-ras calls it; NULL: mce only */
    gboolean mce;        /* the monitor's command can do it, too */
    const char *meaning; /* one sentence */
} MmrigInjectKind;

extern const MmrigInjectKind mmrig_inject_kinds[];
extern const gsize mmrig_inject_kinds_count;

typedef struct {
    MmrigInjectVerb verb;
    MmrigTarget target;
    const MmrigInjectKind *kind; /* inject dram or mce */
    gboolean has_gpa, has_offset, has_pid;
    guint64 gpa, offset, vaddr;
    guint64 pid;
    guint64 length; /* 0: not said */
    guint cpu, count;
    gboolean has_cpu, broadcast, notify;
    char device[33]; /* or empty */
} MmrigInject;

const char *mmrig_target_name(MmrigTarget target);

/*
 * Reads the words (NULL-terminated; without one in front for the machine). INPUT error for all
 * that is wrong whatever the machine.
 */
gboolean mmrig_inject_parse(const char *const *words, MmrigInject *inject, GError **error);

/*
 * The property to set of mmrig-ras, for dram: "gpa=...,len=...,kind=...". gpa is that of the
 * request, however it was given. Free with g_free().
 */
char *mmrig_inject_ras_text(const MmrigInject *inject, guint64 gpa);

/* The KEY=VALUE of the request "mce-inject" (actions.h), for mce. Free with g_strfreev(). */
GStrv mmrig_inject_mce_words(const MmrigInject *inject, guint64 gpa);

/*
 * mmrig-nvdimm's list of modules ("ID ADDRESS SIZE ..." a line): which has this address, and
 * where in it. FALSE with an INPUT error if none has.
 */
gboolean mmrig_inject_find_module(const char *modules, guint64 gpa, char **module,
                                  guint64 *offset, GError **error);
