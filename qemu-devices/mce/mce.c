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

#include "accel/tcg/cpu-loop.h"
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

/* Numbers of exceptions that QEMU remembers while they are delivered. */
enum { EXCEPTION_NONE = -1, EXCEPTION_LAST = 14 };

/*
 * CPUX86State.old_exception: what is being delivered, so that another one on
 * the way makes a double fault of it. It is not described, but comes behind the
 * debug registers and their break- and watchpoints, one pointer for each of the
 * four that can have one (target/i386/cpu.h of QEMU 10.0 to 11.0). NULL where
 * there is no such number.
 */
static int *mce_in_delivery(CPUState *cpu)
{
    const unsigned registers = 8;
    const unsigned breakpoints = 4;
    uint8_t *field = mce_field(cpu, "env.dr", registers);
    int *number;

    if (!field) {
        return NULL;
    }
    number = (void *)(field + registers * sizeof(uint64_t) +
                      breakpoints * sizeof(void *));
    return *number >= EXCEPTION_NONE && *number <= EXCEPTION_LAST ? number
                                                                  : NULL;
}

/* Seen when the first device was made: no exception was being delivered. */
static bool in_delivery_is_known;

static uint64_t *mce_register(CPUState *cpu, const char *name)
{
    uint64_t *field = mce_field(cpu, name, 1);

    g_assert(field); /* mmrig_mce_check() was here before */
    return field;
}

static uint64_t *mce_bank(CPUState *cpu, unsigned bank)
{
    uint64_t *banks =
        mce_field(cpu, "env.mce_banks", (bank + 1) * MCE_BANK_REGISTERS);

    g_assert(banks);
    return banks + (size_t)bank * MCE_BANK_REGISTERS;
}

static MmrigMceVendor mce_vendor(CPUState *cpu)
{
    g_autofree char *name =
        object_property_get_str(OBJECT(cpu), "vendor", NULL);

    return name ? mmrig_mce_vendor_find(name) : MMRIG_MCE_VENDORS;
}

