/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the NVDIMM tests share: running ndctl and daxctl as an administrator would, and
 * turning a blank NVDIMM into one namespace described by labels.
 */
#ifndef MMRIG_TEST_NVDIMM_H
#define MMRIG_TEST_NVDIMM_H

#include <stdbool.h>
#include <unistd.h>

#include "harness.h"

/* Seconds that drivers may take to bring a device up after it was asked for. */
#define NVDIMM_DEVICE_SECONDS 20

/*
 * Runs a tool and returns its exit status. What a failed tool said is printed as diagnostics,
 * so that the report shows the reason and not only the number.
 */
static inline int nvdimm_tool_run(const char *const argv[])
{
    char output[4096];
    int status = command_run(output, sizeof(output), argv);

    if (status == 0)
        return 0;
    DIAG("%s %s: exit status %d: %s", argv[0], argv[1], status, output);
    return status;
}
#define NVDIMM_TOOL(...) nvdimm_tool_run((const char *const[]){__VA_ARGS__, NULL})

static inline bool nvdimm_path_exists(void *path)
{
    return access(path, F_OK) == 0;
}

/* Waits for a device node or sysfs folder that a driver makes in its own time. */
static inline bool nvdimm_wait_path(const char *path)
{
    return wait_until(nvdimm_path_exists, (void *)path, NVDIMM_DEVICE_SECONDS);
}

/*
 * Makes one namespace over the whole of region0, with its label in nmem0's label area. A
 * blank label area cannot be written while the region uses it, hence the order. Returns the
 * exit status of the first tool that failed, or 0.
 */
static inline int nvdimm_namespace_make(const char *mode, const char *name, const char *uuid)
{
    int status = NVDIMM_TOOL("ndctl", "disable-region", "region0");

    if (status == 0)
        status = NVDIMM_TOOL("ndctl", "init-labels", "nmem0");
    if (status == 0)
        status = NVDIMM_TOOL("ndctl", "enable-region", "region0");
    if (status == 0)
        status = NVDIMM_TOOL("ndctl", "create-namespace", "--region", "region0", "--mode", mode,
                             "--name", name, "--uuid", uuid);
    return status;
}

#endif
