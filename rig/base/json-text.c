/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-text.h"

#include "text.h"

void mmrig_json_set_text(JsonObject *object, const char *member, const char *text)
{
    g_autofree char *valid = mmrig_text_utf8(text);

    if (valid)
        json_object_set_string_member(object, member, valid);
    else
        json_object_set_null_member(object, member);
}

void mmrig_json_add_text(JsonBuilder *builder, const char *member, const char *text)
{
    g_autofree char *valid = mmrig_text_utf8(text);

    json_builder_set_member_name(builder, member);
    if (valid)
        json_builder_add_string_value(builder, valid);
    else
        json_builder_add_null_value(builder);
}

void mmrig_json_add_number(JsonBuilder *builder, const char *member, gint64 number)
{
    json_builder_set_member_name(builder, member);
    json_builder_add_int_value(builder, number);
}
