/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of made-up firmware is taken, and what is said of what is not. */
#include "qemu/firmware.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define KIB 1024

/* The types of firmware volumes (EDK2's EfiSystemNvDataFvGuid, EfiFirmwareFileSystem2Guid). */
static const guint8 of_variables[16] = {0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c,
                                        0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50};
static const guint8 of_code[16] = {0x78, 0xe5, 0x8c, 0x8c, 0x3d, 0x8a, 0x1c, 0x4f,
                                   0x99, 0x35, 0x89, 0x61, 0x85, 0xc3, 0x2d, 0xd3};

typedef struct {
    char *folder;
} Place;

static char *place_path(const Place *place, const char *name)
{
    return g_build_filename(place->folder, name, NULL);
}

static void place_put(const Place *place, const char *name, const char *text)
{
    g_autofree char *path = place_path(place, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void place_put_image(const Place *place, const char *name, const guint8 *type,
                            gsize size, gboolean reset_vector)
{
    g_autofree char *path = place_path(place, name);
    g_autofree guint8 *bytes = g_malloc0(size);
    guint64 length = GUINT64_TO_LE(size);

    memcpy(bytes + 16, type, 16);
    memcpy(bytes + 32, &length, sizeof length);
    memcpy(bytes + 40, "_FVH", 4);
    memset(bytes + size - 16, 0x90, 16);
    if (reset_vector)
        bytes[size - 14] = 0xe9;
    g_assert_true(g_file_set_contents(path, (const char *)bytes, (gssize)size, NULL));
}

static void place_make(Place *place, gconstpointer data)
{
    (void)data;
    place->folder = g_dir_make_tmp("mmrig-test-XXXXXX", NULL);
    g_assert_nonnull(place->folder);
    place_put_image(place, "code-4m", of_code, 3568 * KIB, TRUE);
    place_put_image(place, "vars-4m", of_variables, 528 * KIB, FALSE);
    place_put_image(place, "code-2m", of_code, 1920 * KIB, TRUE);
    place_put_image(place, "vars-2m", of_variables, 128 * KIB, FALSE);
    place_put_image(place, "code-arm", of_code, 3568 * KIB, FALSE);
    place_put_image(place, "code-64m", of_code, 65536 * KIB, TRUE);
    place_put(place, "text",
              "this is not a flash image, though it is longer than a header is\n");
}

static void place_clear(Place *place, gconstpointer data)
{
    g_autoptr(GDir) folder = g_dir_open(place->folder, 0, NULL);
    const char *name;

    (void)data;
    while ((name = g_dir_read_name(folder))) {
        g_autofree char *path = place_path(place, name);
        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(place->folder), ==, 0);
    g_free(place->folder);
}

/* --- pairs --- */

static void test_pairs(Place *place, gconstpointer data)
{
    static const struct {
        const char *code, *variables;
        const char *misfit; /* a part of it, or NULL */
    } rows[] = {
        {"code-4m", "vars-4m", NULL},
        {"code-2m", "vars-2m", NULL},
        {"code-4m", "vars-2m", "not of one build"},
        {"code-2m", "vars-4m", "not of one build"},
        {"code-4m", "code-4m", "no store for variables"},
        {"vars-4m", "vars-4m", "begins with variables"},
        {"code-arm", "vars-4m", "not for x86"},
        {"code-64m", "vars-4m", "more than the 8 MiB"},
        {"text", "vars-4m", "text is no flash image"},
        {"code-4m", "text", "text is no flash image"},
        {"code-4m", "cut", "cut: its header promises more"},
        {"code-4m", "odd", "multiple of 4 KiB"},
        {"code-4m", "empty", "empty is no flash image"},
        {"code-4m", "none", "No such file"},
        {"code-4m", ".", "is not a file"},
        {"code-4m", "fifo", "is not a file"},
    };
    g_autofree char *vars = place_path(place, "vars-4m"), *cut = place_path(place, "cut"),
                    *odd = place_path(place, "odd"), *fifo = place_path(place, "fifo");
    g_autofree char *bytes = NULL;
    gsize size;

    (void)data;
    g_assert_true(g_file_get_contents(vars, &bytes, &size, NULL));
    g_assert_true(g_file_set_contents(cut, bytes, 64 * KIB, NULL));
    g_assert_true(g_file_set_contents(odd, bytes, 64 * KIB + 1, NULL));
    place_put(place, "empty", "");
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *code = place_path(place, rows[i].code);
        g_autofree char *variables = place_path(place, rows[i].variables);
        g_autofree char *misfit = mmrig_firmware_misfit(mmrig_arch_default(), code, variables);
        if (!rows[i].misfit)
            g_assert_cmpstr(misfit, ==, NULL);
        else if (!misfit || !strstr(misfit, rows[i].misfit))
            g_error("row %zu: '%s' is not in '%s'", i, rows[i].misfit, misfit);
        else
            g_assert_null(strchr(misfit, '\n'));
    }
}

/* --- descriptors --- */

/* A good one's text, with one thing changed: what is found is replaced. */
static void place_describe(const Place *place, const char *name, const char *code,
                           const char *variables, const char *find, const char *replace)
{
    g_autofree char *text = g_strdup_printf(
        "{\"interface-types\": [\"uefi\"], \"mapping\": {\"device\": \"flash\","
        " \"executable\": {\"filename\": \"%s/%s\", \"format\": \"raw\"},"
        " \"nvram-template\": {\"filename\": \"%s/%s\", \"format\": \"raw\"}},"
        " \"targets\": [{\"architecture\": \"x86_64\", \"machines\": [\"pc-q35-*\"]}],"
        " \"features\": [\"acpi-s3\"]}",
        place->folder, code, place->folder, variables);
    g_autoptr(GString) changed = g_string_new(text);

    if (*find)
        g_assert_cmpuint(g_string_replace(changed, find, replace, 0), >, 0);
    place_put(place, name, changed->str);
}

static MmrigFirmwareSearch *place_search(const Place *place)
{
    const char *const folders[] = {place->folder, NULL};

    return mmrig_firmware_search(folders, mmrig_arch_default());
}

static void test_taken(Place *place, gconstpointer data)
{
    (void)data;
    place_describe(place, "50-secure.json", "code-4m", "vars-4m", "acpi-s3", "requires-smm");
    place_describe(place, "60-good.json", "code-4m", "vars-4m", "", "");
    place_describe(place, "70-late.json", "code-2m", "vars-2m", "", "");
    g_autoptr(MmrigFirmwareSearch) search = place_search(place);
    g_assert_nonnull(search->taken);
    g_assert_true(g_str_has_suffix(search->taken->code, "/code-4m"));
    g_assert_true(g_str_has_suffix(search->taken->variables, "/vars-4m"));
    g_assert_true(g_str_has_suffix(search->taken->descriptor, "/60-good.json"));
    g_assert_cmpuint(search->passed->len, ==, 1);
    const MmrigFirmwareMiss *miss = g_ptr_array_index(search->passed, 0);
    g_assert_true(g_str_has_suffix(miss->descriptor, "/50-secure.json"));
    g_assert_nonnull(strstr(miss->reason, "needs SMM"));
}

static void test_passed_over(Place *place, gconstpointer data)
{
    static const struct {
        const char *code, *variables, *find, *replace, *reason;
    } rows[] = {
        {"code-4m", "vars-4m", "\"uefi\"", "\"bios\"", "not of UEFI"},
        {"code-4m", "vars-4m", "x86_64", "aarch64", "another architecture"},
        {"code-4m", "vars-4m", "pc-q35-*", "pc-i440fx-*", "not for the machine"},
        {"code-4m", "vars-4m", "acpi-s3", "requires-smm", "needs SMM"},
        {"code-4m", "vars-4m", "acpi-s3", "enrolled-keys", "keys"},
        {"code-4m", "vars-4m", "\"flash\"", "\"memory\"", "not two images of flash"},
        {"code-4m", "vars-4m", "\"flash\",", "\"flash\", \"mode\": \"combined\",",
         "not two images of flash"},
        {"code-4m", "vars-4m", "\"raw\"", "\"qcow2\"", "of the format qcow2, not raw"},
        {"code-4m", "vars-4m", "nvram-template", "nvram", "names no nvram-template"},
        {"code-none", "vars-4m", "", "", "code-none: No such file"},
        {"code-4m", "vars-2m", "", "", "not of one build"},
        {"code-arm", "vars-4m", "", "", "not for x86"},
        {"code-4m", "vars-4m", "{", "[", "arse"},
    };

    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        place_describe(place, "60-x.json", rows[i].code, rows[i].variables, rows[i].find,
                       rows[i].replace);
        g_autoptr(MmrigFirmwareSearch) search = place_search(place);
        g_assert_null(search->taken);
        g_assert_cmpuint(search->passed->len, ==, 1);
        const MmrigFirmwareMiss *miss = g_ptr_array_index(search->passed, 0);
        if (!strstr(miss->reason, rows[i].reason))
            g_error("row %zu: '%s' is not in '%s'", i, rows[i].reason, miss->reason);
        g_assert_null(strchr(miss->reason, '\n'));
    }
    place_put(place, "60-x.json", "");
    g_autoptr(MmrigFirmwareSearch) search = place_search(place);
    g_assert_cmpstr(((MmrigFirmwareMiss *)g_ptr_array_index(search->passed, 0))->reason, ==,
                    "it is empty");
}

