/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one symbol of mmrig-image.so. */
#include "library.h"

__attribute__((visibility("default"))) const MmrigImageLibrary mmrig_image_library = {
    .version = MMRIG_VERSION,
    .write = mmrig_image_write,
    .list = mmrig_image_list,
    .resolve = mmrig_image_resolve,
};
