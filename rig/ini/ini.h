/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of an .ini file as a table: the type, bounds, default and meaning of each. The parser,
 * the documentation's test and the "did you mean" suggestions all read the same table.
 */
#pragma once

#include <glib.h>

typedef struct MmrigIniKey MmrigIniKey;

/* A type of value: how it is read, told and freed. field is the key's in its object. */
typedef struct {
    /*
     * Reads value into the field, replacing what is there. On failure *problem says what is
     * wrong and what would be right (g_free()).
     */
    gboolean (*set)(const MmrigIniKey *key, gpointer field, const char *value, char **problem);
    /* What kind of value the key takes, in words ("size, 2M to 1T"). g_free(). */
    char *(*describe)(const MmrigIniKey *key);
    /* Frees what set() made, or NULL where nothing is to be freed. */
    void (*clear)(gpointer field);
} MmrigIniType;

struct MmrigIniKey {
    const char *name;
    const MmrigIniType *type;
    gsize offset; /* of the field in the object that the section is read into */
    guint64 min, max;
    guint64 multiple;     /* sizes: must be a multiple of this; 0: any */
    const char *fallback; /* the value when it is not given; NULL: stays empty */
    gboolean required;
    const char *meaning;
    /* choice: the words in the order of the enumeration, NULL-terminated; and what they are */
    const char *const *words;
    const char *what;
};

extern const MmrigIniType mmrig_ini_text;       /* char *: one line; max: its bytes */
extern const MmrigIniType mmrig_ini_name;       /* char *: [a-z0-9][a-z0-9-]* */
extern const MmrigIniType mmrig_ini_words;      /* GStrv: printable ASCII; max: how many */
extern const MmrigIniType mmrig_ini_names;      /* GStrv of names */
extern const MmrigIniType mmrig_ini_modules;    /* the same with '_' allowed */
extern const MmrigIniType mmrig_ini_properties; /* GStrv of KEY=VALUE */
extern const MmrigIniType mmrig_ini_options;    /* GStrv of CONFIG_X or CONFIG_X=value */
extern const MmrigIniType mmrig_ini_number;     /* guint, min to max */
extern const MmrigIniType mmrig_ini_size;       /* guint64 bytes, min to max */
extern const MmrigIniType mmrig_ini_sizes;      /* GStrv of sizes, each min to max */
extern const MmrigIniType mmrig_ini_switch;     /* gboolean: yes or no */
extern const MmrigIniType mmrig_ini_choice;     /* an enumeration (guint) */
extern const MmrigIniType mmrig_ini_path;       /* char *: absolute; max: its bytes */
extern const MmrigIniType mmrig_ini_regex;      /* char * */

/* A section: its name (without the id or name behind it), and its keys. */
typedef struct {
    const char *name;
    const MmrigIniKey *keys;
    gsize count;
} MmrigIniSection;

/* The keys of a table that stands in the same file. */
#define MMRIG_INI_SECTION(name, keys)                                                          \
    {                                                                                          \
        (name), (keys), G_N_ELEMENTS(keys)                                                     \
    }

/* NULL if the section has no such key. */
const MmrigIniKey *mmrig_ini_find(const MmrigIniSection *section, const char *name);
/* The key nearest to a misspelt one; NULL if none is near. */
const char *mmrig_ini_nearest(const MmrigIniSection *section, const char *name);
/* As the type's set(), for an object. */
gboolean mmrig_ini_set(const MmrigIniKey *key, gpointer object, const char *value,
                       char **problem);
/* Frees all that the section's keys have set in the object. */
void mmrig_ini_clear(const MmrigIniSection *section, gpointer object);

/* The nearest among any names, NULL-terminated; NULL if none is near. */
const char *mmrig_nearest(const char *const *names, const char *name);

/* [a-z0-9][a-z0-9-]*, at most 64 bytes. */
gboolean mmrig_name_valid(const char *name);
/* The same, or an INPUT error; what names the thing that is to have the name. */
gboolean mmrig_name_check(const char *name, const char *what, GError **error);
/* [a-z][a-z0-9-]*, at most 32 bytes: what QEMU takes as an id. */
gboolean mmrig_id_valid(const char *id);

/*
 * "512M", "1G", "4096" (bytes); suffixes K, M, G, T are powers of 1024. FALSE with an INPUT
 * error if it is not a size or exceeds G_MAXINT64.
 */
gboolean mmrig_size_parse(const char *text, guint64 *bytes, GError **error);
