/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <json-glib/json-glib.h>

/*
 * Sets a member to the text, or to null if there is none. What is not UTF-8 in it, as a guest
 * may have sent, is replaced (JSON has nothing else).
 */
void mmrig_json_set_text(JsonObject *object, const char *member, const char *text);

/* The same of what is being built, and a number as a member of it. */
void mmrig_json_add_text(JsonBuilder *builder, const char *member, const char *text);
void mmrig_json_add_number(JsonBuilder *builder, const char *member, gint64 number);
