/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "inject.h"

#include <string.h>

#include "base/error.h"
#include "ini/ini.h"
#include "mmrig-ras-regs.h"

const MmrigInjectKind mmrig_inject_kinds[] = {
    {"srar", "poison", TRUE,
     "the memory is bad: whoever reads it takes a machine check at that instruction (mce: the "
     "machine check comes now, to whatever runs)"},
    {"srao", "srao", TRUE, "the patrol scrubber has found bad memory that nobody has read yet"},
    {"ucna", "ucna", FALSE,
     "bad memory was found and is told without an exception, for the kernel to act on"},
    {"ce", "ce", FALSE, "an error was corrected; the memory stays good"},
    {"fatal", NULL, TRUE, "the processor's state is lost: the kernel must panic"},
};
const gsize mmrig_inject_kinds_count = G_N_ELEMENTS(mmrig_inject_kinds);

static const char *const target_names[] = {
    [MMRIG_TARGET_ANY] = "any", [MMRIG_TARGET_DRAM] = "dram", [MMRIG_TARGET_PMEM] = "pmem",
    [MMRIG_TARGET_CXL] = "cxl", [MMRIG_TARGET_MCE] = "mce",
};

const char *mmrig_target_name(MmrigTarget target)
{
    return target_names[target];
}

static gboolean inject_find_target(const char *name, MmrigTarget *target)
{
    for (guint i = MMRIG_TARGET_DRAM; i < G_N_ELEMENTS(target_names); i++) {
        if (strcmp(target_names[i], name) == 0) {
            *target = (MmrigTarget)i;
            return TRUE;
        }
    }
    return FALSE;
}

G_GNUC_PRINTF(2, 3)
static gboolean inject_wrong(GError **error, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *text = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error_literal(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, text);
    return FALSE;
}

/* ---- Words ---------------------------------------------------------------------------- */

static gboolean inject_read_number(const char *key, const char *text, guint64 least,
                                   guint64 most, guint64 *number, GError **error)
{
    gboolean hex = g_str_has_prefix(text, "0x");

    if (g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, least, most, number,
                                   NULL))
        return TRUE;
    return inject_wrong(error,
                        "--%s %s: a number is wanted, decimal or with 0x before it, from "
                        "%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                        key, text, least, most);
}

static gboolean read_kind(const char *text, MmrigInject *inject, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (gsize i = 0; i < mmrig_inject_kinds_count; i++) {
        if (strcmp(mmrig_inject_kinds[i].name, text) == 0) {
            inject->kind = &mmrig_inject_kinds[i];
            return TRUE;
        }
        g_string_append_printf(names, "%s%s", i ? ", " : "", mmrig_inject_kinds[i].name);
    }
    return inject_wrong(error, "--kind %s: there is no such kind of error; there are %s", text,
                        names->str);
}

static gboolean read_device(const char *text, MmrigInject *inject, GError **error)
{
    if (!mmrig_id_valid(text))
        return inject_wrong(error,
                            "--device %s: no device has that id; it is the ID of a section "
                            "[nvdimm ID] or [cxl ID]",
                            text);
    g_strlcpy(inject->device, text, sizeof(inject->device));
    return TRUE;
}

/* Addresses stay within what JSON's numbers can say. */
#define ADDRESS_MAX ((guint64)G_MAXINT64)

static gboolean read_pair(const char *key, const char *value, MmrigInject *inject,
                          gboolean *has_vaddr, GError **error)
{
    guint64 number = 0;

    if (strcmp(key, "kind") == 0)
        return read_kind(value, inject, error);
    if (strcmp(key, "device") == 0)
        return read_device(value, inject, error);
    if (strcmp(key, "gpa") == 0) {
        inject->has_gpa = TRUE;
        return inject_read_number(key, value, 0, ADDRESS_MAX, &inject->gpa, error);
    }
    if (strcmp(key, "offset") == 0) {
        inject->has_offset = TRUE;
        return inject_read_number(key, value, 0, ADDRESS_MAX, &inject->offset, error);
    }
    if (strcmp(key, "pid") == 0) {
        inject->has_pid = TRUE;
        return inject_read_number(key, value, 1, G_MAXINT32, &inject->pid, error);
    }
    if (strcmp(key, "vaddr") == 0) {
        *has_vaddr = TRUE;
        /* Of a program: the lower half of the addresses. */
        return inject_read_number(key, value, 0, (G_GUINT64_CONSTANT(1) << 56) - 1,
                                  &inject->vaddr, error);
    }
    if (strcmp(key, "length") == 0)
        return inject_read_number(key, value, 1, G_GUINT64_CONSTANT(1) << 40, &inject->length,
                                  error);
    if (strcmp(key, "cpu") == 0) {
        inject->has_cpu = TRUE;
        gboolean good = inject_read_number(key, value, 0, 4095, &number, error);
        inject->cpu = (guint)number;
        return good;
    }
    if (strcmp(key, "count") == 0) {
        gboolean good = inject_read_number(key, value, 1, MMRIG_RAS_COUNT_MAX, &number, error);
        inject->count = (guint)number;
        return good;
    }
    return inject_wrong(error, "there is no \"%s=\" in a request", key);
}

