/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notification. The AML below is a table of its own (SSDT), assembled here; in
 * ASL it says
 *
 *     OperationRegion (\MMNR, SystemIO, 0x0A18, 4)
 *     Field (\MMNR, DWordAcc, NoLock, Preserve) { MMNV, 32 }
 *     Method (\_GPE._E07, 0, Serialized) {
 *         Store (\MMNV, Local0)
 *         If (And (Local0, 1)) { Notify (\_SB.NVDR, 0x81) }
 *         If (And (Local0, 0x10000)) { Notify (\_SB.NVDR.NV00, 0x81) }
 *         ...
 *     }
 *
 * \_SB.NVDR and the devices in it are QEMU's (an SSDT as well; a name in a
 * method is looked up when the method runs, so their order does not matter).
 * Of the general-purpose events QEMU's x86 machines leave number 7 unused.
 */
#include "compat.h"

#include <sys/mman.h>

#include "hw/acpi/acpi.h"
#include "hw/acpi/acpi_dev_interface.h"
#include "qemu/config-file.h"
#include "qemu/option.h"

#include "mmrig-nvdimm-regs.h"
#include "nvdimm-acpi.h"

/* ACPI 6.4, chapter 20. */
#define AML_ROOT '\\'
#define AML_DUAL 0x2e
#define AML_MULTI 0x2f
#define AML_EXT 0x5b
#define AML_EXT_REGION 0x80
#define AML_EXT_FIELD 0x81
#define AML_METHOD 0x14
#define AML_SERIALIZED 0x08
#define AML_BYTE 0x0a
#define AML_WORD 0x0b
#define AML_DWORD 0x0c
#define AML_LOCAL0 0x60
#define AML_STORE 0x70
#define AML_AND 0x7b
#define AML_NOTIFY 0x86
#define AML_IF 0xa0
#define AML_SYSTEM_IO 1
#define AML_DWORD_ACCESS 3

#define NOTIFY_ERROR 0x81

static void put(GByteArray *aml, int byte)
{
    uint8_t value = byte;

    g_byte_array_append(aml, &value, 1);
}

static void put_name(GByteArray *aml, const char *segment)
{
    g_byte_array_append(aml, (const uint8_t *)segment, 4);
}

static void put_dword(GByteArray *aml, uint32_t value)
{
    put(aml, AML_DWORD);
    for (unsigned i = 0; i < 4; i++) {
        put(aml, value >> (8 * i));
    }
}

/* What is in the package, behind its length (two bytes will always do). */
static void put_package(GByteArray *aml, GByteArray *body)
{
    guint length = body->len + 2;

    assert(length < 1 << 12);
    put(aml, 1 << 6 | (length & 0xf));
    put(aml, length >> 4);
    g_byte_array_append(aml, body->data, body->len);
}

/* If (And (Local0, bit)) { Notify (\_SB.NVDR[.child], 0x81) } */
static void put_notify(GByteArray *aml, uint32_t bit, const char *child)
{
    g_autoptr(GByteArray) body = g_byte_array_new();

    put(body, AML_AND);
    put(body, AML_LOCAL0);
    put_dword(body, bit);
    put(body, 0); /* no target */
    put(body, AML_NOTIFY);
    put(body, AML_ROOT);
    if (child) {
        put(body, AML_MULTI);
        put(body, 3);
    } else {
        put(body, AML_DUAL);
    }
    put_name(body, "_SB_");
    put_name(body, "NVDR");
    if (child) {
        put_name(body, child);
    }
    put(body, AML_BYTE);
    put(body, NOTIFY_ERROR);
    put(aml, AML_IF);
    put_package(aml, body);
}

static GByteArray *make_aml(unsigned slots)
{
    GByteArray *aml = g_byte_array_new();
    g_autoptr(GByteArray) field = g_byte_array_new();
    g_autoptr(GByteArray) method = g_byte_array_new();
    g_autofree char *event = g_strdup_printf("_E%02X", MMRIG_NVD_GPE);

    put(aml, AML_EXT);
    put(aml, AML_EXT_REGION);
    put_name(aml, "MMNR");
    put(aml, AML_SYSTEM_IO);
    put(aml, AML_WORD);
    put(aml, MMRIG_NVD_PORT & 0xff);
    put(aml, MMRIG_NVD_PORT >> 8);
    put(aml, AML_BYTE);
    put(aml, MMRIG_NVD_PORT_SIZE);

    put_name(field, "MMNR");
    put(field, AML_DWORD_ACCESS);
    put_name(field, "MMNV");
    put(field, 1 << 6 | (32 & 0xf)); /* bits, as a package's length */
    put(field, 32 >> 4);
    put(aml, AML_EXT);
    put(aml, AML_EXT_FIELD);
    put_package(aml, field);

    put(method, AML_ROOT);
    put(method, AML_DUAL);
    put_name(method, "_GPE");
    put_name(method, event);
    put(method, AML_SERIALIZED);
    put(method, AML_STORE);
    put_name(method, "MMNV");
    put(method, AML_LOCAL0);
    put_notify(method, MMRIG_NVD_EVENT_ERROR, NULL);
    for (unsigned i = 0; i < MIN(slots, MMRIG_NVD_EVENT_HEALTH_MAX); i++) {
        g_autofree char *child = g_strdup_printf("NV%02X", i);

        put_notify(method, MMRIG_NVD_EVENT_HEALTH(i), child);
    }
    put(aml, AML_METHOD);
    put_package(aml, method);
    return aml;
}

/* As -acpitable does, from a file without a name. */
bool mmrig_nvdimm_acpi_add_table(unsigned slots, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GByteArray) aml = make_aml(slots);
    g_autofree char *text = NULL;
    QemuOpts *opts;
    int fd = memfd_create("mmrig-nvdimm-aml", MFD_CLOEXEC);

    if (fd < 0 || write(fd, aml->data, aml->len) != (ssize_t)aml->len) {
        error_setg_errno(errp, errno, "cannot make the ACPI table");
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    text = g_strdup_printf("sig=SSDT,rev=2,oem_id=MMRIG,oem_table_id=NVDIMRAS,"
                           "oem_rev=1,data=/proc/self/fd/%d",
                           fd);
    opts = qemu_opts_parse(qemu_find_opts("acpi"), text, true, errp);
    if (opts) {
        acpi_table_add(opts, errp);
        qemu_opts_del(opts);
    }
    close(fd);
    return !*errp;
}

bool mmrig_nvdimm_acpi_raise(Error **errp)
{
    Object *device = object_resolve_path_type("", TYPE_ACPI_DEVICE_IF, NULL);

    if (!device) {
        error_setg(errp, "the machine has no ACPI events");
        return false;
    }
    acpi_send_event(DEVICE(device), (AcpiEventStatusBits)(1 << MMRIG_NVD_GPE));
    return true;
}
