/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command-private.h"

static const MmrigCommand commands[] = {
#define MMRIG_COMMAND(name, summary) {#name, summary, mmrig_cmd_##name},
#include "commands-private.h"
#undef MMRIG_COMMAND
};

static void print_help(void)
{
    mmrig_print(
        "Usage: mmrig COMMAND [OPTION...]\n\n"
        "A test rig for Linux memory management: boots a guest kernel on QEMU, hurts it,\n"
        "and gives a verdict.\n\nCommands:\n");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        mmrig_print("  %-8s %s\n", commands[i].name, commands[i].summary);
    mmrig_print("\n`mmrig COMMAND --help` tells the options of one; mmrig(1) the rest.\n");
}

/* For what takes no argument: --help, --version. */
static MmrigExit main_end(int argc, char **argv)
{
    if (argc == 2)
        return MMRIG_EXIT_PASS;
    g_printerr("mmrig: %s takes no argument \"%s\"; `mmrig --help` lists the commands\n",
               argv[1], argv[2]);
    return MMRIG_EXIT_USAGE;
}

static MmrigExit main_run(int argc, char **argv)
{
    if (argc < 2) {
        g_printerr("mmrig: which command? `mmrig --help` lists them\n");
        return MMRIG_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        if (argc == 2)
            mmrig_print("mmrig %s\n", MMRIG_VERSION);
        return main_end(argc, argv);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        if (argc == 2)
            print_help();
        return main_end(argc, argv);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        /* For the first line of the command's --help. */
        g_autofree char *name = g_strconcat("mmrig ", commands[i].name, NULL);
        g_set_prgname(name);
        return commands[i].run(argc - 1, argv + 1);
    }
    g_printerr("mmrig: there is no command \"%s\"; `mmrig --help` lists them\n", argv[1]);
    return MMRIG_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    mmrig_print_open();
    /* The user can always read and write again what the rig makes, whatever the caller's umask
     * is.
     */
    umask(umask(0) & ~(mode_t)S_IRWXU);
    /* Characters and messages; numbers and times are written in one way everywhere. */
    setlocale(LC_CTYPE, "");
    setlocale(LC_MESSAGES, "");
    /* A reader that goes away early (`mmrig list | head`) is an error to report, not a death.
     */
    signal(SIGPIPE, SIG_IGN);
    /* A process that ignores SIGCHLD cannot wait for its children, and may have inherited that.
     */
    signal(SIGCHLD, SIG_DFL);
    return (int)mmrig_print_end(main_run(argc, argv));
}
