/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for QEMU in the tests of what the rig does with one. It talks over the
 * descriptors that the rig hands to QEMU (rig/machine/plan.h), as the environment says:
 *
 *   MMRIG_FAKE_QEMU_VERSION  "MAJOR MINOR MICRO", 10 0 2 unless set
 *   MMRIG_FAKE_QEMU_ARCH     x86_64 unless set
 *   MMRIG_FAKE_QEMU_KVM      "false" for one without KVM
 *   MMRIG_FAKE_QEMU_PACK     what loading a plugin gives: refuses, rubbish (it is no pack),
 * mute (it does not say what it is), odd (answers that make no sense) MMRIG_FAKE_QEMU_STARTS a
 * file that grows by one byte with each start, but not with "-L help" MMRIG_FAKE_QEMU_FOLDER
 * the folder that "-L help" names MMRIG_FAKE_QEMU_DOES     besides answering:
 *     nonsense   every answer is the number 5
 *     quits      ends in the middle of the questions
 *     silent     answers nothing
 *     chatters   prints without end before it answers
 *     ready      speaks as an agent that is ready
 *     fails      speaks as an agent that cannot go on
 *     babbles    breaks the guest protocol
 *     dies       prints an error and ends with status 1
 *     stops      tells of a guest that was stopped
 *   MMRIG_FAKE_QEMU_SCRIPT  a file that says what it does from its greeting on
 *                           (fake-qemu-script.h); with ".NAME" behind its own name it is that
 * of the machine NAME only
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-qemu-script.h"
#include "mmrig-guest-protocol.h"

#define QMP_FD     3
#define CONTROL_FD 4

static bool does(const char *what)
{
    const char *set = getenv("MMRIG_FAKE_QEMU_DOES");

    return set && strcmp(set, what) == 0;
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *set = getenv(name);

    return set ? set : otherwise;
}

static void say(int fd, const char *text)
{
    size_t size = strlen(text);

    if (write(fd, text, size) != (ssize_t)size)
        exit(3);
}

static bool has_plugin;

static bool pack_is(const char *what)
{
    return has_plugin && strcmp(setting("MMRIG_FAKE_QEMU_PACK", "fits"), what) == 0;
}

/* What the pack adds; false if the command is not about it. */
static bool answer_pack(const char *command, char *text, size_t size)
{
    if (!has_plugin)
        return false;
    if (strcmp(command, "qom-get") == 0)
        snprintf(text, size, pack_is("mute") ? "5" : "\"10.0.1\"");
    else if (strcmp(command, "qom-list-types") == 0)
        snprintf(text, size,
                 "[{\"name\": \"nvdimm\"}, {\"name\": \"new-b\", \"parent\": \"p\"}, {\"name\":"
                 " \"new-a\"}]");
    else if (strcmp(command, "qom-list-properties") == 0)
        snprintf(text, size, "[{\"name\": \"addr\", \"type\": \"str\"}]");
    else if (strcmp(command, "device-list-properties") == 0 && pack_is("odd"))
        snprintf(text, size, "[{\"name\": 5}]");
    else if (strcmp(command, "device-list-properties") == 0)
        snprintf(text, size,
                 "[{\"name\": \"addr\", \"type\": \"str\"}, {\"name\": \"size\", \"type\":"
                 " \"uint32\", \"default-value\": 7, \"description\": \"how large\"},"
                 " {\"name\": \"debug\", \"type\": \"bool\", \"default-value\": false}]");
    else if (strcmp(command, "human-monitor-command") == 0)
        snprintf(text, size,
                 "\"Devices:\\r\\nname \\\"new-a\\\", bus PCI, alias \\\"x\\\", desc \\\"the"
                 " first\\\"\\r\\nname \\\"new-b\\\", bus USB\\r\\n\"");
    else
        return false;
    return true;
}

