/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine checks: puts an error into a bank of a processor, and raises the
 * exception. What the errors are is ras.c's business, and poison.c's for
 * consumed poison; here is how a processor is told.
 */
#ifndef MMRIG_MCE_H
#define MMRIG_MCE_H

#include "exec/hwaddr.h"
#include "hw/core/cpu.h"

#include "mce-codes.h"

/*
 * Whether this machine's processors are of a vendor whose errors are known, and
 * can recover from them.
 */
bool mmrig_mce_check(Error **errp);

/* Processors, and one by its index (NULL if there is none). */
unsigned mmrig_mce_cpus(void);
CPUState *mmrig_mce_cpu(unsigned index);

/* Banks that a processor has. */
unsigned mmrig_mce_banks(CPUState *cpu);

/*
 * Tells a processor of an error, from the monitor's thread or its own. All
 * others are told that there was one if broadcast is set, and also where the
 * processor cannot keep it to itself, as all of Intel's without LMCE. What the
 * hardware does in place of a machine check that cannot be taken (CR4.MCE off,
 * one in progress) is a shutdown; the machine is reset. count is for
 * MMRIG_MCE_CE.
 */
bool mmrig_mce_report(CPUState *cpu, MmrigMceKind kind, uint64_t gpa,
                      bool broadcast, unsigned count, Error **errp);

/*
 * The same of what raises no exception, from within a memory access, of a
 * device or a processor: it does not wait, and so does not let go of the big
 * lock. A processor without that bank has nowhere to be told.
 */
void mmrig_mce_report_later(CPUState *cpu, MmrigMceKind kind, uint64_t gpa);

/*
 * The running processor, inside a memory access, has met poison at this
 * address. Under TCG this does not return, but goes to a machine check in place
 * of the access (all others get one as well, see above); unless software has
 * turned the reporting off, whereupon it is logged, and the access goes on.
 * Under KVM the machine check comes after the instruction.
 */
void mmrig_mce_consume(CPUState *cpu, hwaddr gpa, bool fetch);

#endif