bool mmrig_mce_check(Error **errp)
{
    CPUState *cpu = first_cpu;
    const uint64_t *cap;

    if (!cpu || !object_dynamic_cast(OBJECT(cpu), "x86_64-cpu")) {
        error_setg(errp, "memory errors are for x86-64 machines only");
        return false;
    }
    if (!mce_field(cpu, "env.cr[4]", 1) || !mce_field(cpu, "env.eip", 1) ||
        !mce_field(cpu, "env.mcg_cap", 1) ||
        !mce_field(cpu, "env.mcg_ctl", 1) ||
        !mce_field(cpu, "env.mcg_status", 1) ||
        !mce_field(cpu, "env.mce_banks", MCE_BANKS * MCE_BANK_REGISTERS)) {
        error_setg(errp, "this QEMU's machine-check registers are not where"
                         " they were expected");
        return false;
    }
    if (mce_in_delivery(cpu) && *mce_in_delivery(cpu) == EXCEPTION_NONE) {
        in_delivery_is_known = true;
    }
    switch (mce_vendor(cpu)) {
    case MMRIG_MCE_INTEL:
        cap = mce_register(cpu, "env.mcg_cap");
        if ((*cap & MCG_CAP_COUNT) >= MCE_BANKS && *cap & MCG_CAP_SER_P) {
            return true;
        }
        error_setg(errp, "the processors' model has no machine checks that can"
                         " be recovered from (CPUID MCE and MCA, family 6)");
        return false;
    case MMRIG_MCE_AMD:
        cap = mce_register(cpu, "env.mcg_cap");
        if ((*cap & MCG_CAP_COUNT) >= MCE_BANKS &&
            object_property_get_bool(OBJECT(cpu), "succor", NULL)) {
            return true;
        }
        error_setg(errp, "the processors' model has no machine checks that can"
                         " be recovered from (AMD's SUCCOR); choose another,"
                         " for example -cpu max,vendor=GenuineIntel,family=6,"
                         "model=143,stepping=4");
        return false;
    default:
        error_setg(errp,
                   "the processors are neither Intel's nor AMD's, of which the"
                   " errors are known; choose such a model, for example -cpu"
                   " max,vendor=GenuineIntel,family=6,model=143,stepping=4");
        return false;
    }
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

/* A register that is in a part of the description which some versions lack. */
static uint64_t *mce_late_register(CPUState *cpu, const char *name)
{
    const VMStateDescription *const *part = vmstate_x86_cpu.subsections;

    for (; part && *part; part++) {
        for (const VMStateField *f = (*part)->fields; f->name; f++) {
            if (strcmp(f->name, name) == 0 && f->size == sizeof(uint64_t)) {
                return (void *)((uint8_t *)cpu + f->offset);
            }
        }
    }
    return NULL;
}

/* ---- Delivery ----------------------------------------------------------- */

/* Whatever software has turned off stays silent (sections 16.3.1.3, 16.3.2.1).
 */
static bool mce_is_disabled(CPUState *cpu, const uint64_t *bank)
{
    return (*mce_register(cpu, "env.mcg_cap") & MCG_CAP_CTL_P &&
            *mce_register(cpu, "env.mcg_ctl") != UINT64_MAX) ||
           bank[MCE_BANK_CTL] != UINT64_MAX;
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

/* All others are told as well, without an error of their own. */
static bool mce_is_bystander(const MmrigMce *mce)
{
    return mce->exception && !(mce->status & MCI_STATUS_VAL);
}

/*
 * In the processor's thread, under the big lock. FALSE if software has turned
 * the reporting of such errors off: it is in the log only.
 */
static bool mce_take(CPUState *cpu, MmrigMce mce)
{
    uint64_t *bank = mce_bank(cpu, mce.bank);
    uint64_t *mcg_status = mce_register(cpu, "env.mcg_status");

    if (mce.status & MCI_STATUS_UC && mce_is_disabled(cpu, bank)) {
        mmrig_mce_disable(&mce);
        mmrig_mce_log(bank, &mce);
        return false;
    }
    /* One that has met an error itself meanwhile need not be called. */
    if (mce_is_bystander(&mce) && *mcg_status & MCG_STATUS_MCIP) {
        return true;
    }
    if (mce.exception && (!(*mce_register(cpu, "env.cr[4]") & CR4_MCE) ||
                          *mcg_status & MCG_STATUS_MCIP)) {
        /* Section 16.3.1.2: a second one while the first lasts. */
        mce_log_reset(cpu, *mcg_status & MCG_STATUS_MCIP);
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        return true;
    }
    if (mce.status & MCI_STATUS_VAL) {
        mmrig_mce_log(bank, &mce);
    }
    if (mce.exception) {
        *mcg_status = mce.mcg_status;
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
        mce_take(cpu, work->mce);
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

static void mce_deliver_later(CPUState *cpu, const MmrigMce *mce)
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

static bool mce_deliver(CPUState *cpu, const MmrigMce *mce, Error **errp)
{
    MceWork work = {.mce = *mce};

    if (!mce_has_bank(cpu, mce, errp)) {
        return false;
    }
    if (current_cpu) {
        mce_deliver_later(cpu, mce);
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

/* Sections 16.3.1.4 and 16.3.1.5, "Enabling Local Machine Check". */
static bool mce_is_local(CPUState *cpu)
{
    const uint64_t *enabled;
    const uint64_t *allowed;

    if (mce_vendor(cpu) == MMRIG_MCE_AMD) {
        return true;
    }
    if (!(*mce_register(cpu, "env.mcg_cap") & MCG_CAP_LMCE_P)) {
        return false;
    }
    if (!kvm_enabled()) {
        /* TCG has neither of the two registers: no guest can turn it on. */
        return true;
    }
    enabled = mce_late_register(cpu, "env.mcg_ext_ctl");
    allowed = mce_late_register(cpu, "env.msr_ia32_feature_control");
    return enabled && allowed && *enabled & MCG_EXT_CTL_LMCE_EN &&
           (*allowed & (FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_LMCE)) ==
               (FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_LMCE);
}

static void mce_gather_later(CPUState *but)
{
    const MmrigMce bystander = mmrig_mce_make_bystander();
    CPUState *cpu;

    RCU_READ_LOCK_GUARD();
    CPU_FOREACH(cpu)
    {
        if (cpu != but) {
            mce_deliver_later(cpu, &bystander);
        }
    }
}

bool mmrig_mce_report(CPUState *cpu, MmrigMceKind kind, uint64_t gpa,
                      bool broadcast, unsigned count, Error **errp)
{
    MmrigMceVendor vendor = mce_vendor(cpu);
    bool local = mce_is_local(cpu) && !broadcast;
    MmrigMce mce = mmrig_mce_make(vendor, kind, gpa, local, count);
    MmrigMce bystander = mmrig_mce_make_bystander();

    if (broadcast && vendor == MMRIG_MCE_AMD) {
        error_setg(errp, "a machine check of AMD's is told to one processor"
                         " and never to all");
        return false;
    }
    if (!mce_deliver(cpu, &mce, errp)) {
        return false;
    }
    for (unsigned i = 0; mce.exception && !local && i < mmrig_mce_cpus(); i++) {
        CPUState *other = mmrig_mce_cpu(i);

        if (other && other != cpu && !mce_deliver(other, &bystander, errp)) {
            return false;
        }
    }
    return true;
}

void mmrig_mce_report_later(CPUState *cpu, MmrigMceKind kind, uint64_t gpa)
{
    MmrigMce mce =
        mmrig_mce_make(mce_vendor(cpu), kind, gpa, mce_is_local(cpu), 1);

    mce_deliver_later(cpu, &mce);
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
    if (in_delivery_is_known && mce_in_delivery(cpu)) {
        *mce_in_delivery(cpu) = EXCEPTION_NONE;
    }
    cpu->exception_index = EXCEPTION_NONE;
    cpu_loop_exit_restore(cpu, place);
}

void mmrig_mce_consume(CPUState *cpu, hwaddr gpa, bool fetch)
{
    bool local = mce_is_local(cpu);
    MmrigMce mce = mmrig_mce_make(mce_vendor(cpu),
                                  fetch ? MMRIG_MCE_SRAR_FETCH : MMRIG_MCE_SRAR,
                                  gpa, local, 0);

    if (kvm_enabled()) {
        mce_deliver_later(cpu, &mce);
    } else if (!mce_take(cpu, mce)) {
        return;
    }
    if (!local) {
        mce_gather_later(cpu);
    }
    if (!kvm_enabled()) {
        mce_leave_access(cpu);
    }
}
