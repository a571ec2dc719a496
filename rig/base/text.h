/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things done to text. */
#pragma once

#include <glib.h>

/* text with what is not UTF-8 in it replaced (U+FFFD); NULL stays NULL. Free with g_free(). */
char *mmrig_text_utf8(const char *text);

/*
 * What a guest, or a program that it may have broken into, said, made safe to print and store:
 * valid UTF-8 in which nothing controls a terminal. What is not UTF-8, NULs, and control
 * characters but TAB (C1's, such as U+009B, too) become U+FFFD. Free with g_free().
 */
char *mmrig_text_clean(const char *bytes, gsize size);
/* The same of several lines: LF stays, and CR, which a serial line puts in front of it, goes.
 * Free with g_free(). */
char *mmrig_text_clean_lines(const char *bytes, gsize size);
/* The same of one line, within its size: '?' for each byte that is not good. */
void mmrig_text_clean_in_place(char *bytes, gsize size);

/* For g_ptr_array_sort() and qsort(): the order of two texts, by their bytes; of elements that
 * are char *. */
int mmrig_text_compare(gconstpointer a, gconstpointer b);
