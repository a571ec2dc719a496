/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A KTAP reader (Linux Documentation/dev-tools/ktap.rst) that is fed bytes as they come from
 * a guest. Bounded in memory whatever the guest sends: over MMRIG_KTAP_TESTS_MAX results,
 * MMRIG_KTAP_DEPTH_MAX levels or MMRIG_KTAP_LINE_MAX bytes in a line the stream is in error,
 * and the rest is ignored.
 */
#pragma once

#include <glib.h>

#define MMRIG_KTAP_TESTS_MAX 100000
#define MMRIG_KTAP_DEPTH_MAX 8
#define MMRIG_KTAP_LINE_MAX  8192

typedef enum {
    MMRIG_KTAP_OK,
    MMRIG_KTAP_NOT_OK,
    MMRIG_KTAP_SKIP,
    MMRIG_KTAP_XFAIL, /* "not ok ... # XFAIL" or TODO: does not count against the test */
} MmrigKtapOutcome;

typedef struct {
    char *name;  /* with its parents': "outer/inner"; "test N" if it has none */
    guint depth; /* 0 at the top */
    guint number;
    gboolean group; /* it has subtests of its own */
    MmrigKtapOutcome outcome;
    char *reason;      /* after SKIP, XFAIL or TIMEOUT; NULL if none */
    char *diagnostics; /* the "# " lines before it, for failures; NULL if none */
} MmrigKtapTest;

typedef struct MmrigKtap MmrigKtap;

MmrigKtap *mmrig_ktap_new(void);
void mmrig_ktap_free(MmrigKtap *ktap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigKtap, mmrig_ktap_free)

void mmrig_ktap_feed(MmrigKtap *ktap, const char *bytes, gsize size);

/*
 * The stream has ended. A plan of "1..0 # SKIP reason" is a whole stream, with one result,
 * "all", number 0, skipped. Returns TRUE if it was whole: a version line, a plan, as many
 * results as planned and numbered in order, at every level, no bail-out. Else *problem says
 * what was wrong first (owned by ktap).
 */
gboolean mmrig_ktap_end(MmrigKtap *ktap, const char **problem);

/* All results so far (of MmrigKtapTest), in the order of their lines. Owned by ktap. */
const GPtrArray *mmrig_ktap_tests(const MmrigKtap *ktap);

/* Leaf results (not groups) with the given outcome. */
guint mmrig_ktap_count(const MmrigKtap *ktap, MmrigKtapOutcome outcome);
