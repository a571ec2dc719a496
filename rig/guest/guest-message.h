/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest says on the control port, checked: abi/mmrig-guest-protocol.h as a struct.
 * Pure and fuzzed, since the guest is hostile.
 */
#pragma once

#include <glib.h>

#include "mmrig-line.h"

typedef enum {
    MMRIG_GUEST_READY,
    MMRIG_GUEST_REQUEST,
    MMRIG_GUEST_METRIC,
    MMRIG_GUEST_POINT,
    MMRIG_GUEST_KERNEL,
    MMRIG_GUEST_STDERR,
    MMRIG_GUEST_ABORT,
    MMRIG_GUEST_DONE,
    MMRIG_GUEST_KEPT,
    MMRIG_GUEST_FORKED,
    MMRIG_GUEST_TRANSLATED,
    MMRIG_GUEST_CLOCK,
    MMRIG_GUEST_FAIL,
} MmrigGuestKind;

typedef enum {
    MMRIG_DONE_BY_EXIT,
    MMRIG_DONE_BY_SIGNAL,
    MMRIG_DONE_BY_TIMEOUT,
} MmrigDoneHow;

typedef enum {
    MMRIG_KLOG_OOPS,
    MMRIG_KLOG_WARNING,
    MMRIG_KLOG_PANIC,
} MmrigKlogKind;

/*
 * One message. Strings are NUL-terminated valid UTF-8 (other bytes were replaced); they and
 * bytes are borrowed from the line and live until the next message.
 */
typedef struct {
    MmrigGuestKind kind;
    guint64 number; /* request, translated, clock: SEQ; stderr, abort, done: the run's ID */
    union {
        struct {
            const char *boot_id, *release;
        } ready;
        struct {
            const char *verb;
            const char *args[MMRIG_WORDS_MAX]; /* NULL-terminated */
        } request;
        struct {
            const char *name;
            double value;
            const char *unit;
        } metric;
        struct {
            const char *series, *x_unit, *y_unit;
            double x, y;
        } point;
        struct {
            MmrigKlogKind kind;
            const char *text;
        } kernel;
        struct {
            const char *bytes;
            gsize size;
        } err;
        struct {
            const char *file, *line, *text;
        } abort;
        struct {
            MmrigDoneHow how;
            guint64 number, output_bytes;
        } done;
        struct {
            const char *boot_id, *nonce;
        } forked;
        struct {
            guint64 address;
            const char *problem; /* NULL: address is good */
        } translated;
        guint64 clock_ns;
        const char *fail;
    };
} MmrigGuestMessage;

/*
 * Reads the line in text (size bytes, room for one more), which is overwritten. FALSE with a
 * GUEST error if the line breaks the protocol.
 */
gboolean mmrig_guest_message_parse(char *text, gsize size, MmrigGuestMessage *message,
                                   GError **error);
