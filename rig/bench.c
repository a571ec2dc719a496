/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include "error.h"

MmrigResult *mmrig_bench_run(const MmrigRunOptions *options, GError **error)
{
    MmrigResult *result = mmrig_run(options, NULL, error);

    if (!result || result->verdict == MMRIG_PASS)
        return result;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "%s: %s", options->scenario->name,
                result->message);
    mmrig_result_free(result);
    return NULL;
}
