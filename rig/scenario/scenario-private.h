/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the files that read a scenario: one each for its steps. */
#pragma once

#include "scenario-keys.h"
#include "scenario.h"

/* What the steps share. */
typedef struct {
    GKeyFile *file;
    const char *path;
    const char *twin; /* or NULL */
    GStrv machines;   /* names of the machines, NULL-terminated; empty: one without a name */
    MmrigScenario *scenario;
} MmrigParser;

/* "FILE: [section] key: problem"; section and key may be NULL. Returns FALSE. */
gboolean mmrig_parser_complain(GError **error, const char *path, const char *section,
                               const char *key, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* The same of the place where the user wrote the value: the twin's section if that changed it.
 */
gboolean mmrig_parser_wrong(MmrigParser *parser, GError **error, const char *group,
                            const char *key, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Checks the text (bounds, encoding, nothing given twice), and splits it into groups and keys.
 */
GKeyFile *mmrig_parser_read_text(const char *text, gsize size, const char *path,
                                 GError **error);

/* "nvdimm pmem0" is section "nvdimm" with the id "pmem0", which is NULL for "test". g_free().
 */
char *mmrig_parser_split(const char *group, const char **id);

/* The names of sections, keys, twins and machines, and all that can be said without a value. */
gboolean mmrig_parser_check_names(MmrigParser *parser, GError **error);
/* Lays the changes of the twin over the base; an empty value takes the default back. */
gboolean mmrig_parser_apply_twin(MmrigParser *parser, GError **error);
/*
 * The group that has the value of a key for a machine (NULL: the only one): "kernel left" where
 * that says it, else "kernel". g_free().
 */
char *mmrig_parser_group(const MmrigParser *parser, const char *section, const char *machine,
                         const char *key);

/* Checks the values, each of which is possible by itself, against each other. */
gboolean mmrig_parser_check(MmrigParser *parser, GError **error);
