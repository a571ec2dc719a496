/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine-check MSRs of a processor are in its CPUX86State, whose header is
 * private to QEMU's i386 code. Its migration description is not: it names each
 * field with its place, and that is where they are found.
 *
 * QEMU's own cpu_x86_inject_mce() is not used, as it raises #MC for whatever is
 * uncorrected (UCNA must not), and as it waits for the processor, which cannot
 * be done inside one of its memory accesses.
 *
 * Numbers are those of the Intel SDM, volume 3B, chapter 16 ("Machine-Check
 * Architecture").
 */
#include "compat.h"

#include "exec/cpu-common.h"
#include "exec/cpu-interrupt.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "system/tcg.h"

#include "mce.h"

/* Of QEMU's target/i386/cpu.h. */
extern const VMStateDescription vmstate_x86_cpu;
/* Of system/kvm.h, which shows it to i386 code only. */
int kvm_vcpu_ioctl(CPUState *cpu, unsigned long type, ...);
#define INTERRUPT_MCE CPU_INTERRUPT_TGT_EXT_4
#define CR4_MCE (1 << 6)

/* Registers of a bank: CTL, STATUS, ADDR, MISC (section 16.3.2). */
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC, BANK_REGISTERS };

static void *mce_field(CPUState *cpu, const char *name, unsigned count)
{
    for (const VMStateField *f = vmstate_x86_cpu.fields; f->name; f++) {
        if (strcmp(f->name, name) == 0 && f->size == sizeof(uint64_t) &&
            (count == 1 || (f->flags & VMS_ARRAY && f->num >= (int)count))) {
            return (uint8_t *)cpu + f->offset;
        }
    }
    return NULL;
}

static uint64_t *mce_register(CPUState *cpu, const char *name)
{
    uint64_t *field = mce_field(cpu, name, 1);

    g_assert(field); /* mmrig_mce_check() was here before */
    return field;
}

static uint64_t *mce_bank(CPUState *cpu, unsigned bank)
{
    uint64_t *banks =
        mce_field(cpu, "env.mce_banks", (bank + 1) * BANK_REGISTERS);

    g_assert(banks);
    return banks + (size_t)bank * BANK_REGISTERS;
}

bool mmrig_mce_check(Error **errp)
{
    CPUState *cpu = first_cpu;
    g_autofree char *vendor = NULL;
    const uint64_t *cap;

    if (!cpu || !object_dynamic_cast(OBJECT(cpu), "x86_64-cpu")) {
        error_setg(errp, "memory errors are for x86-64 machines only");
        return false;
    }
    if (!mce_field(cpu, "env.cr[4]", 1) || !mce_field(cpu, "env.eip", 1) ||
        !mce_field(cpu, "env.mcg_cap", 1) ||
        !mce_field(cpu, "env.mcg_ctl", 1) ||
        !mce_field(cpu, "env.mcg_status", 1) ||
        !mce_field(cpu, "env.mce_banks", MCE_BANKS * BANK_REGISTERS)) {
        error_setg(errp, "this QEMU's machine-check registers are not where"
                         " they were expected");
        return false;
    }
    vendor = object_property_get_str(OBJECT(cpu), "vendor", NULL);
    if (g_strcmp0(vendor, "GenuineIntel") != 0) {
        error_setg(errp,
                   "the processors are of vendor '%s', and errors are encoded"
                   " as Intel's only; choose such a model, for example -cpu"
                   " max,vendor=GenuineIntel,family=6,model=143,stepping=4",
                   vendor ? vendor : "?");
        return false;
    }
    cap = mce_register(cpu, "env.mcg_cap");
    if ((*cap & MCG_CAP_COUNT) < MCE_BANKS || !(*cap & MCG_CAP_SER_P)) {
        error_setg(errp, "the processors' model has no machine checks that can"
                         " be recovered from (CPUID MCE and MCA, family 6)");
        return false;
    }
    return true;
}

unsigned mmrig_mce_cpus(void)
{
    CPUState *cpu;
    unsigned count = 0;

    RCU_READ_LOCK_GUARD();
    CPU_FOREACH(cpu)
    {
        count++;
    }
    return count;
}

CPUState *mmrig_mce_cpu(unsigned index)
{
    return qemu_get_cpu(index);
}

unsigned mmrig_mce_banks(CPUState *cpu)
{
    return MIN(*mce_register(cpu, "env.mcg_cap") & MCG_CAP_COUNT, MCE_BANKS);
}

/* ---- Delivery ----------------------------------------------------------- */

/* Whatever software has turned off stays silent (sections 16.3.1.3, 16.3.2.1).
 */
static bool mce_is_disabled(CPUState *cpu, const uint64_t *bank)
{
    return (*mce_register(cpu, "env.mcg_cap") & MCG_CAP_CTL_P &&
            *mce_register(cpu, "env.mcg_ctl") != UINT64_MAX) ||
           bank[BANK_CTL] != UINT64_MAX;
}

/* Section 16.3.2.2.1, "Overwrite Rules for Machine Check Overflow". */
static void mce_log(uint64_t *bank, const MmrigMce *mce)
{
    uint64_t old = bank[BANK_STATUS];
    uint64_t over = 0;

    if (old & MCI_STATUS_VAL) {
        over = MCI_STATUS_OVER;
        if (old & MCI_STATUS_UC && !(mce->status & MCI_STATUS_UC)) {
            bank[BANK_STATUS] |= over;
            return;
        }
    }
    bank[BANK_ADDR] = mce->addr;
    bank[BANK_MISC] = mce->misc;
    bank[BANK_STATUS] = mce->status | over;
}

