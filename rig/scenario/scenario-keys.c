/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scenario-keys.h"

#include <stddef.h>
#include <string.h>

#include "scenario.h"
#include "verdict/result.h"

#define IN_SCENARIO(field) offsetof(MmrigScenario, field)
#define IN_TEST(field)     offsetof(MmrigTest, field)

/* The causes by which a twin can fail; the others are no failure of a test. */
static const MmrigCause twin_causes[] = {
    MMRIG_CAUSE_ASSERTION,    MMRIG_CAUSE_ABORT,      MMRIG_CAUSE_SIGNAL,
    MMRIG_CAUSE_PANIC,        MMRIG_CAUSE_OOPS,       MMRIG_CAUSE_NO_PANIC,
    MMRIG_CAUSE_CHANNEL_LOST, MMRIG_CAUSE_TIME_LIMIT, MMRIG_CAUSE_QEMU_DIED,
};

static gboolean twin_cause_valid(const char *name)
{
    MmrigCause cause;

    if (!mmrig_cause_from_name(name, &cause))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(twin_causes); i++) {
        if (twin_causes[i] == cause)
            return TRUE;
    }
    return FALSE;
}

static char *twin_causes_text(void)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(twin_causes); i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", mmrig_cause_name(twin_causes[i]));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean cause_set(const MmrigIniKey *key G_GNUC_UNUSED, gpointer field,
                          const char *value, char **problem)
{
    if (!twin_cause_valid(value)) {
        g_autofree char *right = twin_causes_text();
        *problem = g_strdup_printf("'%s' is not a way to fail; write one of %s", value, right);
        return FALSE;
    }
    g_free(*(char **)field);
    *(char **)field = g_strdup(value);
    return TRUE;
}

static char *cause_describe(const MmrigIniKey *key G_GNUC_UNUSED)
{
    return twin_causes_text();
}

static void scenario_text_clear(gpointer field)
{
    g_clear_pointer((char **)field, g_free);
}

static const MmrigIniType cause_type = {cause_set, cause_describe, scenario_text_clear};

static gboolean shift_set(const MmrigIniKey *key G_GNUC_UNUSED, gpointer field,
                          const char *value, char **problem)
{
    g_auto(GStrv) words = g_strsplit(value, " ", 2);
    gint64 bytes = 0;

    if (g_strv_length(words) != 2 || !mmrig_name_valid(words[0]) ||
        !g_ascii_string_to_signed(g_strstrip(words[1]), 10, -G_MAXINT64, G_MAXINT64, &bytes,
                                  NULL) ||
        bytes == 0) {
        *problem = g_strdup_printf("'%s' is not a request and a number of bytes; write for "
                                   "example 'mce-inject 4096'",
                                   value);
        return FALSE;
    }
    MmrigActionFault *fault =
        (MmrigActionFault *)((char *)field - offsetof(MmrigActionFault, shift));
    g_free(fault->shift);
    fault->shift = g_strdup(words[0]);
    fault->shift_bytes = bytes;
    return TRUE;
}

static char *shift_describe(const MmrigIniKey *key G_GNUC_UNUSED)
{
    return g_strdup("a request and a number of bytes");
}

static const MmrigIniType shift_type = {shift_set, shift_describe, scenario_text_clear};

static const MmrigIniKey scenario_keys[] = {
    {"summary", &mmrig_ini_text, IN_SCENARIO(summary), 0, 120, 0, NULL, TRUE,
     "what is tested, in one line", NULL, NULL},
    {"area", &mmrig_ini_name, IN_SCENARIO(area), 0, 0, 0, NULL, TRUE,
     "the group it belongs to, for --area", NULL, NULL},
    {"timeout", &mmrig_ini_number, IN_SCENARIO(timeout), 1, 3600, 0, "60", FALSE,
     "seconds that the test may take in one boot, not counting the boot itself", NULL, NULL},
    {"cold", &mmrig_ini_text, IN_SCENARIO(cold), 0, 120, 0, NULL, FALSE,
     "why the machine must be booted, not forked", NULL, NULL},
    {"forked", &mmrig_ini_text, IN_SCENARIO(forked), 0, 120, 0, NULL, FALSE,
     "why the machine must be forked, not booted, else the scenario is skipped", NULL, NULL},
};

static const char *const expect_words[] = {"pass", "panic", NULL};
G_STATIC_ASSERT(MMRIG_EXPECT_PANIC == 1 && sizeof(MmrigExpect) == sizeof(guint));

static const MmrigIniKey test_keys[] = {
    {"test", &mmrig_ini_name, IN_TEST(test), 0, 0, 0, NULL, TRUE,
     "the guest test program, without test- before it", NULL, NULL},
    {"args", &mmrig_ini_words, IN_TEST(args), 0, 32, 0, NULL, FALSE, "its arguments", NULL,
     NULL},
    {"boots", &mmrig_ini_names, IN_TEST(boots), 0, 8, 0, NULL, FALSE,
     "one word for each boot of the machine, given to the test as its first argument", NULL,
     NULL},
    {"requests", &mmrig_ini_names, IN_TEST(requests), 0, 32, 0, NULL, FALSE,
     "what the test may ask of the rig", NULL, NULL},
    {"expect", &mmrig_ini_choice, IN_TEST(expect), 0, 0, 0, "pass", FALSE, "how it should end",
     expect_words, "way to end"},
    {"panic", &mmrig_ini_regex, IN_TEST(panic), 0, 500, 0, NULL, FALSE,
     "what the text of the expected panic must match", NULL, NULL},
};

