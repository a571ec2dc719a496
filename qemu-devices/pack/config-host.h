/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's own configuration writes, as far as its headers ask for it: that
 * of a distribution's x86-64 build on Linux. The guard compares the sizes that
 * follow with those of the running QEMU.
 */
#define CONFIG_LINUX 1
#define CONFIG_POSIX 1
#define CONFIG_MODULES 1
#define CONFIG_TCG 1
#define CONFIG_ATOMIC64 1
#define CONFIG_INT128 1
#define CONFIG_INT128_TYPE 1
#define CONFIG_IOVEC 1
#define CONFIG_PLUGIN 1
#define CONFIG_SYNC_FILE_RANGE 1
#define CONFIG_MEMFD 1
#define CONFIG_MADVISE 1
#define CONFIG_POSIX_MADVISE 1
#define CONFIG_FALLOCATE 1
#define CONFIG_EVENTFD 1
#define CONFIG_CPUID_H 1
#define HOST_X86_64 1
