/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of every key a scenario file may hold: its type, bounds, default and meaning. The
 * parser, the documentation's test and the "did you mean" suggestions all read this one.
 */
#pragma once

#include <glib.h>

#define MMRIG_SCENARIO_FILE_MAX    (64 * 1024)
#define MMRIG_SCENARIO_DEVICES_MAX 16
#define MMRIG_SCENARIO_TWINS_MAX   16

typedef enum {
    MMRIG_KEY_TEXT,       /* one line of printable text; max: its bytes */
    MMRIG_KEY_NAME,       /* [a-z0-9][a-z0-9-]*, at most 64 bytes */
    MMRIG_KEY_WORDS,      /* printable ASCII words separated by blanks; max: how many */
    MMRIG_KEY_NAMES,      /* names separated by blanks */
    MMRIG_KEY_MODULES,    /* the same with '_' allowed */
    MMRIG_KEY_PROPERTIES, /* KEY=VALUE, separated by blanks */
    MMRIG_KEY_OPTIONS,    /* CONFIG_X or CONFIG_X=value, separated by blanks */
    MMRIG_KEY_NUMBER,
    MMRIG_KEY_SIZE,
    MMRIG_KEY_SWITCH,   /* yes or no */
    MMRIG_KEY_EXPECT,   /* pass or panic */
    MMRIG_KEY_FIRMWARE, /* none or ovmf */
    MMRIG_KEY_BOOT,     /* direct or esp */
    MMRIG_KEY_PATH,     /* absolute; max: its bytes */
    MMRIG_KEY_SIZES,    /* sizes separated by blanks; max: how many */
    MMRIG_KEY_REGEX,
    MMRIG_KEY_SHIFT, /* VERB BYTES */
    MMRIG_KEY_CAUSE, /* by which a twin must fail */
} MmrigKeyType;

typedef struct {
    const char *section; /* without the ID of a device or twin section */
    const char *key;
    MmrigKeyType type;
    gsize offset; /* in MmrigScenario, or in MmrigDevice for a device section */
    guint64 min, max;
    guint64 multiple;     /* SIZE: must be a multiple of this; 0: any */
    const char *fallback; /* the value when it is not given; NULL: stays empty */
    gboolean required;
    const char *meaning;
} MmrigScenarioKey;

extern const MmrigScenarioKey mmrig_scenario_keys[];
extern const gsize mmrig_scenario_keys_count;

/* NULL if there is none. */
const MmrigScenarioKey *mmrig_scenario_key_find(const char *section, const char *key);
gboolean mmrig_scenario_section_exists(const char *section);

/* The key of the section, or the section, nearest to a misspelt one; NULL if none is near. */
const char *mmrig_scenario_key_nearest(const char *section, const char *key);
const char *mmrig_scenario_section_nearest(const char *section);
/* The same among any names, NULL-terminated. */
const char *mmrig_nearest(const char *const *names, const char *name);

/* What kind of value the key takes, in words ("size, 2M to 1T, a multiple of 2M"). g_free(). */
char *mmrig_scenario_key_values(const MmrigScenarioKey *key);

/*
 * Reads value into the key's field of object (MmrigScenario or MmrigDevice), replacing what
 * is there. On failure *problem says what is wrong and what would be right (g_free()).
 */
gboolean mmrig_scenario_key_set(const MmrigScenarioKey *key, gpointer object, const char *value,
                                char **problem);

/* [a-z0-9][a-z0-9-]*, at most 64 bytes. */
gboolean mmrig_name_valid(const char *name);
/* The same, or an INPUT error; what names the thing that is to have the name. */
gboolean mmrig_name_check(const char *name, const char *what, GError **error);
/* [a-z][a-z0-9-]*, at most 32 bytes: what QEMU takes as an id. */
gboolean mmrig_id_valid(const char *id);
