/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every section that a scenario file may hold, with its keys: the scenario's own, those of a
 * machine (machine/spec.h), and those of the classes of devices (machine/device.h).
 */
#pragma once

#include "ini/ini.h"
#include "machine/device.h"

/* What the keys of a section are read into. */
typedef enum {
    MMRIG_OWNER_SCENARIO, /* MmrigScenario */
    MMRIG_OWNER_TEST,     /* MmrigTest, of each machine */
    MMRIG_OWNER_MACHINE,  /* MmrigMachineSpec, of each machine */
    MMRIG_OWNER_DEVICE,   /* the structure of its class */
    MMRIG_OWNER_TWIN,     /* MmrigScenario, in a twin only */
} MmrigKeyOwner;

typedef struct {
    const MmrigIniSection *section;
    MmrigKeyOwner owner;
    const MmrigDeviceClass *class; /* DEVICE */
} MmrigScenarioSection;

/* All of them in their order, ended by one without a section. */
const MmrigScenarioSection *mmrig_scenario_sections(void);

/* NULL if there is no such section. */
const MmrigScenarioSection *mmrig_scenario_section(const char *name);
/* The section nearest to a misspelt one, or NULL. */
const char *mmrig_scenario_section_nearest(const char *name);

/* NULL if the section has no such key. A device's section has that of its owner as well. */
const MmrigIniKey *mmrig_scenario_key(const MmrigScenarioSection *section, const char *key);

/*
 * The key that says whose device it is, in a scenario of several machines: "machine", or
 * "machines" for what joins two of them. NULL if the section is no device's. Its value is read
 * into a char *, or a GStrv.
 */
const MmrigIniKey *mmrig_scenario_owner_key(const MmrigScenarioSection *section);
