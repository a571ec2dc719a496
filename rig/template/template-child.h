/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A template made by a process of its own, so that several are made at once: by this program,
 * called with the same arguments and told which of the scenarios is meant, and by the
 * template's name what came of that scenario when this process read it: files may have changed
 * since.
 */
#pragma once

#include <gio/gio.h>

/* The option ("N:NAME") by which `mmrig run` makes the template of scenario N of its list, and
 * ends. */
#define MMRIG_MAKE_TEMPLATE "make-template"

/*
 * Starts it. words are the arguments of `mmrig run`, its own name first. The process dies with
 * this one, and when cancellable says so. callback comes by the main loop.
 */
void mmrig_template_child_async(const char *const *words, guint scenario, const char *name,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer data);

/*
 * Whether there is a template now; what it said if not (SILENT if it ended with
 * MMRIG_EXIT_FAIL: what the machine did is a verdict, and needs no other boot; else GUEST), or
 * G_IO_ERROR_CANCELLED.
 */
gboolean mmrig_template_child_finish(GAsyncResult *result, GError **error);