static gboolean read_word(const char *word, MmrigInject *inject, gboolean *has_vaddr,
                          GHashTable *seen, GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *key = equals ? g_strndup(word, (gsize)(equals - word)) : g_strdup(word);

    for (const char *c = word; *c; c++)
        if (!g_ascii_isgraph(*c))
            return inject_wrong(error, "a request is of plain ASCII words");
    if (!g_hash_table_add(seen, g_strdup(key)))
        return inject_wrong(error, "--%s is given twice", key);
    if (equals)
        return read_pair(key, equals + 1, inject, has_vaddr, error);
    if (strcmp(word, "broadcast") == 0)
        inject->broadcast = TRUE;
    else if (strcmp(word, "notify") == 0)
        inject->notify = TRUE;
    else
        return inject_wrong(error, "there is no \"%s\" in a request", word);
    return TRUE;
}

/* ---- Together ------------------------------------------------------------------------- */

static gboolean check_place(const MmrigInject *inject, gboolean has_vaddr, GError **error)
{
    guint places = (guint)inject->has_gpa + inject->has_offset + inject->has_pid;

    if (inject->has_pid != has_vaddr)
        return inject_wrong(error,
                            "--pid and --vaddr go together: which process, and where in it");
    if (places > 1)
        return inject_wrong(error, "say where once: --gpa, --offset, or --pid and --vaddr");
    if (places == 0 && inject->verb == MMRIG_INJECT_INJECT)
        return inject_wrong(error,
                            "say where: --gpa ADDRESS, --offset OFFSET, or --pid PID and "
                            "--vaddr ADDRESS");
    if (inject->target == MMRIG_TARGET_CXL && places == 1 && !inject->has_offset)
        return inject_wrong(error,
                            "cxl: QEMU's devices take an address of their own: --offset OFFSET "
                            "(and --device ID)");
    if (inject->device[0] && inject->target != MMRIG_TARGET_PMEM &&
        inject->target != MMRIG_TARGET_CXL)
        return inject_wrong(error, "--device is for pmem and cxl");
    if (inject->device[0] && places == 1 && !inject->has_offset)
        return inject_wrong(error,
                            "--device goes with --offset; an address tells the device itself");
    return TRUE;
}

static gboolean check_kind(MmrigInject *inject, GError **error)
{
    gboolean mce = inject->target == MMRIG_TARGET_MCE;

    if (!mce && inject->target != MMRIG_TARGET_DRAM) {
        if (inject->kind || inject->has_cpu || inject->broadcast || inject->count)
            return inject_wrong(
                error,
                "%s: --kind, --cpu, --broadcast and --count are for dram and mce; bad "
                "%s memory is bad when it is read",
                target_names[inject->target], target_names[inject->target]);
    } else if (!inject->kind) {
        inject->kind = &mmrig_inject_kinds[0];
    }
    if (mce && !inject->kind->mce)
        return inject_wrong(error,
                            "mce: QEMU's own command has no %s; use dram, with mmrig-ras",
                            inject->kind->name);
    if (inject->target == MMRIG_TARGET_DRAM && !inject->kind->ras)
        return inject_wrong(error, "dram: memory has no %s error; use mce", inject->kind->name);
    if (mce && (inject->broadcast || inject->count || inject->length))
        return inject_wrong(error,
                            "mce: one processor is told of one address; --broadcast, --count "
                            "and --length are for dram");
    if (inject->target == MMRIG_TARGET_DRAM && strcmp(inject->kind->ras, "poison") == 0 &&
        (inject->has_cpu || inject->broadcast))
        return inject_wrong(error, "dram: srar comes to whoever reads the memory, so --cpu and "
                                   "--broadcast say nothing; use mce for one now");
    if (inject->count && strcmp(inject->kind->name, "ce") != 0)
        return inject_wrong(error, "--count is for --kind ce");
    if (inject->notify && inject->target != MMRIG_TARGET_PMEM)
        return inject_wrong(error, "--notify is for pmem");
    return TRUE;
}

