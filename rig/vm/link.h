/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The links between the machines of one run: pairs of sockets without a name, of which each
 * machine inherits one end.
 */
#pragma once

#include <glib.h>

typedef struct MmrigLinks MmrigLinks;

/* cut: the link that is to join nothing, or NULL. It is copied. */
MmrigLinks *mmrig_links_new(const char *cut);
/* Closes what was made and not taken. */
void mmrig_links_free(MmrigLinks *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigLinks, mmrig_links_free)

/*
 * An end of the link of this name, which is the caller's; the second one that is taken is the
 * other end. What is written to an end of a link that is cut is read by nobody. links may be
 * NULL, for a machine that stands alone: nobody is at the other end. -1 with a RIG error.
 */
int mmrig_links_take(MmrigLinks *links, const char *name, GError **error);

/* Takes out of this end what the other one has written and nobody has read. */
void mmrig_link_drain(int fd);