/* The message names the descriptor that needed the least to fit, wherever it stands. */
static void test_nearest(Place *place, gconstpointer data)
{
    const char *const folders[] = {place->folder, NULL};
    g_autoptr(GError) error = NULL, none = NULL;

    (void)data;
    g_assert_null(mmrig_firmware_find(folders, mmrig_arch_default(), &none));
    g_assert_error(none, MMRIG_ERROR, MMRIG_ERROR_UNMET);
    g_assert_nonnull(strstr(none->message, "no descriptor"));

    place_describe(place, "40-arm.json", "code-4m", "vars-4m", "x86_64", "aarch64");
    place_describe(place, "50-mixed.json", "code-4m", "vars-2m", "", "");
    place_describe(place, "60-secure.json", "code-4m", "vars-4m", "acpi-s3", "requires-smm");
    g_assert_null(mmrig_firmware_find(folders, mmrig_arch_default(), &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_UNMET);
    g_assert_nonnull(strstr(error->message, "of 3 descriptors none fits"));
    g_assert_nonnull(strstr(error->message, "50-mixed.json: "));
    g_assert_nonnull(strstr(error->message, "not of one build"));
}

/* Images that a user names are held against what the host's descriptors say of them. */
static void test_named(Place *place, gconstpointer data)
{
    const char *const folders[] = {place->folder, NULL};
    g_autofree char *code = place_path(place, "code-4m"),
                    *variables = place_path(place, "vars-4m"),
                    *other = place_path(place, "vars-2m"), *link = place_path(place, "link");

    (void)data;
    g_assert_null(mmrig_firmware_named_misfit(folders, mmrig_arch_default(), code, variables));
    g_autofree char *mixed =
        mmrig_firmware_named_misfit(folders, mmrig_arch_default(), code, other);
    g_assert_nonnull(strstr(mixed, "not of one build"));

    /* By any of its names. */
    place_describe(place, "50-secure.json", "code-4m", "vars-4m", "acpi-s3", "requires-smm");
    g_assert_cmpint(symlink(code, link), ==, 0);
    g_autofree char *secure =
        mmrig_firmware_named_misfit(folders, mmrig_arch_default(), link, variables);
    g_assert_nonnull(secure);
    g_assert_nonnull(strstr(secure, "50-secure.json says that it is built for secure boot"));

    /* Unless another says that it is right. */
    place_describe(place, "60-good.json", "code-4m", "vars-4m", "", "");
    g_assert_null(mmrig_firmware_named_misfit(folders, mmrig_arch_default(), link, variables));
}

/* What the distribution installs here, if it does, fits. */
static void test_real(void)
{
    g_autoptr(MmrigFirmwareSearch) search = mmrig_firmware_search(NULL, mmrig_arch_default());

    if (!g_file_test("/usr/share/OVMF/OVMF_CODE_4M.fd", G_FILE_TEST_EXISTS)) {
        g_test_skip("Debian's ovmf is not installed");
        return;
    }
    g_assert_nonnull(search->taken);
    g_autofree char *secure = mmrig_firmware_named_misfit(
        NULL, mmrig_arch_default(), "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
        search->taken->variables);
    g_assert_nonnull(secure);
    g_assert_nonnull(strstr(secure, "needs SMM"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Place, NULL, place_make, function, place_clear)
    ADD("/firmware-search/pairs", test_pairs);
    ADD("/firmware-search/taken", test_taken);
    ADD("/firmware-search/passed-over", test_passed_over);
    ADD("/firmware-search/nearest", test_nearest);
    ADD("/firmware-search/named", test_named);
#undef ADD
    g_test_add_func("/firmware-search/real", test_real);
    return g_test_run();
}
