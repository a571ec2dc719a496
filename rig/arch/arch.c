/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arch-private.h"

static const MmrigArch *const architectures[] = {
#define MMRIG_ARCH(name) &mmrig_arch_##name,
#include "arch-tables-private.h"
#undef MMRIG_ARCH
    NULL,
};

const MmrigArch *const *mmrig_arch_all(void)
{
    return architectures;
}

const MmrigArch *mmrig_arch_find(const char *name)
{
    for (const MmrigArch *const *arch = architectures; *arch; arch++)
        if (g_str_equal((*arch)->name, name))
            return *arch;
    return NULL;
}

const MmrigArch *mmrig_arch_default(void)
{
    const MmrigArch *host = mmrig_arch_find(MMRIG_HOST_ARCH);

    return host ? host : architectures[0];
}
