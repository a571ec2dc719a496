/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `mmrig run` shows and keeps: live progress on a terminal, KTAP on a pipe, JSON when
 * asked for; and the output folder:
 *
 *   OUT/junit.xml  OUT/results.json  OUT/environment.json
 *   OUT/NAME[.TWIN][.N]/  qemu.argv console.log qmp.log qemu.log test.ktap stderr.log
 *                         result.json environment.json
 */
#pragma once

#include "result.h"
#include "rig.h"
#include "run.h"

typedef enum {
    MMRIG_OUTPUT_TERMINAL,
    MMRIG_OUTPUT_KTAP,
    MMRIG_OUTPUT_JSON,
} MmrigOutputForm;

typedef struct MmrigOutput MmrigOutput;

/*
 * folder NULL: a new one, mmrig-out/DATE-TIME-PID. One that exists and holds results already is
 * an INPUT error, so that two runs never mix. planned is the number of results to come.
 */
MmrigOutput *mmrig_output_new(const char *folder, MmrigOutputForm form, const MmrigRig *rig,
                              guint planned, GError **error);
void mmrig_output_free(MmrigOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigOutput, mmrig_output_free)

/* Makes the folder for one result's files. Free with g_free(). */
char *mmrig_output_folder(MmrigOutput *output, const MmrigScenario *scenario, guint repeat,
                          GError **error);

/* For MmrigRunOptions. data is the output. */
void mmrig_output_stage(const MmrigScenario *scenario, MmrigStage stage, gpointer data);

/* Shows and saves one result, which it takes. */
gboolean mmrig_output_add(MmrigOutput *output, MmrigResult *result, GError **error);

/* Writes what tells of all results, and the summary. */
gboolean mmrig_output_finish(MmrigOutput *output, GError **error);

/* All results so far. Owned by the output. */
const GPtrArray *mmrig_output_results(const MmrigOutput *output);
