/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the tests of several machines wait for each other: the request "meet". Pure: it is told
 * who asks and who has ended, and calls back with answers, also from within such a call.
 */
#pragma once

#include <glib.h>

typedef struct MmrigMeeting MmrigMeeting;

/* fields: KEY=VALUE, NULL-terminated, or NULL with the reason for which there is no meeting. */
typedef void (*MmrigMeetingAnswer)(guint machine, guint64 request, const char *const *fields,
                                   const char *problem, gpointer data);

/* machines are the names of at least two, NULL-terminated, and copied. */
MmrigMeeting *mmrig_meeting_new(const char *const *machines, MmrigMeetingAnswer answer,
                                gpointer data);
void mmrig_meeting_free(MmrigMeeting *meeting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigMeeting, mmrig_meeting_free)

/*
 * The machine's test waits at this point until all others do, and tells them value (or NULL).
 * All are then answered with NAME=VALUE of each other machine that told one. They are refused
 * if one of them has ended its test, and if all wait, but not at the same point.
 */
void mmrig_meeting_ask(MmrigMeeting *meeting, guint machine, guint64 request, const char *point,
                       const char *value);

/* Whether the machine's test waits for a meeting. */
gboolean mmrig_meeting_waits(const MmrigMeeting *meeting, guint machine);

/* The machine's test has ended: whoever waits for it is refused, now and later. */
void mmrig_meeting_leave(MmrigMeeting *meeting, guint machine);
