/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever the guest sends, every string taken from it is text that is safe to show. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL) || strchr(text, '\n') || strchr(text, '\033'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    MmrigGuestMessage message;
    GError *error = NULL;

    memcpy(line, data, size);
    if (!mmrig_guest_message_parse(line, size, &message, &error)) {
        check_text(error->message);
        g_error_free(error);
    } else if (message.kind == MMRIG_GUEST_REQUEST) {
        check_text(message.request.verb);
        for (const char **arg = message.request.args; *arg; arg++)
            check_text(*arg);
    } else if (message.kind == MMRIG_GUEST_READY) {
        check_text(message.ready.release);
    } else if (message.kind == MMRIG_GUEST_ABORT) {
        check_text(message.abort.text);
    } else if (message.kind == MMRIG_GUEST_KERNEL) {
        check_text(message.kernel.text);
    } else if (message.kind == MMRIG_GUEST_FAIL) {
        check_text(message.fail);
    }
    free(line);
    return 0;
}
