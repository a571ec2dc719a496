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

/* CF_NOIRQ of exec/translation-block.h; the low bits are instructions. */
#define TB_WITHOUT_INTERRUPT 0x10000

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
        qemu_log("mmrig: processor %d cannot take a machine check (%s):"
                 " the machine is reset\n",
                 cpu->cpu_index,
                 *mcg_status & MCG_STATUS_MCIP ? "it is in one" : "CR4.MCE=0");
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

static void mce_take_work(CPUState *cpu, run_on_cpu_data data)
{
    mce_take(cpu, data.host_ptr);
}

static void mce_take_later(CPUState *cpu, run_on_cpu_data data)
{
    g_autofree MmrigMce *mce = data.host_ptr;

    mce_take(cpu, mce);
}

/* KVM holds the registers, and raises the exception itself where it is due. */
static bool mce_deliver_kvm(CPUState *cpu, const MmrigMce *mce, Error **errp)
{
    MmrigKvmMce kvm = mmrig_mce_for_kvm(mce);
    int result = kvm_vcpu_ioctl(cpu, MMRIG_KVM_SET_MCE, &kvm);

    if (result < 0) {
        error_setg_errno(errp, -result,
                         "KVM did not take the machine check for processor %d",
                         cpu->cpu_index);
    }
    return result >= 0;
}

bool mmrig_mce_deliver(CPUState *cpu, const MmrigMce *mce, Error **errp)
{
    if (mce->bank >= mmrig_mce_banks(cpu)) {
        error_setg(errp, "processor %d has no bank %u", cpu->cpu_index,
                   mce->bank);
        return false;
    }
    if (kvm_enabled()) {
        return mce_deliver_kvm(cpu, mce, errp);
    }
    if (qemu_cpu_is_self(cpu)) {
        mce_take(cpu, mce);
    } else if (!current_cpu) {
        run_on_cpu(cpu, mce_take_work, RUN_ON_CPU_HOST_PTR((void *)mce));
    } else {
        async_run_on_cpu(cpu, mce_take_later,
                         RUN_ON_CPU_HOST_PTR(g_memdup2(mce, sizeof(*mce))));
    }
    return true;
}

/* ---- Fetches ------------------------------------------------------------ */

/*
 * TCG translates ahead. Code that begins in a bad page is translated by single
 * instructions, as that page is I/O. But code of a good page that runs into a
 * bad one is translated from its beginning, with none of it executed yet, when
 * the fetch from the bad page comes. Then single instructions are asked for,
 * until it comes for one of them.
 */
static GHashTable
    *stepping; /* CPUState -> the instruction that was asked for */

bool mmrig_mce_fetch_is_due(CPUState *cpu, hwaddr page)
{
    uint64_t ip = *mce_register(cpu, "env.eip");
    MemTxAttrs attrs = {0};
    uint64_t *asked;

    if (cpu_get_phys_page_attrs_debug(cpu, ip & ~UINT64_C(4095), &attrs) ==
        page) {
        return true;
    }
    if (!stepping) {
        stepping = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    asked = g_hash_table_lookup(stepping, cpu);
    if (asked && *asked == ip) {
        g_hash_table_remove(stepping, cpu);
        return true;
    }
    g_hash_table_insert(stepping, cpu, g_memdup2(&ip, sizeof(ip)));
    cpu->cflags_next_tb = cpu->tcg_cflags | TB_WITHOUT_INTERRUPT | 1;
    return false;
}

void mmrig_mce_retry(CPUState *cpu)
{
    cpu_loop_exit(cpu);
}

/* ---- Poison ------------------------------------------------------------- */

void mmrig_mce_consume(CPUState *cpu, hwaddr gpa, bool fetch)
{
    MmrigMce mce = mmrig_mce_make(fetch ? MMRIG_MCE_SRAR_FETCH : MMRIG_MCE_SRAR,
                                  gpa, mmrig_mce_cpus() > 1, 0);

    if (kvm_enabled()) {
        mmrig_mce_deliver(cpu, &mce, NULL);
    } else if (mce_take(cpu, &mce)) {
        cpu_loop_exit_restore(cpu, cpu->mem_io_pc);
    }
}
