/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "error.h"

#include <errno.h>
#include <gio/gio.h>

G_DEFINE_QUARK(mmrig_error, mmrig_error)

MmrigErrorCode mmrig_error_of_errno(int cause)
{
    switch (cause) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return MMRIG_ERROR_RIG;
    default:
        return MMRIG_ERROR_INPUT;
    }
}

MmrigExit mmrig_error_exit(const GError *error)
{
    if (error->domain == MMRIG_ERROR) {
        switch ((MmrigErrorCode)error->code) {
        case MMRIG_ERROR_INPUT:
            return MMRIG_EXIT_USAGE;
        case MMRIG_ERROR_UNMET:
            return MMRIG_EXIT_SKIP;
        case MMRIG_ERROR_RIG:
        case MMRIG_ERROR_QEMU:
        case MMRIG_ERROR_GUEST:
        case MMRIG_ERROR_TIMEOUT:
        case MMRIG_ERROR_SILENT:
        case MMRIG_ERROR_TEMPLATE:
        case MMRIG_ERROR_QEMU_RACE:
            return MMRIG_EXIT_RIG;
        }
    }
    if (error->domain == G_OPTION_ERROR)
        return MMRIG_EXIT_USAGE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY) ||
        g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
        g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES) ||
        g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_PERM))
        return MMRIG_EXIT_USAGE;
    return MMRIG_EXIT_RIG;
}

MmrigExit mmrig_error_report(const GError *error)
{
    g_printerr("mmrig: %s\n", error->message);
    return mmrig_error_exit(error);
}
