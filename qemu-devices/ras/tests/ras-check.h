/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of mmrig-ras share: the list of what is bad, and memory that is known. */
#ifndef MMRIG_RAS_CHECK_H
#define MMRIG_RAS_CHECK_H

#include "qtest.h"

/* The list of ras0, as "GPA+LENGTH SOURCE;...". Free with g_free(). */
static inline char *list(QTest *q)
{
    g_autoptr(JsonNode) node = qtest_qmp(q, "{'execute':'qom-get','arguments':{'path':'ras0',"
                                            "'property':'poison'}}");
    JsonArray *array = json_node_get_array(node);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *range = json_array_get_object_element(array, i);
        g_string_append_printf(text, "%s%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x %s",
                               i ? ";" : "", json_object_get_int_member(range, "gpa"),
                               json_object_get_int_member(range, "length"),
                               json_object_get_string_member(range, "source"));
    }
    return g_string_free(text, FALSE);
}

static inline void assert_list(QTest *q, const char *text)
{
    g_autofree char *now = list(q);

    g_assert_cmpstr(now, ==, text);
}

static inline uint64_t word(uint64_t address)
{
    return address * 0x9e3779b97f4a7c15ull + 1;
}

static inline void fill(QTest *q, uint64_t address, size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        qtest_writeq(q, address + i, word(address + i));
}

/* What is good is as it was filled. */
static inline void assert_filled(QTest *q, uint64_t address, size_t size, uint64_t bad,
                                 size_t bad_size)
{
    for (uint64_t at = address; at < address + size; at += 8)
        if (at < bad || at >= bad + bad_size)
            g_assert_cmphex(qtest_readq(q, at), ==, word(at));
}

#endif
