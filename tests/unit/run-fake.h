/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests of runs: of machines that follow scripts (fake-qemu-script.h). */
#pragma once

#include "run/run.h"

#define SCENARIO                                                                               \
    "[scenario]\nsummary = s\narea = a\ntimeout = 30\n[test]\ntest = t\n"                      \
    "[machine]\ncpus = 1\nmemory = 512M\n"
#define PAIR                                                                                   \
    "[scenario]\nsummary = s\narea = a\ntimeout = 30\n[test]\ntest = t\nrequests = meet\n"     \
    "[machine a]\n[machine b]\n"

#define READY                                                                                  \
    "command qmp_capabilities\n"                                                               \
    "say control ready 1 0123456789abcdef0123456789abcdef 6.12.0\\n\n"
#define UP     READY "hear run\n"
#define KTAP   "KTAP version 1\\n1..1\\nok 1 a\\n" /* 27 bytes */
#define RESULT "say ktap " KTAP "\n"
#define DONE   "say control done 1 exit 0 27\\n\n"
#define NOT_OK                                                                                 \
    "say ktap KTAP version 1\\n1..1\\nnot ok 1 a\\n\n"                                         \
    "say control done 1 exit 1 31\\n\n"
#define SKIPS                                                                                  \
    "say ktap KTAP version 1\\n1..1\\nok 1 a # SKIP no a\\n\n"                                 \
    "say control done 1 exit 4 39\\n\n"
#define OFF(reason)                                                                            \
    "event {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"" reason        \
    "\"}}\nexit 0"
#define PANIC      "say console Kernel panic - not syncing: x\\n\n" OFF("guest-reset")
#define MEET(text) "say control request 1 meet name=x value=" text "\\n\n"

/* Runs all tests in a folder of their own, which is removed; returns the program's status. */
int run_fake_tests(void);

/* A path in that folder, which may be there and is made free. g_free(). */
char *run_fake_path(const char *name);

/* One run of the scenario in text, of which each machine follows script. */
MmrigResult *run_it(const char *text, const char *script, const MmrigRunOptions *like,
                    GCancellable *cancellable, GError **error);
/* The same of a machine for each of scripts (NULL-terminated), which are called a, b, c, d. */
MmrigResult *run_machines(const char *text, const char *const *scripts,
                          const MmrigRunOptions *like, GCancellable *cancellable,
                          GError **error);
/* The same of two, and it must not fail. */
MmrigResult *run_pair(const char *text, const char *a, const char *b,
                      const MmrigRunOptions *like);

void run_fake_check(const MmrigResult *result, MmrigVerdict verdict, MmrigCause cause,
                    const char *message);
