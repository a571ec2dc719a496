/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions that mmrig-image.so has, for those who need not know of it. Once loaded it
 * stays: libraries that it needs may have told GLib or libc of addresses in them.
 */
#include <dlfcn.h>
#include <string.h>

#include "error.h"
#include "library.h"
#include "paths.h"

static const MmrigImageLibrary *load(GError **error)
{
    const char *path = mmrig_path_image_library();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const MmrigImageLibrary *library = handle ? dlsym(handle, MMRIG_IMAGE_LIBRARY) : NULL;

    if (library && strcmp(library->version, MMRIG_VERSION) == 0)
        return library;
    if (library)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "%s is of mmrig %s, and this is %s; install mmrig anew", path,
                    library->version, MMRIG_VERSION);
    else
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT,
                    "cannot load the part that makes images: %s; install mmrig anew",
                    dlerror());
    return NULL;
}

gboolean mmrig_image_write(MmrigImage *image, int fd, GError **error)
{
    const MmrigImageLibrary *library = load(error);

    return library && library->write(image, fd, error);
}

gboolean mmrig_image_list(const char *path, MmrigImageLine line, gpointer data, GError **error)
{
    const MmrigImageLibrary *library = load(error);

    return library && library->list(path, line, data, error);
}

GVariant *mmrig_image_resolve(const char *folder, const char *const *boot,
                              const char *const *wanted, GError **error)
{
    const MmrigImageLibrary *library = load(error);

    return library ? library->resolve(folder, boot, wanted, error) : NULL;
}
