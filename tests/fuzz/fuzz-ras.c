/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mmrig-ras is asked, as text: either it is refused, or all of it is within bounds. */
#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "mmrig-ras-regs.h"
#include "ras/ras-request.h"

enum { PROCESSORS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    RasRequest request;
    RasClear clear;

    g_autofree char *why = mmrig_ras_request_parse(text, PROCESSORS, &request);
    if (!why) {
        g_assert_true(request.poison || request.event);
        g_assert_cmpuint(request.cpu, <, PROCESSORS);
        g_assert_cmpuint(request.count, >=, 1);
        g_assert_cmpuint(request.count, <=, MMRIG_RAS_COUNT_MAX);
        g_assert_cmpuint(request.length, >=, 1);
        g_assert_cmphex(request.gpa + (request.length - 1), >=, request.gpa);
        if (request.event) {
            g_assert_cmpint(request.kind, <, MMRIG_MCE_KINDS);
            g_assert_cmpuint(
                mmrig_mce_make(MMRIG_MCE_INTEL, request.kind, request.gpa, true, request.count)
                    .bank,
                <, MCE_BANKS);
        }
    } else {
        g_assert_true(g_utf8_validate(why, -1, NULL));
    }
    g_autofree char *reason = mmrig_ras_clear_parse(text, &clear);
    if (!reason)
        g_assert_cmphex(clear.gpa + (clear.length - 1), >=, clear.gpa);
    return 0;
}
