/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Templates: machines that were booted once, up to where the agent waits for work, and kept.
 * A run forks one instead of booting.
 *
 * A template is a folder in a store, on /dev/shm where that is a tmpfs with room, else in the
 * cache: the memory (sparse), the device state, the NVDIMMs' contents, and meta.json with the
 * nonce that its guest keeps in memory and the checksum of the state. Its name is a hash of all
 * that it was made from: QEMU and its libraries and ROMs, its arguments, the pack and its ROMs,
 * firmware, kernel, image, host CPU.
 */
#pragma once

#include "base/store.h"
#include "machine/plan.h"

/* Once it is loaded, a template may be removed: its files are held open. */
typedef struct {
    char *folder;
    char *nonce;   /* MMRIG_NONCE_DIGITS hex digits */
    GArray *files; /* descriptors, in the order of the machine's backings */
    guint references;
} MmrigTemplate;

/* A machine that is kept as it is once its test is started and held. Borrowed. */
typedef struct {
    const MmrigMachineSpec *spec;
    const char *const *words; /* the test with its arguments (mmrig_test_words()) */
    guint boot_timeout;       /* seconds; 0: MMRIG_BOOT_TIMEOUT. Does not count for the name */
} MmrigForkable;

/*
 * The name of the template for the machine: 32 hex digits. It changes with all that
 * the state of a booted machine depends on, and with nothing else. inputs->kind does not
 * matter.
 */
char *mmrig_template_name(const MmrigForkable *what, const MmrigBootInputs *inputs,
                          GError **error);

/*
 * Adds what a guest under KVM can see of the host's processor, from the text of /proc/cpuinfo,
 * of which the first processor counts.
 */
void mmrig_template_add_cpu(MmrigKey *key, const char *cpuinfo);

/*
 * The template for the machine if there is a whole one; NULL without error if there
 * is not. It takes no boot, and iterates no main loop.
 */
MmrigTemplate *mmrig_template_find(const MmrigForkable *what, const MmrigBootInputs *inputs,
                                   GError **error);

/*
 * The template for the machine, made if it is not there (which takes a boot) or if
 * its state does not match its checksum. inputs->kind does not matter. UNMET error if QEMU
 * refuses to save the machine; SILENT, with a boot's own words, if its kernel says nothing
 * until the time limit; others if the machine does not boot, or the disk is full.
 */
MmrigTemplate *mmrig_template_obtain(const MmrigForkable *what, const MmrigBootInputs *inputs,
                                     GError **error);
/* One more owner. Of the main thread only. */
MmrigTemplate *mmrig_template_ref(MmrigTemplate *template);
/* The last owner's closes its files. */
void mmrig_template_free(MmrigTemplate *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigTemplate, mmrig_template_free)

/*
 * Descriptors for the backings of a fork's machine, in their order: the memory and state as
 * they are, and a private copy of each NVDIMM. As backing.h's.
 */
GArray *mmrig_template_backings(const MmrigTemplate *template, const MmrigPlan *machine,
                                GError **error);
