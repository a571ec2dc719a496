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
 * Whether this machine's processors report errors as Intel's do, which is how
 * all errors here are encoded.
 */
bool mmrig_mce_check(Error **errp);

/* Processors, and one by its index (NULL if there is none). */
unsigned mmrig_mce_cpus(void);
CPUState *mmrig_mce_cpu(unsigned index);

/* Banks that a processor has. */
unsigned mmrig_mce_banks(CPUState *cpu);

/*
 * Tells a processor, from the monitor's thread or its own. With exception set:
 * what the hardware does in place of a machine check that cannot be taken
 * (CR4.MCE off, one in progress) is a shutdown; the machine is reset.
 */
bool mmrig_mce_deliver(CPUState *cpu, const MmrigMce *mce, Error **errp);

/*
 * The same from within a memory access, of a device or a processor: it does not
 * wait, and so does not let go of the big lock. A processor without that bank
 * has nowhere to be told.
 */
void mmrig_mce_deliver_later(CPUState *cpu, const MmrigMce *mce);

/*
 * The running processor, inside a memory access, has met poison at this
 * address. Under TCG this does not return, but goes to a machine check in place
 * of the access; unless software has turned the reporting off, whereupon the
 * access goes on. Under KVM the machine check comes after the instruction.
 */
void mmrig_mce_consume(CPUState *cpu, hwaddr gpa, bool fetch);

#endif
