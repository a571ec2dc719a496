/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as a script, for the tests of what the rig does with one. One step a line:
 *
 *   say qmp|control|ktap|console|stderr|link TEXT   with C's escapes in octal, \n, \r and \\
 *   flood qmp|... SIZE TEXT                    TEXT again and again, SIZE bytes of it at least
 *   hear WORD      reads the agent's lines until one begins with WORD
 *   find TEXT      reads the link, and fails if that is not what comes
 *   command NAME   reads and answers QMP's commands up to this one
 *   event TEXT     an event of QMP's; TEXT is JSON
 *   stray          leaves a process behind, in a session of its own, that holds all open
 *   heir           leaves a process behind, in its own process group
 *   show           prints environment, open descriptors, and the limit on core files
 *   pause MS       does nothing for so long
 *   touch FILE     makes the file
 *   there FILE     fails if there is no such file
 *   once FILE STEP   makes the file and does the step, unless there was such a file
 *   exit STATUS, kill SIGNAL
 *   die TEXT       prints it to standard error and aborts
 *   serve          answers QMP until its end, and ends
 *   wait           until it is killed
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Answers the next command on in; false at the end of file. name, if not NULL, gets its name.
 */
typedef bool (*FakeAnswer)(FILE *in, char name[64]);

/* Runs the script in the file of that name; returns QEMU's exit status. */
int fake_qemu_play(const char *path, FILE *qmp, FakeAnswer answer);
