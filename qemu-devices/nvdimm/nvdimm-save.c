/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the device's health and errors go into its store, and come out of it. */
#include "compat.h"

#include "qemu/aio.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/runstate.h"

#include "nvdimm-device.h"

void mmrig_nvdimm_save(MmrigNvdimm *s)
{
    g_autoptr(GByteArray) pack = NULL;

    if (s->saver) {
        qemu_bh_cancel(s->saver);
    }
    s->unsaved = false;
    if (s->store.fd < 0) {
        return;
    }
    pack = mmrig_nvdimm_media_pack(&s->dsm.media);
    if (!mmrig_nvdimm_store_write(&s->store, s->store_flags, pack) &&
        !s->store_failed) {
        warn_report("mmrig-nvdimm: cannot write %s: %s; errors will not outlive"
                    " this machine",
                    s->store_path, g_strerror(errno));
        s->store_failed = true;
    }
}

void mmrig_nvdimm_save_due(void *opaque)
{
    MmrigNvdimm *s = opaque;

    if (s->unsaved) {
        mmrig_nvdimm_save(s);
    }
}

/*
 * The whole store is written, and a guest that fills bad memory with zeroes
 * changes it with each line: it is done once for all that come together.
 */
void mmrig_nvdimm_save_soon(void *opaque)
{
    MmrigNvdimm *s = opaque;

    s->unsaved = true;
    qemu_bh_schedule(s->saver);
}

bool mmrig_nvdimm_load(MmrigNvdimm *s, Error **errp)
{
    bool incoming = runstate_check(RUN_STATE_INMIGRATE);
    g_autoptr(GByteArray) pack = NULL;
    g_autofree char *text = NULL;
    const char *why = NULL;
    uint32_t flags = 0;

    s->store.fd = -1;
    s->store_flags = STORE_RUNNING;
    if (!s->store_path) {
        return true;
    }
    if (mmrig_nvdimm_store_open(&s->store, s->store_path, !incoming, &text) <
        0) {
        error_setg(errp, "store: %s", text);
        return false;
    }
    pack = mmrig_nvdimm_store_read(&s->store, &flags, &text);
    if (text) {
        error_setg(errp, "store: %s %s", s->store_path, text);
        return false;
    }
    if (!pack) {
        return true;
    }
    if (!mmrig_nvdimm_media_unpack(&s->dsm.media, pack->data, pack->len,
                                   &why)) {
        error_setg(errp, "store: %s: %s is wrong", s->store_path, why);
        return false;
    }
    if (incoming) {
        return true;
    }
    for (guint i = 0; i < s->dsm.media.modules->len; i++) {
        NvdimmModule *module = g_ptr_array_index(s->dsm.media.modules, i);
        NvdimmHealth *health = &module->health;

        health->dirty = (flags & STORE_RUNNING) ||
                        (health->injected & MMRIG_NVD_SMART_INJECT_SHUTDOWN);
        health->shutdown_count += health->dirty;
        health->injected &= ~MMRIG_NVD_SMART_INJECT_SHUTDOWN;
    }
    return true;
}
