/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the forms of the report share. */
#pragma once

#include "report.h"

/* How figures are written: bytes of a terabyte to the last, fractions without their noise. */
#define MMRIG_REPORT_NUMBER "%.13g"

/* One leaf result (not a group) as every form shows it. Borrowed from the result. */
typedef struct {
    const MmrigKtapTest *test;
    const char *machine;      /* NULL if the scenario has one machine only */
    guint boot;               /* from 1; 0 if the scenario has one boot only */
    MmrigKtapOutcome outcome; /* XFAIL where the verdict passed in spite of it, as a twin's */
} MmrigReportCase;

/* All leaf results of all boots, in order: a GArray of MmrigReportCase. g_array_unref(). */
GArray *mmrig_report_cases(const MmrigResult *result);

/* "left/boot2/outer/inner", without what there is only one of. g_free(). */
char *mmrig_report_case_name(const MmrigReportCase *item);

/* Why it was skipped or expected to fail; NULL if nothing was said. */
const char *mmrig_report_case_reason(const MmrigReportCase *item);