/* What the command is answered with, as JSON. */
static void answer(const char *command, char *text, size_t size)
{
    int major = 10, minor = 0, micro = 2;

    if (does("nonsense") && strcmp(command, "qmp_capabilities") != 0) {
        snprintf(text, size, "5");
    } else if (answer_pack(command, text, size)) {
        return;
    } else if (strcmp(command, "query-version") == 0) {
        if (sscanf(setting("MMRIG_FAKE_QEMU_VERSION", "10 0 2"), "%d %d %d", &major, &minor,
                   &micro) != 3)
            exit(3);
        snprintf(text, size,
                 "{\"qemu\": {\"major\": %d, \"minor\": %d, \"micro\": %d}, \"package\": "
                 "\"fake\"}",
                 major, minor, micro);
    } else if (strcmp(command, "query-target") == 0) {
        snprintf(text, size, "{\"arch\": \"%s\"}", setting("MMRIG_FAKE_QEMU_ARCH", "x86_64"));
    } else if (strcmp(command, "query-kvm") == 0) {
        snprintf(text, size, "{\"enabled\": false, \"present\": %s}",
                 setting("MMRIG_FAKE_QEMU_KVM", "true"));
    } else if (strcmp(command, "query-status") == 0) {
        snprintf(text, size, "{\"status\": \"%s\", \"running\": %s}",
                 does("stops") ? "internal-error" : "running",
                 does("stops") ? "false" : "true");
    } else if (strcmp(command, "qom-list-types") == 0) {
        snprintf(text, size,
                 "[{\"name\": \"nvdimm\"}, {\"name\": \"virtio-mem-pci\"}, {\"name\": "
                 "\"virtio-serial-pci\"}, {\"name\": \"virtserialport\"}, {\"name\": "
                 "\"pvpanic-pci\"}]");
    } else if (strcmp(command, "query-commands") == 0) {
        snprintf(text, size, "[{\"name\": \"quit\"}, {\"name\": \"query-status\"}]");
    } else if (strcmp(command, "query-machines") == 0) {
        if (does("quits"))
            exit(0);
        snprintf(text, size, "[{\"name\": \"pc-q35-10.0\", \"alias\": \"q35\"}]");
    } else {
        snprintf(text, size, "{}");
    }
}

static bool answer_next(FILE *in, char *name)
{
    char *line = NULL, command[64], result[512], reply[1024];
    size_t room = 0;
    bool more = getline(&line, &room, in) > 0;

    if (more) {
        const char *execute = strstr(line, "\"execute\":\"");
        const char *id = strstr(line, "\"id\":");

        if (!execute || !id ||
            sscanf(execute + strlen("\"execute\":\""), "%63[^\"]", command) != 1)
            exit(3);
        answer(command, result, sizeof result);
        snprintf(reply, sizeof reply, "{\"return\": %s, \"id\": %d}\r\n", result,
                 atoi(id + strlen("\"id\":")));
        say(QMP_FD, reply);
        if (name)
            memcpy(name, command, sizeof command);
    }
    free(line);
    return more;
}

/* The script of this machine of several, by its -name "mmrig-SCENARIO.MACHINE"; else the one.
 */
static const char *script_of(const char *script, int argc, char **argv)
{
    static char own[4096];

    for (int i = 1; script && i + 1 < argc; i++) {
        const char *dot = strcmp(argv[i], "-name") == 0 ? strchr(argv[i + 1], '.') : NULL;
        if (!dot)
            continue;
        snprintf(own, sizeof(own), "%s%s", script, dot);
        if (access(own, R_OK) == 0)
            return own;
    }
    return script;
}

int main(int argc, char **argv)
{
    const char *starts = getenv("MMRIG_FAKE_QEMU_STARTS");
    const char *script = script_of(getenv("MMRIG_FAKE_QEMU_SCRIPT"), argc, argv);
    FILE *in;

    if (argc == 3 && strcmp(argv[1], "-L") == 0 && strcmp(argv[2], "help") == 0) {
        puts(setting("MMRIG_FAKE_QEMU_FOLDER", ""));
        return 0;
    }
    if (starts) {
        int fd = open(starts, O_WRONLY | O_CREAT | O_APPEND, 0600);
        say(fd, "x");
        close(fd);
    }
    for (int i = 1; i < argc; i++) {
        has_plugin |= strcmp(argv[i], "-plugin") == 0;
        /* One that has no machine is only asked what it can do. */
        if (strcmp(argv[i], "none") == 0 && strcmp(argv[i - 1], "-machine") == 0)
            script = NULL;
    }
    if (pack_is("refuses")) {
        fputs("mmrig-devices.so: this is QEMU 10.0.2; rebuild the pack\n", stderr);
        return 1;
    }
    if (pack_is("rubbish")) {
        fputs("fake-qemu: Could not load plugin: file too short\n", stderr);
        return 1;
    }
    if (does("dies")) {
        fputs("fake-qemu: cannot set up the guest's processor\n", stderr);
        return 1;
    }
    for (int i = 0; does("chatters") && i < 100000; i++)
        fputs("one more line that nobody wants to read\n", stderr);
    in = fdopen(QMP_FD, "r");
    if (!in)
        return 3;
    if (does("silent")) {
        pause();
        return 3;
    }
    say(QMP_FD, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    if (does("ready"))
        say(CONTROL_FD, "ready 1 0123456789abcdef0123456789abcdef 6.12.0\n");
    if (does("fails"))
        say(CONTROL_FD, "fail cannot%20mount%20/proc\n");
    if (does("babbles"))
        say(CONTROL_FD, "hello\n");
    if (script)
        return fake_qemu_play(script, in, answer_next);
    while (answer_next(in, NULL))
        ;
    return 0;
}
