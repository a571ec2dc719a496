/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine checks, by the monitor's human command "mce": QMP has none of its own. It prints
 * nothing when the guest took the error in, and otherwise says why not. (One loss is silent: an
 * SRAO that comes while the CPU still handles another machine check.)
 *
 * The numbers are those of the Intel SDM, volume 3B, chapter "Machine-Check Architecture";
 * sections are given as N.x, as the chapter's own number N changes (16 in the edition of
 * 2023). Linux reads them by a table of severities (arch/x86/kernel/cpu/mce/severity.c), so a
 * bit more or less turns an error it can survive into one that it cannot, or ignores.
 */
#include "action-private.h"

#include <string.h>

#include "machine/ram.h"

/* IA32_MCi_STATUS, section N.3.2.2. */
enum {
    MCI_STATUS_VAL = 63,   /* the register holds an error */
    MCI_STATUS_UC = 61,    /* the hardware did not correct it */
    MCI_STATUS_EN = 60,    /* the bank was told to report it */
    MCI_STATUS_MISCV = 59, /* IA32_MCi_MISC is valid */
    MCI_STATUS_ADDRV = 58, /* IA32_MCi_ADDR is valid */
    MCI_STATUS_PCC = 57,   /* the processor's state may be corrupt: no going on */
    MCI_STATUS_S = 56,     /* signalled by a machine check exception */
    MCI_STATUS_AR = 55,    /* the software must act before the thread goes on */
};

/* MCACOD, IA32_MCi_STATUS bits 15:0. */
enum {
    /* Section N.9.2, "Compound Error Codes": memory controller, read, channel not told. */
    MCACOD_MEMORY_READ = 0x009f,
    /* Section N.9.3.1, "Architecturally Defined SRAO Errors": memory scrubbing. */
    MCACOD_PATROL_SCRUB = 0x00c0,
    /* Section N.9.3.2, "Architecturally Defined SRAR Errors": data load. */
    MCACOD_DATA_LOAD = 0x0134,
};

/* IA32_MCG_STATUS, section N.3.1.2. */
enum {
    MCG_STATUS_RIPV = 1 << 0, /* the interrupted program can go on */
    MCG_STATUS_EIPV = 1 << 1, /* the error belongs to the interrupted instruction */
    MCG_STATUS_MCIP = 1 << 2, /* a machine check is in progress */
    MCG_STATUS_LMCE = 1 << 3, /* only this processor was told */
};

/* IA32_MCi_MISC of a recoverable error, section N.3.2.4. */
enum {
    MCI_MISC_PHYSICAL = 2 << 6, /* bits 8:6, address mode: physical */
    MCI_MISC_LSB_LINE = 6,      /* bits 5:0: the address is good to 64 bytes, ... */
    MCI_MISC_LSB_PAGE = 12,     /* ... to 4 KiB */
};

/*
 * QEMU gives each CPU ten banks (MCE_BANKS_DEF in target/i386/cpu.h). The last: Linux leaves
 * bank 0 alone on old families, and reads the higher ones everywhere.
 */
enum { BANK = 9 };

#define BIT(number) (G_GUINT64_CONSTANT(1) << (number))
#define UNCORRECTED                                                                            \
    (BIT(MCI_STATUS_VAL) | BIT(MCI_STATUS_UC) | BIT(MCI_STATUS_EN) | BIT(MCI_STATUS_MISCV) |   \
     BIT(MCI_STATUS_ADDRV))

