/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small client of QEMU's qtest protocol (QEMU's system/qtest.c): a machine without a running
 * processor, whose memory, ports and virtual clock the test works by hand, and its QMP beside.
 *
 * For tests only: whatever goes wrong with QEMU ends the test with g_error().
 */
#ifndef MMRIG_QTEST_H
#define MMRIG_QTEST_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct QTest QTest;

/* QEMU's argument vector so far, with the pack (MMRIG_TEST_PACK, or pack) and a q35. */
GPtrArray *qtest_argv(const char *pack);

/* Starts that machine with more arguments behind, the last of them NULL. */
QTest *qtest_start(const char *first, ...) G_GNUC_NULL_TERMINATED;

/* The emulator that is tested. */
const char *qtest_emulator(void);

/* Starts QEMU by these arguments, which get a NULL; it dies with the test. */
GSubprocess *qtest_spawn(GPtrArray *argv, GSubprocessFlags flags);

/* Ends QEMU. It must have lived until now, and leave with status 0. */
void qtest_stop(QTest *q);

/* The process. */
pid_t qtest_pid(QTest *q);

/* Runs QEMU to its end, which must come by itself, and returns the exit status. */
int qtest_run(GPtrArray *argv, char **errors);

/* GLib's g_test_init(); ends the program as skipped, with status 77, if there is no QEMU. */
void qtest_begin(int *argc, char ***argv);

uint8_t qtest_readb(QTest *q, uint64_t address);
uint16_t qtest_readw(QTest *q, uint64_t address);
uint32_t qtest_readl(QTest *q, uint64_t address);
uint64_t qtest_readq(QTest *q, uint64_t address);
void qtest_writeb(QTest *q, uint64_t address, uint8_t value);
void qtest_writew(QTest *q, uint64_t address, uint16_t value);
void qtest_writel(QTest *q, uint64_t address, uint32_t value);
void qtest_writeq(QTest *q, uint64_t address, uint64_t value);
uint32_t qtest_inl(QTest *q, uint16_t port);
void qtest_outw(QTest *q, uint16_t port, uint16_t value);
void qtest_outl(QTest *q, uint16_t port, uint32_t value);
void qtest_read(QTest *q, uint64_t address, void *to, size_t size);
void qtest_write(QTest *q, uint64_t address, const void *from, size_t size);
void qtest_fill(QTest *q, uint64_t address, size_t size, uint8_t value);

/* Moves the virtual clock, running whatever is due on the way. */
void qtest_clock_step(QTest *q, int64_t ns);

/* Executes one QMP command, as JSON text; the reply's "return". Free with json_node_unref(). */
JsonNode *qtest_qmp(QTest *q, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same; the text of the error that it ends in, or NULL if it succeeds. */
char *qtest_qmp_error(QTest *q, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Waits for the migration that was begun; it must complete. */
void qtest_migrated(QTest *q);

/* Saves the machine's state and ends QEMU. The name is for another one's -incoming, which
 * qtest_migrated() waits for; qtest_forget() removes the file, g_free() frees the name. */
char *qtest_save(QTest *q);
void qtest_forget(const char *uri);

/* Overwrites bytes of a saved state, so many behind the only place where it has others. */
void qtest_patch(const char *uri, const void *find, size_t find_size, ptrdiff_t offset,
                 const void *bytes, size_t size);

/* Sets a property, as text, and reads one that is a number. */
void qtest_set(QTest *q, const char *path, const char *property, const char *value);
uint64_t qtest_get(QTest *q, const char *path, const char *property);

/* ---- PCI (pci.c), bus 0 of the q35 ------------------------------------------------------ */

uint32_t qtest_pci_readl(QTest *q, unsigned slot, unsigned offset);
void qtest_pci_writel(QTest *q, unsigned slot, unsigned offset, uint32_t value);

/* Gives a 32-bit memory BAR an address, and returns its size. */
uint32_t qtest_pci_map(QTest *q, unsigned slot, unsigned bar, uint32_t address);

/* Turns memory decoding on, and bus mastering on or off. */
void qtest_pci_command(QTest *q, unsigned slot, gboolean master);

/* Offset of a capability, 0 if there is none. */
unsigned qtest_pci_capability(QTest *q, unsigned slot, uint8_t id);

#endif