/* A guest can have this happen as often as it likes: once a second is told. */
static void mce_log_reset(const CPUState *cpu, bool in_one)
{
    static int64_t last;
    int64_t now = g_get_monotonic_time();

    if (last && now - last < G_USEC_PER_SEC) {
        return;
    }
    last = now;
    qemu_log("mmrig: processor %d cannot take a machine check (%s):"
             " the machine is reset\n",
             cpu->cpu_index, in_one ? "it is in one" : "CR4.MCE=0");
}

/*
 * In the processor's thread, under the big lock. FALSE if software has turned
 * the reporting of such errors off.
 */
static bool mce_take(CPUState *cpu, const MmrigMce *mce)
{
    uint64_t *bank = mce_bank(cpu, mce->bank);
    uint64_t *mcg_status = mce_register(cpu, "env.mcg_status");

    if (mce->status & MCI_STATUS_UC && mce_is_disabled(cpu, bank)) {
        return false;
    }
    if (mce->exception && (!(*mce_register(cpu, "env.cr[4]") & CR4_MCE) ||
                           *mcg_status & MCG_STATUS_MCIP)) {
        /* Section 16.3.1.2: a second one while the first lasts. */
        mce_log_reset(cpu, *mcg_status & MCG_STATUS_MCIP);
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        return true;
    }
    if (mce->status & MCI_STATUS_VAL) {
        mce_log(bank, mce);
    }
    if (mce->exception) {
        *mcg_status = mce->mcg_status;
        cpu_interrupt(cpu, INTERRUPT_MCE);
    }
    return true;
}

/* What is to be told to a processor, in its own thread. */
typedef struct MceWork {
    MmrigMce mce;
    int result; /* KVM's */
} MceWork;

/*
 * KVM holds the registers, and raises the exception itself where it is due.
 * Only the processor's own thread may ask: another one would wait, with the big
 * lock, for a guest that sleeps in the kernel (KVM_RUN).
 */
static void mce_work_do(CPUState *cpu, MceWork *work)
{
    if (kvm_enabled()) {
        MmrigKvmMce kvm = mmrig_mce_for_kvm(&work->mce);

        work->result = kvm_vcpu_ioctl(cpu, MMRIG_KVM_SET_MCE, &kvm);
    } else {
        mce_take(cpu, &work->mce);
    }
}

static void mce_work_now(CPUState *cpu, run_on_cpu_data data)
{
    mce_work_do(cpu, data.host_ptr);
}

static void mce_work_later(CPUState *cpu, run_on_cpu_data data)
{
    g_autofree MceWork *work = data.host_ptr;

    mce_work_do(cpu, work);
}

static bool mce_has_bank(CPUState *cpu, const MmrigMce *mce, Error **errp)
{
    if (mce->bank < mmrig_mce_banks(cpu)) {
        return true;
    }
    error_setg(errp, "processor %d has no bank %u", cpu->cpu_index, mce->bank);
    return false;
}

void mmrig_mce_deliver_later(CPUState *cpu, const MmrigMce *mce)
{
    MceWork work = {.mce = *mce};

    if (!mce_has_bank(cpu, mce, NULL)) {
        return;
    }
    if (qemu_cpu_is_self(cpu)) {
        mce_work_do(cpu, &work);
    } else {
        async_run_on_cpu(cpu, mce_work_later,
                         RUN_ON_CPU_HOST_PTR(g_memdup2(&work, sizeof(work))));
    }
}

bool mmrig_mce_deliver(CPUState *cpu, const MmrigMce *mce, Error **errp)
{
    MceWork work = {.mce = *mce};

    if (!mce_has_bank(cpu, mce, errp)) {
        return false;
    }
    if (current_cpu) {
        mmrig_mce_deliver_later(cpu, mce);
        return true;
    }
    run_on_cpu(cpu, mce_work_now, RUN_ON_CPU_HOST_PTR(&work));
    if (work.result < 0) {
        error_setg_errno(errp, -work.result,
                         "KVM did not take the machine check for processor %d",
                         cpu->cpu_index);
    }
    return work.result >= 0;
}

/* ---- Poison ------------------------------------------------------------- */

/*
 * Out of the middle of an access, to the loop that runs the processor. That
 * access may be one of QEMU's own on the processor's way to an exception, or to
 * the guest of a guest: then the exception that was under way is given up for
 * the machine check, as in hardware; and the lock of the memory map, which a
 * physical load holds, is given back. Such a load has no place in translated
 * code, and mem_io_pc is another's.
 */
static G_NORETURN void mce_leave_access(CPUState *cpu)
{
    /* Of cpu_exec() itself, and none of cpu_exec_step_atomic(). */
    const unsigned depth = cpu_in_exclusive_context(cpu) ? 0 : 1;
    uintptr_t place = cpu->mem_io_pc;

    while (get_ptr_rcu_reader()->depth > depth) {
        rcu_read_unlock();
        place = 0;
    }
    cpu->exception_index = -1;
    cpu_loop_exit_restore(cpu, place);
}

void mmrig_mce_consume(CPUState *cpu, hwaddr gpa, bool fetch)
{
    MmrigMce mce = mmrig_mce_make(fetch ? MMRIG_MCE_SRAR_FETCH : MMRIG_MCE_SRAR,
                                  gpa, mmrig_mce_cpus() > 1, 0);

    if (kvm_enabled()) {
        mmrig_mce_deliver_later(cpu, &mce);
    } else if (mce_take(cpu, &mce)) {
        mce_leave_access(cpu);
    }
}