static const struct {
    const char *name;
    guint64 status;
    guint mcg_status;
    guint misc;
} kinds[] = {
    /* Software recoverable, action optional: nobody has used the bad page yet. */
    {"srao", UNCORRECTED | BIT(MCI_STATUS_S) | MCACOD_PATROL_SCRUB,
     MCG_STATUS_RIPV | MCG_STATUS_MCIP, MCI_MISC_PHYSICAL | MCI_MISC_LSB_PAGE},
    /*
     * Software recoverable, action required: the CPU was about to use it. Told from outside, it
     * hits whatever runs just then: Linux recovers a program, but panics if that is the kernel.
     */
    {"srar", UNCORRECTED | BIT(MCI_STATUS_S) | BIT(MCI_STATUS_AR) | MCACOD_DATA_LOAD,
     MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP,
     MCI_MISC_PHYSICAL | MCI_MISC_LSB_LINE},
    /* Not recoverable. */
    {"fatal", UNCORRECTED | BIT(MCI_STATUS_PCC) | MCACOD_MEMORY_READ, MCG_STATUS_MCIP,
     MCI_MISC_PHYSICAL | MCI_MISC_LSB_LINE},
};

static gboolean parse_address(const MmrigRequest *request, guint64 *address, GError **error)
{
    if (!mmrig_request_number(request, "gpa", 0, G_MAXUINT64, address, error))
        return FALSE;
    if (mmrig_ram_has(request->spec, *address))
        return TRUE;
    g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                "%s: gpa=0x%" G_GINT64_MODIFIER "x is not in the guest's %" G_GUINT64_FORMAT
                " MiB of memory",
                request->verb, *address, request->spec->memory >> 20);
    return FALSE;
}

static gboolean prepare_mce(const MmrigRequest *request, JsonObject **arguments, GError **error)
{
    const MmrigMachineSpec *spec = request->spec;
    const char *kind = mmrig_request_text(request, "kind");
    g_autofree char *line = NULL;
    guint64 address = 0, cpu = 0;
    gsize i = 0;

    while (i < G_N_ELEMENTS(kinds) && strcmp(kinds[i].name, kind) != 0)
        i++;
    if (i == G_N_ELEMENTS(kinds)) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_GUEST,
                    "%s: there is no kind=%s; take srao, srar or fatal", request->verb, kind);
        return FALSE;
    }
    if (!mmrig_request_number(request, "cpu", 0, spec->cpus - 1, &cpu, error) ||
        !parse_address(request, &address, error))
        return FALSE;
    /*
     * Told to one CPU of several, the error must say so, or Linux waits in vain for the others
     * to come to the machine check handler. (Telling all, "mce -b", does not work under TCG:
     * the CPUs miss each other's meeting point.)
     */
    guint mcg_status = kinds[i].mcg_status | (spec->cpus > 1 ? MCG_STATUS_LMCE : 0);
    line = g_strdup_printf(
        "mce %u %d 0x%" G_GINT64_MODIFIER "x 0x%x 0x%" G_GINT64_MODIFIER "x 0x%x", (guint)cpu,
        BANK, kinds[i].status, mcg_status, address, kinds[i].misc);
    *arguments = json_object_new();
    json_object_set_string_member(*arguments, "command-line", line);
    return TRUE;
}

static GStrv reply_mce(const MmrigRequest *request, G_GNUC_UNUSED pid_t pid, JsonNode *answer,
                       GError **error)
{
    if (!JSON_NODE_HOLDS_VALUE(answer) || json_node_get_value_type(answer) != G_TYPE_STRING) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU,
                    "%s: human-monitor-command did not return text", request->verb);
        return NULL;
    }
    g_autofree char *text = g_strdup(json_node_get_string(answer));
    if (*g_strstrip(text) != '\0') {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_QEMU, "%s: QEMU says: %s", request->verb,
                    text);
        return NULL;
    }
    return g_new0(char *, 1);
}

static gboolean mce_exists_on(const MmrigArch *arch)
{
    return arch->has_mce;
}

static const char *const mce_commands[] = {"human-monitor-command", NULL};

const MmrigAction mmrig_action_mce_inject = {
    .verb = "mce-inject",
    .commands = mce_commands,
    .keys = {{"gpa", FALSE, TRUE}, {"kind", FALSE, FALSE}, {"cpu", TRUE, FALSE}},
    .exists_on = mce_exists_on,
    .prepare = prepare_mce,
    .reply = reply_mce,
};
