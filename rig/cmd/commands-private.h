/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of commands, a row for each in the order of `mmrig --help`: NAME is cmd-NAME.c
 * and in it mmrig_cmd_NAME(); then one line for the help. Included wherever something is made
 * of all commands, and read by CMake.
 */
MMRIG_COMMAND(run, "run scenarios and give a verdict on each")
MMRIG_COMMAND(list, "show the scenarios there are")
MMRIG_COMMAND(shell, "open a shell, or run one command, in a scenario's machine")
MMRIG_COMMAND(inject, "break the memory of a machine that is kept")
MMRIG_COMMAND(memmap, "show the memory map that a scenario's guest sees")
MMRIG_COMMAND(doctor, "check this host, and say how to mend what is wrong")
MMRIG_COMMAND(devices, "list the devices that mmrig adds to QEMU")
MMRIG_COMMAND(kernel, "fetch, build and list guest kernels")
MMRIG_COMMAND(image, "make the initramfs of a guest")
MMRIG_COMMAND(cache, "show, check and clear what the rig has kept")
MMRIG_COMMAND(bench, "measure how fast the rig itself is")