static gboolean check_clear(const MmrigInject *inject, GError **error)
{
    if (inject->kind || inject->has_cpu || inject->broadcast || inject->count || inject->notify)
        return inject_wrong(error, "clear takes a place and --length at most");
    if (inject->target == MMRIG_TARGET_MCE)
        return inject_wrong(error, "clear mce: a machine check leaves nothing to clear");
    if (inject->target == MMRIG_TARGET_CXL)
        return inject_wrong(error, "clear cxl: QEMU has no command for it; the guest clears it "
                                   "(clear_poison in debugfs)");
    if (inject->target == MMRIG_TARGET_ANY && inject->has_offset)
        return inject_wrong(error, "clear: say of what the offset is, dram or pmem");
    if (inject->length && !inject->has_gpa && !inject->has_offset && !inject->has_pid)
        return inject_wrong(error, "clear: --length of what? Say where, too");
    return TRUE;
}

gboolean mmrig_inject_parse(const char *const *words, MmrigInject *inject, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gboolean has_vaddr = FALSE;

    memset(inject, 0, sizeof(*inject));
    if (!*words)
        return inject_wrong(error, "inject what? dram, pmem, cxl or mce; or list, or clear");
    if (strcmp(*words, "list") == 0)
        return words[1] ? inject_wrong(error, "list takes nothing behind it")
                        : (inject->verb = MMRIG_INJECT_LIST, TRUE);
    inject->verb = strcmp(*words, "clear") == 0 ? MMRIG_INJECT_CLEAR : MMRIG_INJECT_INJECT;
    if (inject->verb == MMRIG_INJECT_CLEAR || strcmp(*words, "inject") == 0)
        words++;
    if (*words && inject_find_target(*words, &inject->target)) {
        words++;
    } else if (inject->verb == MMRIG_INJECT_INJECT) {
        return inject_wrong(
            error,
            "\"%.32s\" cannot be injected; say dram, pmem, cxl or mce (or list, "
            "or clear)",
            *words ? *words : "");
    }
    for (; *words; words++) {
        if (!read_word(*words, inject, &has_vaddr, seen, error))
            return FALSE;
    }
    if (!check_place(inject, has_vaddr, error))
        return FALSE;
    return inject->verb == MMRIG_INJECT_CLEAR ? check_clear(inject, error)
                                              : check_kind(inject, error);
}

/* ---- For the machine ------------------------------------------------------------------ */

char *mmrig_inject_ras_text(const MmrigInject *inject, guint64 gpa)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (inject->verb == MMRIG_INJECT_INJECT)
        g_string_append_printf(text, "kind=%s,", inject->kind->ras);
    g_string_append_printf(text, "gpa=0x%" G_GINT64_MODIFIER "x,len=%" G_GUINT64_FORMAT, gpa,
                           inject->length ? inject->length : MMRIG_RAS_GRANULE);
    if (inject->has_cpu)
        g_string_append_printf(text, ",cpu=%u", inject->cpu);
    if (inject->broadcast)
        g_string_append(text, ",broadcast=on");
    if (inject->count)
        g_string_append_printf(text, ",count=%u", inject->count);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

GStrv mmrig_inject_mce_words(const MmrigInject *inject, guint64 gpa)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    g_autofree char *address = g_strdup_printf("gpa=0x%" G_GINT64_MODIFIER "x", gpa);
    g_autofree char *kind = g_strconcat("kind=", inject->kind->name, NULL);
    g_autofree char *cpu = g_strdup_printf("cpu=%u", inject->cpu);

    g_strv_builder_add(words, address);
    g_strv_builder_add(words, kind);
    g_strv_builder_add(words, cpu);
    return g_strv_builder_end(words);
}

gboolean mmrig_inject_find_module(const char *modules, guint64 gpa, char **module,
                                  guint64 *offset, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(modules, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 4);
        guint64 base, size;

        if (g_strv_length(words) < 3 || !g_str_has_prefix(words[1], "0x") ||
            !g_str_has_prefix(words[2], "0x") ||
            !g_ascii_string_to_unsigned(words[1] + 2, 16, 0, G_MAXUINT64, &base, NULL) ||
            !g_ascii_string_to_unsigned(words[2] + 2, 16, 0, G_MAXUINT64, &size, NULL))
            continue;
        if (gpa < base || gpa - base >= size)
            continue;
        *module = g_strdup(words[0]);
        *offset = gpa - base;
        return TRUE;
    }
    return inject_wrong(error, "pmem: no NVDIMM of the machine is at 0x%" G_GINT64_MODIFIER "x",
                        gpa);
}
