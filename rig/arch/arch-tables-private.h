/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of architectures, a line for each: NAME is arch-NAME.c and in it
 * mmrig_arch_NAME. Included wherever something is made of all, and read by CMake.
 */
MMRIG_ARCH(x86_64)
MMRIG_ARCH(aarch64)
