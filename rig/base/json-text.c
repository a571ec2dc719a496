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
