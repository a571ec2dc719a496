/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "meeting-private.h"

#include <string.h>

typedef struct {
    char *name;
    gboolean left;
    char *point; /* where it waits, or NULL */
    char *value;
    guint64 request;
} Member;

struct MmrigMeeting {
    GPtrArray *members; /* of Member */
    MmrigMeetingAnswer answer;
    gpointer data;
};

static void meeting_member_free(gpointer data)
{
    Member *member = data;

    g_free(member->name);
    g_free(member->point);
    g_free(member->value);
    g_free(member);
}

MmrigMeeting *mmrig_meeting_new(const char *const *machines, MmrigMeetingAnswer answer,
                                gpointer data)
{
    MmrigMeeting *meeting = g_new0(MmrigMeeting, 1);

    meeting->members = g_ptr_array_new_with_free_func(meeting_member_free);
    for (; *machines; machines++) {
        Member *member = g_new0(Member, 1);
        member->name = g_strdup(*machines);
        g_ptr_array_add(meeting->members, member);
    }
    meeting->answer = answer;
    meeting->data = data;
    return meeting;
}

void mmrig_meeting_free(MmrigMeeting *meeting)
{
    if (!meeting)
        return;
    g_ptr_array_unref(meeting->members);
    g_free(meeting);
}

/*
 * All members stop waiting before the first is answered, since an answer may lead to the next
 * question.
 */
typedef struct {
    guint machine;
    guint64 request;
    GStrv fields;
} Dismissed;

static void meeting_dismissed_clear(gpointer data)
{
    g_strfreev(((Dismissed *)data)->fields);
}

/* The values that all others told this member. */
static GStrv meeting_fields(const MmrigMeeting *meeting, const Member *member)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new();

    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *other = g_ptr_array_index(meeting->members, i);
        if (other != member && other->value)
            g_ptr_array_add(fields, g_strdup_printf("%s=%s", other->name, other->value));
    }
    g_ptr_array_add(fields, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&fields), FALSE);
}

/* Answers all that wait: with what they told each other, or with the problem. */
static void meeting_dismiss(MmrigMeeting *meeting, const char *problem)
{
    g_autoptr(GArray) dismissed = g_array_new(FALSE, FALSE, sizeof(Dismissed));

    g_array_set_clear_func(dismissed, meeting_dismissed_clear);
    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *member = g_ptr_array_index(meeting->members, i);
        if (member->point) {
            Dismissed one = {i, member->request, meeting_fields(meeting, member)};
            g_array_append_val(dismissed, one);
        }
    }
    for (guint i = 0; i < meeting->members->len; i++) {
        Member *member = g_ptr_array_index(meeting->members, i);
        g_clear_pointer(&member->point, g_free);
        g_clear_pointer(&member->value, g_free);
    }
    for (guint i = 0; i < dismissed->len; i++) {
        const Dismissed *one = &g_array_index(dismissed, Dismissed, i);
        meeting->answer(one->machine, one->request,
                        problem ? NULL : (const char *const *)one->fields, problem,
                        meeting->data);
    }
}

/* Why those that wait will never meet, or NULL. */
static char *meeting_problem(const MmrigMeeting *meeting)
{
    const Member *first = NULL;

    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *member = g_ptr_array_index(meeting->members, i);
        if (member->left)
            return g_strdup_printf("machine %s has ended its test", member->name);
    }
    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *member = g_ptr_array_index(meeting->members, i);
        if (!member->point)
            return NULL;
        if (!first)
            first = member;
    }
    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *member = g_ptr_array_index(meeting->members, i);
        if (strcmp(member->point, first->point) != 0)
            return g_strdup_printf("machine %s waits at \"%s\" and machine %s at \"%s\"",
                                   first->name, first->point, member->name, member->point);
    }
    return NULL;
}

static gboolean meeting_is_full(const MmrigMeeting *meeting)
{
    for (guint i = 0; i < meeting->members->len; i++) {
        const Member *member = g_ptr_array_index(meeting->members, i);
        if (!member->point)
            return FALSE;
    }
    return TRUE;
}

void mmrig_meeting_ask(MmrigMeeting *meeting, guint machine, guint64 request, const char *point,
                       const char *value)
{
    Member *member = g_ptr_array_index(meeting->members, machine);

    if (member->point) {
        meeting->answer(machine, request, NULL, "this machine waits for a meeting already",
                        meeting->data);
        return;
    }
    member->point = g_strdup(point);
    member->value = g_strdup(value);
    member->request = request;
    g_autofree char *problem = meeting_problem(meeting);
    if (problem || meeting_is_full(meeting))
        meeting_dismiss(meeting, problem);
}

gboolean mmrig_meeting_waits(const MmrigMeeting *meeting, guint machine)
{
    return ((const Member *)g_ptr_array_index(meeting->members, machine))->point != NULL;
}

void mmrig_meeting_leave(MmrigMeeting *meeting, guint machine)
{
    Member *member = g_ptr_array_index(meeting->members, machine);

    member->left = TRUE;
    g_clear_pointer(&member->point, g_free);
    g_clear_pointer(&member->value, g_free);
    g_autofree char *problem = meeting_problem(meeting);
    meeting_dismiss(meeting, problem);
}
