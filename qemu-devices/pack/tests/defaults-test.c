/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the devices' properties are when nobody sets them, as docs/devices has it. */
#include "qtest.h"

#define DEBUG(device)                                                                          \
    {                                                                                          \
        device, "debug", "false"                                                               \
    }

static const struct {
    const char *device;
    const char *property;
    const char *value; /* JSON */
} defaults[] = {
    {"camera", "sizes", "\"640x480:1280x720:1920x1080:3840x2160\""},
    {"camera", "formats", "\"YUYV:GREY:RGB3:XR24\""},
    {"camera", "max-fps", "60"},
    {"camera", "dma-bits", "32"},
    {"camera", "align", "4096"},
    {"camera", "start-timeout-ms", "500"},
    {"camera", "queue-depth", "32"},
    {"camera", "min-buffers", "2"},
    {"camera", "calibrate", "false"},
    DEBUG("camera"),
    {"mirror", "percent", "\"\""},
    {"mirror", "below-4g", "false"},
    {"mirror", "mirror", "\"\""},
    {"mirror", "specific", "\"\""},
    {"mirror", "status", "0"},
    {"mirror", "status-detail", "0"},
    {"mirror", "corrected", "0"},
    {"mirror", "failovers", "0"},
    DEBUG("mirror"),
    {"nvdimm", "store", "\"\""},
    {"nvdimm", "unit", "256"},
    {"nvdimm", "ars-buffer", "4092"},
    {"nvdimm", "ars-rate", "4294967296"},
    {"nvdimm", "ars-time-ms", "1"},
    {"nvdimm", "notify", "true"},
    DEBUG("nvdimm"),
    {"ras", "store-clears", "\"full-line\""},
    {"ras", "reset", "\"keep\""},
    {"ras", "kvm-poison", "\"overlay\""},
    {"ras", "cxl-poison", "true"},
    {"ras", "injected", "0"},
    DEBUG("ras"),
};

static void test_defaults(void)
{
    QTest *q = qtest_start("-cpu", "max,vendor=GenuineIntel,family=6,model=143,stepping=4",
                           "-machine", "q35,nvdimm=on", "-m", "256M,slots=2,maxmem=2G",
                           "-object", "memory-backend-ram,id=pmem,size=64M", "-device",
                           "nvdimm,id=n0,memdev=pmem", "-device", "mmrig-camera,id=camera",
                           "-device", "mmrig-mirror,id=mirror", "-device",
                           "mmrig-nvdimm,id=nvdimm", "-device", "mmrig-ras,id=ras", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(defaults); i++) {
        g_autoptr(JsonNode) node =
            qtest_qmp(q, "{'execute':'qom-get','arguments':{'path':'%s','property':'%s'}}",
                      defaults[i].device, defaults[i].property);
        g_autofree char *value = json_to_string(node, FALSE);

        g_test_message("%s.%s is %s", defaults[i].device, defaults[i].property, value);
        g_assert_cmpstr(value, ==, defaults[i].value);
    }
    qtest_stop(q);
}

static JsonNode *properties_of(QTest *q, const char *device)
{
    return qtest_qmp(q, "{'execute':'device-list-properties','arguments':{'typename':'%s'}}",
                     device);
}

static gboolean has_property(JsonArray *properties, const char *name)
{
    for (guint i = 0; i < json_array_get_length(properties); i++) {
        JsonObject *property = json_array_get_object_element(properties, i);

        if (g_str_equal(json_object_get_string_member(property, "name"), name))
            return TRUE;
    }
    return FALSE;
}

/* Each property that is ours has a line for `mmrig devices`. */
static void test_descriptions(void)
{
    static const char *const devices[] = {"mmrig-camera", "mmrig-mirror", "mmrig-nvdimm",
                                          "mmrig-ras"};
    QTest *q = qtest_start("-S", NULL);
    g_autoptr(JsonNode) edu = properties_of(q, "edu");

    for (gsize d = 0; d < G_N_ELEMENTS(devices); d++) {
        g_autoptr(JsonNode) node = properties_of(q, devices[d]);
        JsonArray *properties = json_node_get_array(node);
        guint ours = 0;

        for (guint i = 0; i < json_array_get_length(properties); i++) {
            JsonObject *property = json_array_get_object_element(properties, i);
            const char *name = json_object_get_string_member(property, "name");

            if (has_property(json_node_get_array(edu), name))
                continue;
            ours++;
            g_test_message("%s.%s", devices[d], name);
            g_assert_true(json_object_has_member(property, "description"));
        }
        g_assert_cmpuint(ours, >, 3);
    }
    qtest_stop(q);
}

int main(int argc, char **argv)
{
    qtest_begin(&argc, &argv);
    g_test_add_func("/pack/defaults", test_defaults);
    g_test_add_func("/pack/descriptions", test_descriptions);
    return g_test_run();
}
