/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running QEMU: its process, the far ends of its descriptors, and its end.
 *
 * QEMU inherits all it talks through (machine.h), so there is no socket with a name. It dies
 * with the rig (child.h). When it ends, for whatever reason, all it said is read first and
 * only then the owner hears of it.
 */
#pragma once

#include "guest/tap.h"
#include "machine/machine.h"
#include "qmp/qmp.h"

/* Seconds; a guest that is not ready by then is taken for hung. Generous: TCG on a loaded host.
 */
#define MMRIG_BOOT_TIMEOUT 120

typedef struct MmrigVm MmrigVm;

/* QEMU is gone and reaped. May free the VM. */
typedef void (*MmrigVmEnded)(MmrigVm *vm, gpointer data);

/*
 * Starts the machine. backings is backing.h's for this machine (borrowed). folder, if not NULL,
 * gets qemu.argv, qemu.log, qmp.log and console.log, appended to if they are there. NULL with
 * error.
 */
MmrigVm *mmrig_vm_start(const MmrigPlan *machine, const GArray *backings, const char *folder,
                        MmrigVmEnded ended, gpointer data, GError **error);

/* Kills QEMU if it runs, waits for its end, and frees everything. */
void mmrig_vm_free(MmrigVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigVm, mmrig_vm_free)

pid_t mmrig_vm_pid(const MmrigVm *vm);
MmrigQmp *mmrig_vm_qmp(const MmrigVm *vm);

/* Our ends of the guest's two ports. The caller takes them over; each once. */
int mmrig_vm_take_control(MmrigVm *vm);
int mmrig_vm_take_ktap(MmrigVm *vm);

/* Sends SIGKILL. The ended callback follows. */
void mmrig_vm_kill(MmrigVm *vm);

/* The last lines of the guest's serial console. Free with g_free(). */
char *mmrig_vm_console(const MmrigVm *vm, guint lines);
/*
 * The text of a panic ("Kernel panic - not syncing: " left off), if the console had one, else
 * NULL. Owned by the VM.
 */
const char *mmrig_vm_panic(const MmrigVm *vm);

/*
 * After the end: what to say of it, such as "QEMU ended with status 1: qemu: no such
 * device". Free with g_free().
 */
char *mmrig_vm_obituary(const MmrigVm *vm);

/*
 * After the end: whether QEMU died of its issue 1921, a race under TCG between a vCPU that
 * changes the memory map and another that enters its loop (tcg_commit() in QEMU's
 * system/physmem.c). The guest has no part in it, and one machine in a few thousand with more
 * than one CPU dies of it while it boots.
 */
#define MMRIG_VM_RACE "QEMU died of a race of its own (its issue 1921)"
gboolean mmrig_vm_died_of_race(const MmrigVm *vm);

/* Whether a log could not be written, or NULL. Owned by the VM. */
const GError *mmrig_vm_log_error(const MmrigVm *vm);
