/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs and files of the host that mmrig uses, and which of them are there. */
#pragma once

#include <glib.h>

typedef enum {
    MMRIG_TOOL_IMAGE, /* put into guests' images */
    MMRIG_TOOL_FETCH, /* get a distribution's kernel */
    MMRIG_TOOL_BUILD, /* build a kernel from source */
    MMRIG_TOOL_DISK,  /* make a disk that firmware boots from */
} MmrigToolUse;

/*
 * Which of the programs and files for this use are there, below root. found and missing are
 * lists of names, packages is what to install for the missing ones; each is NULL if it is
 * empty, to be freed with g_free().
 */
void mmrig_doctor_tools(const char *root, MmrigToolUse use, char **found, char **missing,
                        char **packages);
