/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report-private.h"

#include "base/text.h"

GArray *mmrig_report_cases(const MmrigResult *result)
{
    GArray *cases = g_array_new(FALSE, FALSE, sizeof(MmrigReportCase));

    for (guint i = 0; i < result->ktaps->len; i++) {
        const MmrigBootKtap *said = g_ptr_array_index(result->ktaps, i);
        const GPtrArray *tests = mmrig_ktap_tests(said->ktap);
        for (guint j = 0; j < tests->len; j++) {
            const MmrigKtapTest *test = g_ptr_array_index(tests, j);
            MmrigReportCase item = {
                .test = test,
                .machine = said->machine,
                .boot = said->boot,
                .outcome = test->outcome,
            };
            if (item.outcome == MMRIG_KTAP_NOT_OK && result->verdict == MMRIG_PASS)
                item.outcome = MMRIG_KTAP_XFAIL;
            if (!test->group)
                g_array_append_val(cases, item);
        }
    }
    return cases;
}

char *mmrig_report_case_name(const MmrigReportCase *item)
{
    g_autoptr(GString) name = g_string_new(NULL);

    if (item->machine)
        g_string_append_printf(name, "%s/", item->machine);
    if (item->boot)
        g_string_append_printf(name, "boot%u/", item->boot);
    g_string_append(name, item->test->name);
    return mmrig_text_utf8(name->str);
}

const char *mmrig_report_case_reason(const MmrigReportCase *item)
{
    /* The verdict made it an expected failure, not the test. */
    if (item->outcome == MMRIG_KTAP_XFAIL && item->test->outcome == MMRIG_KTAP_NOT_OK)
        return "what was broken on purpose";
    return item->test->reason;
}
