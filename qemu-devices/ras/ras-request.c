/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ras-request.h"

#include <glib.h>
#include <string.h>

#include "mmrig-ras-regs.h"

#define PAGE_SIZE_BYTES 4096

typedef struct RasKey {
    const char *name;
    char *value; /* NULL: not given */
} RasKey;

static void ras_keys_free(RasKey *keys)
{
    for (; keys->name; keys++) {
        g_clear_pointer(&keys->value, g_free);
    }
}

/* Sorts the text into the keys that are known; each may be given once. */
static char *ras_keys_parse(const char *text, RasKey *keys)
{
    g_auto(GStrv) words = NULL;

    if (strlen(text) >= MMRIG_RAS_REQUEST_MAX) {
        return g_strdup_printf("a request has less than %d bytes",
                               MMRIG_RAS_REQUEST_MAX);
    }
    for (const char *c = text; *c; c++) {
        if (!g_ascii_isgraph(*c)) {
            return g_strdup("a request is plain ASCII without blanks");
        }
    }
    words = g_strsplit(text, ",", -1);
    for (guint i = 0; words[i]; i++) {
        const char *equals = strchr(words[i], '=');
        RasKey *key = keys;

        if (!equals) {
            return g_strdup_printf("'%s' is not KEY=VALUE", words[i]);
        }
        while (key->name &&
               (strlen(key->name) != (size_t)(equals - words[i]) ||
                strncmp(key->name, words[i], equals - words[i]) != 0)) {
            key++;
        }
        if (!key->name) {
            return g_strdup_printf("there is no key '%.*s'",
                                   (int)(equals - words[i]), words[i]);
        }
        if (key->value) {
            return g_strdup_printf("%s is given twice", key->name);
        }
        key->value = g_strdup(equals + 1);
    }
    return NULL;
}

/* A number, decimal or 0x; *number stays as it is if there is none. */
static char *ras_number(const RasKey *key, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    bool hex;

    if (!key->value) {
        return NULL;
    }
    hex = g_str_has_prefix(key->value, "0x");
    if (g_ascii_string_to_unsigned(hex ? key->value + 2 : key->value,
                                   hex ? 16 : 10, least, most, number, NULL)) {
        return NULL;
    }
    return g_strdup_printf("%s=%s is not a number from %" G_GUINT64_FORMAT
                           " to %" G_GUINT64_FORMAT,
                           key->name, key->value, least, most);
}

static char *ras_switch(const RasKey *key, bool *on)
{
    if (!key->value) {
        return NULL;
    }
    if (strcmp(key->value, "on") != 0 && strcmp(key->value, "off") != 0) {
        return g_strdup_printf("%s=%s is neither on nor off", key->name,
                               key->value);
    }
    *on = strcmp(key->value, "on") == 0;
    return NULL;
}

/* The range that gpa= and len= give. */
static char *ras_range(const RasKey *gpa, const RasKey *len, uint64_t most,
                       uint64_t *address, uint64_t *length)
{
    char *why;

    if (!gpa->value) {
        return g_strdup("gpa= is missing");
    }
    *length = MMRIG_RAS_GRANULE;
    why = ras_number(gpa, 0, UINT64_MAX, address);
    if (!why) {
        why = ras_number(len, 1, most, length);
    }
    if (!why && *address > UINT64_MAX - (*length - 1)) {
        why = g_strdup("the range goes beyond the end of all addresses");
    }
    return why;
}

static char *ras_request_kind(const char *name, RasRequest *request)
{
    if (!name) {
        return g_strdup("kind= is missing");
    }
    if (strcmp(name, "poison") == 0) {
        request->poison = true;
        return NULL;
    }
    request->kind = mmrig_mce_kind_find(name);
    if (request->kind == MMRIG_MCE_KINDS) {
        g_autoptr(GString) known = g_string_new("poison");

        for (MmrigMceKind kind = 0; kind < MMRIG_MCE_KINDS; kind++) {
            g_string_append_printf(known, ", %s", mmrig_mce_kind_name(kind));
        }
        return g_strdup_printf("there is no kind=%s; there are %s", name,
                               known->str);
    }
    request->event = true;
    request->poison = request->kind == MMRIG_MCE_SRAO ||
                      request->kind == MMRIG_MCE_SRAO_CACHE ||
                      request->kind == MMRIG_MCE_UCNA;
    return NULL;
}

char *mmrig_ras_request_parse(const char *text, unsigned processors,
                              RasRequest *request)
{
    enum { KIND, GPA, LEN, CPU, BROADCAST, COUNT, POISON };
    RasKey keys[] = {{"kind", NULL},   {"gpa", NULL},       {"len", NULL},
                     {"cpu", NULL},    {"broadcast", NULL}, {"count", NULL},
                     {"poison", NULL}, {NULL, NULL}};
    uint64_t cpu = 0;
    uint64_t count = 1;
    char *why;

    *request = (RasRequest){0};
    why = ras_keys_parse(text, keys);
    if (!why) {
        why = ras_request_kind(keys[KIND].value, request);
    }
    if (!why) {
        why = ras_range(&keys[GPA], &keys[LEN],
                        (uint64_t)MMRIG_RAS_PAGES_MAX * PAGE_SIZE_BYTES,
                        &request->gpa, &request->length);
    }
    if (!why && !request->event && keys[POISON].value) {
        why = g_strdup("poison= says nothing with kind=poison");
    }
    if (!why) {
        why = ras_switch(&keys[POISON], &request->poison);
    }
    if (!why && !request->event &&
        (keys[CPU].value || keys[BROADCAST].value || keys[COUNT].value)) {
        why = g_strdup("kind=poison is not told to a processor");
    }
    if (!why && processors > 0) {
        why = ras_number(&keys[CPU], 0, processors - 1, &cpu);
    }
    if (!why) {
        why = ras_switch(&keys[BROADCAST], &request->broadcast);
    }
    if (!why && keys[COUNT].value && request->kind != MMRIG_MCE_CE) {
        why = g_strdup("count= is for kind=ce only");
    }
    if (!why) {
        why = ras_number(&keys[COUNT], 1, MMRIG_RAS_COUNT_MAX, &count);
    }
    if (!why && request->broadcast &&
        mmrig_mce_codes_intel[request->kind].mcg_status == 0) {
        why = g_strdup_printf("kind=%s is no exception that could be told to"
                              " all processors",
                              keys[KIND].value);
    }
    request->cpu = cpu;
    request->count = count;
    ras_keys_free(keys);
    return why;
}

char *mmrig_ras_clear_parse(const char *text, RasClear *clear)
{
    enum { GPA, LEN, SOURCE };
    RasKey keys[] = {
        {"gpa", NULL}, {"len", NULL}, {"source", NULL}, {NULL, NULL}};
    char *why = NULL;

    *clear = (RasClear){.length = UINT64_MAX};
    if (strcmp(text, "all") == 0) {
        clear->all = true;
        return NULL;
    }
    why = ras_keys_parse(text, keys);
    if (!why) {
        why = ras_range(&keys[GPA], &keys[LEN], UINT64_MAX, &clear->gpa,
                        &clear->length);
    }
    if (!why && keys[SOURCE].value) {
        if (strcmp(keys[SOURCE].value, "all") == 0) {
            clear->all = true;
        } else if (strcmp(keys[SOURCE].value, "ras") != 0) {
            why = g_strdup_printf("source=%s is neither ras nor all",
                                  keys[SOURCE].value);
        }
    }
    ras_keys_free(keys);
    return why;
}
