/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command that boots a guest needs first: a QEMU, a guest kernel and an
 * accelerator, chosen once; and for each scenario its image and whether it can run at all.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "arch/arch.h"
#include "kernel/kernel.h"
#include "machine/plan.h"
#include "qemu/firmware.h"
#include "qemu/qemu.h"
#include "scenario/scenario.h"
#include "template/template.h"

typedef struct {
    const MmrigArch *arch; /* of the machines that these make */
    MmrigQemu *qemu;
    MmrigKernel *kernel;
    MmrigAccel accel;
    char *note;              /* why auto did not choose KVM, or NULL */
    char *efi_kernel;        /* the kernel as firmware can start it, or NULL */
    MmrigFirmware *firmware; /* the host's, or NULL */
} MmrigSetup;

/*
 * kernel is a kernel's name (kernel.h), or NULL for "tree" where that is in the cache and
 * else "distro". accel is "auto", "kvm" or "tcg"; "kvm" where KVM does not work is an UNMET
 * error. Never downloads or builds.
 */
MmrigSetup *mmrig_setup_open(const char *kernel, const char *accel, GError **error);
void mmrig_setup_free(MmrigSetup *setup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MmrigSetup, mmrig_setup_free)

/*
 * Says on standard error, in one line, why guests run on TCG although the host has a device for
 * KVM; says nothing else. For commands that boot guests, once each. setup may
 * be NULL.
 */
void mmrig_setup_say_note(const MmrigSetup *setup);

/* What a machine of this rig is made of, borrowed from the rig; image may be NULL. */
MmrigBootInputs mmrig_setup_inputs(const MmrigSetup *setup, const char *image, MmrigStart kind);

/*
 * Why the scenario cannot run with this kernel and QEMU ("the kernel lacks CONFIG_X"), or
 * NULL. Free with g_free().
 */
char *mmrig_setup_unmet(const MmrigSetup *setup, const MmrigScenario *scenario);

/*
 * The image for the machine of this number, made if it is not in the cache. extra, if not NULL,
 * is one more manifest. Free with g_free().
 */
char *mmrig_setup_image(const MmrigSetup *setup, const MmrigScenario *scenario, guint number,
                        const char *extra, GError **error);

/*
 * What is kept of the machine of this number once its test is held; words is empty, and
 * borrowed by what is returned.
 */
MmrigForkable mmrig_setup_forkable(const MmrigScenario *scenario, guint number,
                                   GPtrArray *words);

/*
 * The scenarios that NAME... (NAME or NAME:TWIN) select, in the order given; then those of the
 * areas, or all, by name.
 */
typedef struct {
    const char *folder;       /* of scenarios */
    const char *const *names; /* NULL-terminated; may be empty */
    const char *const *areas; /* NULL-terminated, or NULL */
    gboolean all;
    gboolean twins; /* also every twin of each */
} MmrigSelection;

/* INPUT error for an unknown name, or if nothing is selected. */
GPtrArray *mmrig_setup_select(const MmrigSelection *selection, GError **error);

/* What the figures of a run depend on: host, QEMU, kernel. Free with json_node_unref(). */
JsonNode *mmrig_setup_environment(const MmrigSetup *setup);
