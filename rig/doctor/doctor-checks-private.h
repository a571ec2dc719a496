/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of checks share. A check looks at the facts only, and fills its finding. */
#pragma once

#include "doctor.h"

/* Sets the finding; mend (or NULL) is copied. */
void mmrig_doctor_say(MmrigFinding *finding, MmrigCheckState state, const char *mend,
                      const char *format, ...) G_GNUC_PRINTF(4, 5);

/* "1.5 GiB", with an ordinary space, which every locale has. Free with g_free(). */
char *mmrig_doctor_size(guint64 bytes);

/* What limits the process on this host; see doctor-limits.c. */
void mmrig_doctor_check_memory(const MmrigHost *host, MmrigFinding *finding);
void mmrig_doctor_check_cpus(const MmrigHost *host, MmrigFinding *finding);
void mmrig_doctor_check_limits(const MmrigHost *host, MmrigFinding *finding);
void mmrig_doctor_check_memlock(const MmrigHost *host, MmrigFinding *finding);
