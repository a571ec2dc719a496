/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Child processes that never outlive the rig: each is killed by the kernel when the rig
 * dies, however it dies (PR_SET_PDEATHSIG), and runs in a process group of its own so that
 * it does not take the terminal's Ctrl-C before the rig has decided what to do.
 */
#pragma once

#include <gio/gio.h>

/*
 * Ties a child to its parent: for use between fork and exec (async-signal-safe). parent is
 * the PID that must still be the parent, or the child exits at once.
 */
void mmrig_child_bind(pid_t parent);

/*
 * A launcher whose children are bound as above. The rig's main thread must launch them,
 * since the kernel ties the death signal to the launching thread.
 */
GSubprocessLauncher *mmrig_child_launcher(GSubprocessFlags flags);

/*
 * The environment for a QEMU, which a guest may break into: what it needs of the rig's own, and
 * none of the user's secrets. Free with g_strfreev().
 */
GStrv mmrig_child_environment(void);

/*
 * Runs a command to its end, and that of all it started (but for those that left its
 * process group). Standard output is returned in output if that is not NULL
 * (free with g_free()), else goes to standard error; folder may be NULL. An exit status
 * that is not 0 is an error (RIG) that names the command and quotes the last lines of its
 * standard error.
 *
 * For commands that start further processes (make, apt-get): when the rig dies, even by
 * SIGKILL, the whole group is killed, by a watcher process that waits for the end of a pipe.
 */
gboolean mmrig_child_run(const char *const *argv, const char *folder, char **output,
                         GError **error);

/*
 * The same for long commands: each line of standard output (without its end; cut at
 * MMRIG_CHILD_LINE_MAX bytes) is handed to line, and the last lines of both outputs are
 * quoted in an error. line may be NULL.
 */
#define MMRIG_CHILD_LINE_MAX 4096
typedef void (*MmrigChildLine)(const char *line, gpointer data);
gboolean mmrig_child_follow(const char *const *argv, const char *folder, MmrigChildLine line,
                            gpointer data, GError **error);

/*
 * The absolute path of a program: in PATH, or in /usr/sbin and /sbin, where tools are that
 * users' PATH lacks. NULL with an INPUT error that says which Debian package has it
 * (package may be NULL). Free with g_free().
 */
char *mmrig_child_find(const char *program, const char *package, GError **error);
/* Where it looks besides PATH, NULL-terminated. */
extern const char *const mmrig_child_root_folders[];

/*
 * Sets a descriptor that the watchers of this thread's commands hold open: who waits for its
 * end then waits for the commands as well. Returns the one before; -1 is none.
 */
int mmrig_child_hold(int fd);

/*
 * What mmrig_child_hold() was given last, or -1: for children that have no such process, and
 * are to hold it open themselves.
 */
int mmrig_child_held(void);