static const MmrigIniKey fault_keys[] = {
    {"drop", &mmrig_ini_name, IN_SCENARIO(fault.request.drop), 0, 0, 0, NULL, FALSE,
     "answer this request with ok and do nothing", NULL, NULL},
    {"shift", &shift_type, IN_SCENARIO(fault.request.shift), 0, 0, 0, NULL, FALSE,
     "move every address in this request by so many bytes", NULL, NULL},
    {"cut", &mmrig_ini_name, IN_SCENARIO(fault.cut), 0, 0, 0, NULL, FALSE,
     "this link joins nothing: what is written into it goes nowhere", NULL, NULL},
    {"truncate", &mmrig_ini_name, IN_SCENARIO(fault.truncate), 0, 0, 0, NULL, FALSE,
     "empty the backing file of this device between two boots", NULL, NULL},
};

static const MmrigIniKey twin_keys[] = {
    {"cause", &cause_type, IN_SCENARIO(twin_cause), 0, 0, 0, "assertion", FALSE,
     "why the twin must fail", NULL, NULL},
};

static const MmrigIniKey scenario_machine_key = {
    "machine",
    &mmrig_ini_name,
    0,
    0,
    0,
    0,
    NULL,
    FALSE,
    "whose device it is, in a scenario of several machines",
    NULL,
    NULL};

static const MmrigIniKey scenario_machines_key = {"machines",
                                                  &mmrig_ini_names,
                                                  0,
                                                  0,
                                                  2,
                                                  0,
                                                  NULL,
                                                  TRUE,
                                                  "the names of the two that it joins",
                                                  NULL,
                                                  NULL};

static const MmrigIniSection scenario_section = MMRIG_INI_SECTION("scenario", scenario_keys);
static const MmrigIniSection test_section = MMRIG_INI_SECTION("test", test_keys);
static const MmrigIniSection fault_section = MMRIG_INI_SECTION("fault", fault_keys);
static const MmrigIniSection twin_section = MMRIG_INI_SECTION("twin", twin_keys);

static GArray *scenario_sections_make(void)
{
    GArray *all = g_array_new(TRUE, TRUE, sizeof(MmrigScenarioSection));
    MmrigScenarioSection one = {&scenario_section, MMRIG_OWNER_SCENARIO, NULL};

    g_array_append_val(all, one);
    one = (MmrigScenarioSection){&test_section, MMRIG_OWNER_TEST, NULL};
    g_array_append_val(all, one);
    for (gsize i = 0; i < mmrig_spec_sections_count; i++) {
        one = (MmrigScenarioSection){&mmrig_spec_sections[i], MMRIG_OWNER_MACHINE, NULL};
        g_array_append_val(all, one);
    }
    for (const MmrigDeviceClass *const *class = mmrig_device_classes; *class; class ++) {
        one = (MmrigScenarioSection){&(*class)->section, MMRIG_OWNER_DEVICE, *class};
        g_array_append_val(all, one);
    }
    one = (MmrigScenarioSection){&fault_section, MMRIG_OWNER_SCENARIO, NULL};
    g_array_append_val(all, one);
    one = (MmrigScenarioSection){&twin_section, MMRIG_OWNER_TWIN, NULL};
    g_array_append_val(all, one);
    return all;
}

const MmrigScenarioSection *mmrig_scenario_sections(void)
{
    static GArray *all;

    if (g_once_init_enter(&all))
        g_once_init_leave(&all, scenario_sections_make());
    return &g_array_index(all, MmrigScenarioSection, 0);
}

const MmrigScenarioSection *mmrig_scenario_section(const char *name)
{
    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        if (strcmp(one->section->name, name) == 0)
            return one;
    return NULL;
}

const char *mmrig_scenario_section_nearest(const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const MmrigScenarioSection *one = mmrig_scenario_sections(); one->section; one++)
        g_ptr_array_add(names, (gpointer)one->section->name);
    g_ptr_array_add(names, NULL);
    return mmrig_nearest((const char *const *)names->pdata, name);
}

const MmrigIniKey *mmrig_scenario_owner_key(const MmrigScenarioSection *section)
{
    if (section->owner != MMRIG_OWNER_DEVICE)
        return NULL;
    return section->class->joins_machines ? &scenario_machines_key : &scenario_machine_key;
}

const MmrigIniKey *mmrig_scenario_key(const MmrigScenarioSection *section, const char *key)
{
    const MmrigIniKey *owner = mmrig_scenario_owner_key(section);

    if (owner && strcmp(key, owner->name) == 0)
        return owner;
    return mmrig_ini_find(section->section, key);
}
