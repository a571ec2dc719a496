/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `mmrig run` shows and keeps: a live line on a terminal, KTAP on a pipe, JSON when
 * asked for; and the output folder:
 *
 *   OUT/junit.xml  OUT/results.json  OUT/environment.json
 *   OUT/NAME[.TWIN][.N]/  qemu.argv console.log qmp.log qemu.log test.ktap stderr.log
 *                         result.json environment.json
 *                         series.csv series.svg
 */
#pragma once

#include "live-private.h"
#include "setup.h"
#include "verdict/result.h"

typedef enum {
    MMRIG_OUTPUT_TERMINAL,
    MMRIG_OUTPUT_KTAP,
    MMRIG_OUTPUT_JSON,
} MmrigOutputForm;

typedef struct MmrigOutput MmrigOutput;

/* FALSE with an INPUT error if the folder holds results already. It need not exist. */
gboolean mmrig_output_folder_free(const char *folder, GError **error);

/*
 * folder NULL: a new one, mmrig-out/DATE-TIME-PID. One that exists and holds results already is
 * an INPUT error, so that two runs never mix. planned is the number of results to come. If this
 * fails, the folder does not look as if it held results.
 */
MmrigOutput *mmrig_output_new(const char *folder, MmrigOutputForm form, const MmrigSetup *setup,
                              guint planned, GError **error);
void mmrig_output_free(MmrigOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigOutput, mmrig_output_free)

/* Makes the folder for one result's files. Free with g_free(). */
char *mmrig_output_folder(MmrigOutput *output, const MmrigScenario *scenario, guint repeat,
                          GError **error);

/* Where to tell what runs now; NULL if nobody watches. */
MmrigLive *mmrig_output_live(MmrigOutput *output);

/*
 * Saves a result, which it takes, and shows it as soon as all with a lower number are shown;
 * numbers are from 0, one for each that was planned. The folder of a repetition that passed
 * goes then, but for the first: a thousand of them would fill the disk and say nothing.
 * Standard output that is lost is an error.
 */
gboolean mmrig_output_add(MmrigOutput *output, guint number, MmrigResult *result,
                          GError **error);

/*
 * Shows the rest, even if some before it never came, and writes what tells of all results, even
 * if standard output is lost, which main() tells (print.h).
 */
gboolean mmrig_output_finish(MmrigOutput *output, GError **error);

/* All results shown so far, in order. Owned by the output. */
const GPtrArray *mmrig_output_results(const MmrigOutput *output);
