/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmrig-mirror: what its properties say. */
#include "mirror.h"

#include "qapi/error.h"
#include "qemu/cutils.h"

/* "25", "12.5" or "33.33", in hundredths. */
static bool mirror_parse_percent(MmrigMirror *s, Error **errp)
{
    const char *at = s->percent_text ? s->percent_text : "0";
    uint32_t scale = 100;
    uint32_t value = 0;
    int digits = 0;

    for (; g_ascii_isdigit(*at) && digits < 3; at++, digits++) {
        value = 10 * value + (*at - '0');
    }
    value *= 100;
    if (digits > 0 && *at == '.') {
        at++;
        for (digits = 0; g_ascii_isdigit(*at) && scale > 1; at++, digits++) {
            scale /= 10;
            value += scale * (*at - '0');
        }
    }
    if (digits == 0 || *at != '\0' || value > MMRIG_MIRROR_PERCENT_MAX) {
        error_setg(errp,
                   "percent: '%s' is not from 0 to 100 with at most two digits "
                   "behind the point",
                   s->percent_text);
        return false;
    }
    s->percent = value;
    return true;
}

bool mmrig_mirror_parse_range(const char *text, MirrorEntry *entry)
{
    const char *end;
    uint64_t size;

    if (!g_ascii_isdigit(text[0]) ||
        qemu_strtou64(text, &end, 0, &entry->base) < 0 || *end != '+' ||
        !g_ascii_isdigit(end[1]) ||
        qemu_strtou64(end + 1, &end, 0, &size) < 0) {
        return false;
    }
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (shift) {
        end++;
    }
    entry->size = size << shift;
    return *end == '\0' && entry->size >> shift == size;
}

static bool mirror_parse_ranges(MmrigMirror *s, const char *name,
                                const char *text, uint32_t attribute,
                                Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text ? text : "", ":", -1);

    for (char **word = words; *word; word++) {
        MirrorEntry entry = {.word = attribute};

        if (!mmrig_mirror_parse_range(*word, &entry)) {
            error_setg(errp,
                       "%s: '%s' is not BASE+SIZE (0x100000000+256M); ranges "
                       "are parted by colons",
                       name, *word);
            return false;
        }
        if (s->range_count == MMRIG_MIRROR_RANGES_MAX) {
            error_setg(errp, "%s: more than %u ranges in all", name,
                       MMRIG_MIRROR_RANGES_MAX);
            return false;
        }
        s->ranges[s->range_count++] = entry;
    }
    return true;
}

bool mmrig_mirror_parse_properties(MmrigMirror *s, Error **errp)
{
    s->range_count = 0;
    return mirror_parse_percent(s, errp) &&
           mirror_parse_ranges(s, "mirror", s->mirror_text,
                               MMRIG_MIRROR_ATTRIBUTE_MIRROR, errp) &&
           mirror_parse_ranges(s, "specific", s->specific_text,
                               MMRIG_MIRROR_ATTRIBUTE_SPECIFIC, errp);
}
