/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict on one run of one scenario, and all that the reports say of it. */
#pragma once

#include <glib.h>

#include "base/error.h"
#include "ktap.h"

typedef enum {
    MMRIG_PASS,
    MMRIG_FAIL,
    MMRIG_SKIP,
    MMRIG_BROKEN, /* the rig could not tell */
} MmrigVerdict;

/* Why the verdict is what it is. */
typedef enum {
    MMRIG_CAUSE_NONE,         /* passed */
    MMRIG_CAUSE_ASSERTION,    /* the test said so */
    MMRIG_CAUSE_ABORT,        /* the test gave up, at a file and line */
    MMRIG_CAUSE_SIGNAL,       /* the test was killed by a signal */
    MMRIG_CAUSE_PANIC,        /* the guest kernel panicked */
    MMRIG_CAUSE_OOPS,         /* oops, BUG or WARNING in the guest's kernel log */
    MMRIG_CAUSE_NO_PANIC,     /* a panic was expected and did not come, or another one did */
    MMRIG_CAUSE_CHANNEL_LOST, /* the agent went away or broke the protocol */
    MMRIG_CAUSE_TIME_LIMIT,
    MMRIG_CAUSE_QEMU_DIED,
    MMRIG_CAUSE_NO_FAILURE, /* a twin passed: its scenario proves nothing */
    MMRIG_CAUSE_UNMET,      /* skip: host, QEMU or kernel lack something */
    MMRIG_CAUSE_TEST_SKIP,  /* skip: the test said so */
    MMRIG_CAUSE_RIG,        /* broken */
} MmrigCause;

const char *mmrig_verdict_name(MmrigVerdict verdict); /* "pass", ... */
const char *mmrig_cause_name(MmrigCause cause);       /* "assertion", "no-panic", ... */
/* FALSE if there is no such cause. */
gboolean mmrig_cause_from_name(const char *name, MmrigCause *cause);

/* A figure that the guest or the rig measured. */
typedef struct {
    char *name;
    double value;
    char *unit;
} MmrigMetric;

/* One of a series that the guest measured along the way. */
typedef struct {
    char *series;
    double x, y;
    char *x_unit, *y_unit;
} MmrigPoint;

/* What a test said in one boot of one machine. */
typedef struct {
    char *machine; /* its name; NULL if the scenario has only one */
    guint boot;    /* from 1; 0 if there was one boot only */
    MmrigKtap *ktap;
} MmrigBootKtap;

typedef struct {
    char *scenario;
    char *twin; /* NULL for the scenario itself */
    char *area;
    char *kernel; /* as the user named it */
    char *accel;
    gboolean forked;  /* from a template, not booted */
    char *boot_id;    /* as the agent said it last; NULL if it never was up */
    guint repeat;     /* from 1 */
    gboolean settled; /* the three below are final */
    MmrigVerdict verdict;
    MmrigCause cause;
    char *message;      /* one line; NULL if there is nothing to say */
    char *console_tail; /* last lines of the guest's console where they help, or NULL */
    GPtrArray *ktaps;   /* of MmrigBootKtap: one for each boot that ran a test */
    GPtrArray *metrics; /* of MmrigMetric */
    GPtrArray *points;  /* of MmrigPoint */
    gint64
        boot_us; /* from starting QEMU to agent-ready, of the first boot or fork; -1 if never */
    gint64 total_us; /* from starting QEMU to the verdict */
    char *folder;    /* where its files are, or NULL */
} MmrigResult;

MmrigResult *mmrig_result_new(void);
void mmrig_result_free(MmrigResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigResult, mmrig_result_free)

/*
 * Adds what a test said; takes ktap over. machine is NULL if the scenario has one machine, boot
 * (from 1) is 0 if it has one boot.
 */
void mmrig_result_add_ktap(MmrigResult *result, const char *machine, guint boot,
                           MmrigKtap *ktap);

/* Sets verdict, cause and message, unless an earlier call already did. */
void mmrig_result_settle(MmrigResult *result, MmrigVerdict verdict, MmrigCause cause,
                         const char *format, ...) G_GNUC_PRINTF(4, 5);

/* "NAME" or "NAME:TWIN", with "#N" for a repetition after the first. Free with g_free(). */
char *mmrig_result_title(const MmrigResult *result);

/* Whether both are repetitions of the same, and later is the later of them. */
gboolean mmrig_result_follows(const MmrigResult *earlier, const MmrigResult *later);

/* The exit status for a set of results: 99 if any is broken, 1 if any failed, 77 if all were
 * skipped, else 0. */
MmrigExit mmrig_results_exit(const GPtrArray *results);
