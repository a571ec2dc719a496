/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can go wrong in the rig, and what the process says of it by its exit status. */
#pragma once

#include <glib.h>

/* The status contract of every mmrig command. */
typedef enum {
    MMRIG_EXIT_PASS = 0,
    MMRIG_EXIT_FAIL = 1,
    MMRIG_EXIT_USAGE = 2, /* wrong arguments, or input that cannot be used */
    MMRIG_EXIT_SKIP = 77,
    MMRIG_EXIT_RIG = 99, /* the rig itself broke: says nothing of what was tested */
} MmrigExit;

typedef enum {
    MMRIG_ERROR_INPUT, /* the user can mend it: a bad key, path, size, missing package */
    MMRIG_ERROR_UNMET, /* this host, QEMU or kernel lacks what is needed: a skip */
    MMRIG_ERROR_RIG,   /* disk full, fork failed, a peer broke the protocol, ... */
    MMRIG_ERROR_QEMU,  /* QEMU refused a command or died */
    MMRIG_ERROR_GUEST, /* the guest broke the protocol or went silent */
    MMRIG_ERROR_TIMEOUT,
    MMRIG_ERROR_SILENT,    /* a TIMEOUT of a guest whose kernel had said nothing at all */
    MMRIG_ERROR_TEMPLATE,  /* QEMU did not load a template, so that no guest ran */
    MMRIG_ERROR_QEMU_RACE, /* QEMU died of a bug of its own that comes by chance (vm/instance.h)
                            */
} MmrigErrorCode;

#define MMRIG_ERROR (mmrig_error_quark())
GQuark mmrig_error_quark(void);

/* Whose an errno is that came of a path: RIG for a want of space, memory or descriptors, or a
 * broken disk; else INPUT, since another path would do. */
MmrigErrorCode mmrig_error_of_errno(int cause);

/*
 * The exit status for an error of any domain: INPUT is 2, UNMET 77, all else 99. Errors of
 * GIO that are the user's to mend (no such file, permission denied) count as INPUT.
 */
MmrigExit mmrig_error_exit(const GError *error);

/* Prints "mmrig: MESSAGE" on standard error and returns mmrig_error_exit(error). */
MmrigExit mmrig_error_report(const GError *error);
