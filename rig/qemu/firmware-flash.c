/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether two files are the flash of one UEFI firmware. Both begin with the header of a
 * firmware volume (UEFI Platform Initialization 1.8, volume 3, 3.2.1); the variables' has a
 * type of its own. Where both share one flash the code ends with the reset vector. It was built
 * for a flash of a certain size with the variables in front of it, so the two together must
 * have that size (EDK2's OvmfPkg: 1, 2 or 4 MiB).
 */
#include "firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB G_GUINT64_CONSTANT(1024)
#define MIB (KIB * KIB)

/* What QEMU takes: whole sectors. */
#define SECTOR (4 * KIB)

#define HEADER       56 /* bytes of a volume's header */
#define AT_TYPE      16
#define AT_LENGTH    32
#define AT_SIGNATURE 40
#define SIGNATURE    "_FVH"
#define RESET_VECTOR 16 /* bytes at the end */

/* EFI_SYSTEM_NV_DATA_FV_GUID */
static const guint8 variables_type[16] = {0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c,
                                          0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50};

typedef struct {
    guint64 size;
    guint8 head[HEADER];
    guint8 tail[RESET_VECTOR];
} Flash;

static char *flash_open(const char *path, Flash *flash)
{
    struct stat status;
    /* A FIFO must not be waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean whole;

    if (fd < 0)
        return g_strdup_printf("%s: %s", path, g_strerror(errno));
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return g_strdup_printf("%s is not a file", path);
    }
    flash->size = (guint64)status.st_size;
    whole = flash->size >= HEADER &&
            pread(fd, flash->head, sizeof flash->head, 0) == sizeof flash->head &&
            pread(fd, flash->tail, sizeof flash->tail,
                  status.st_size - (off_t)sizeof flash->tail) == sizeof flash->tail;
    close(fd);
    if (!whole || memcmp(flash->head + AT_SIGNATURE, SIGNATURE, strlen(SIGNATURE)) != 0)
        return g_strdup_printf("%s is no flash image of UEFI firmware", path);
    if (flash->size % SECTOR != 0)
        return g_strdup_printf("%s is cut: its size is no multiple of 4 KiB", path);
    return NULL;
}

static gboolean flash_has_variables(const Flash *flash)
{
    return memcmp(flash->head + AT_TYPE, variables_type, sizeof variables_type) == 0;
}

/* Whether the processor finds anything where it starts. */
static gboolean flash_has_reset_vector(const Flash *flash)
{
    for (gsize i = 1; i < sizeof flash->tail; i++)
        if (flash->tail[i] != flash->tail[0])
            return TRUE;
    return FALSE;
}

static guint64 flash_volume_length(const Flash *flash)
{
    guint64 length;

    memcpy(&length, flash->head + AT_LENGTH, sizeof length);
    return GUINT64_FROM_LE(length);
}

char *mmrig_firmware_misfit(const MmrigArch *arch, const char *code, const char *variables)
{
    Flash run = {0}, kept = {0};
    char *misfit = flash_open(code, &run);

    if (!misfit)
        misfit = flash_open(variables, &kept);
    if (misfit)
        return misfit;
    if (flash_has_variables(&run))
        return g_strdup_printf("%s begins with variables: that is a combined image or the "
                               "variables' own, not the code's",
                               code);
    if (!flash_has_variables(&kept))
        return g_strdup_printf("%s has no store for variables", variables);
    if (arch->firmware_flash && !flash_has_reset_vector(&run))
        return g_strdup_printf("%s has no reset vector at its end: it is not for %s", code,
                               arch->title);
    if (flash_volume_length(&kept) > kept.size)
        return g_strdup_printf("%s is cut: its header promises more", variables);
    if (!arch->firmware_flash)
        return NULL;
    guint64 both = run.size + kept.size;
    if (both > arch->firmware_flash)
        return g_strdup_printf("%s with %s is more than the %" G_GUINT64_FORMAT
                               " MiB of flash that QEMU has",
                               code, variables, arch->firmware_flash / MIB);
    if (both < MIB || (both & (both - 1)) != 0)
        return g_strdup_printf("%s (%" G_GUINT64_FORMAT " KiB) and %s (%" G_GUINT64_FORMAT
                               " KiB) are not of one build: together they are no flash of 1, "
                               "2, 4 or 8 MiB",
                               code, run.size / KIB, variables, kept.size / KIB);
    return NULL;
}
