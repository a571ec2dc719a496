/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include "base/error.h"

const MmrigBenchCase mmrig_bench_cases[] = {
    {"boot", "mmrig: cold boot until the agent is ready",
     "bare QEMU, same arguments, an init that powers off", "s", "seconds", mmrig_bench_boot},
    {"fork", "mmrig run, forked: command to verdict", "bare QEMU loading the same state", "s",
     "seconds", mmrig_bench_fork},
    {"fork-cold", "mmrig run, forked: command to verdict", "mmrig run --cold", "s", "seconds",
     mmrig_bench_fork_cold},
    {"fork-memory", "an idle fork's own memory, its guest's aside",
     "bare QEMU that has loaded the same state", "MiB", "mebibytes", mmrig_bench_fork_memory},
    {"camera", "mmrig-camera writing 4K frames", "memcpy of as many bytes to the same place",
     "GB/s", "gigabytes-per-second", mmrig_bench_camera},
    {"firmware", "a boot by OVMF with mmrig-mirror's option ROM", "the same without the ROM",
     "s", "seconds", mmrig_bench_firmware},
    {"poison", "going through memory, 1,000 bad pages elsewhere", "the same without bad pages",
     "s", "seconds", mmrig_bench_poison},
    {"poison-one", "going through memory, one bad page elsewhere", "the same without bad pages",
     "s", "seconds", mmrig_bench_poison_one},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

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
