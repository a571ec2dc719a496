/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware's variables, by efivarfs. */
#ifndef MMRIG_TESTS_EFIVAR_H
#define MMRIG_TESTS_EFIVAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Address range mirroring": the vendor of MirrorRequest and MirrorCurrent. */
#define EFIVAR_MIRROR_VENDOR "7b9be2e0-e28a-4197-ad3e-32f062f9462c"

/* Non-volatile, and there for boot services and at run time (UEFI 2.10, 8.2). */
#define EFIVAR_ATTRIBUTES 7u

/* Mounts efivarfs where the tools look for it. Aborts the test if there is no EFI. */
void efivar_mount(void);

/* The variable's bytes, at most size of them; -1 with errno. */
int efivar_read(const char *name, const char *vendor, void *data, size_t size);

/* Sets the variable; false with errno. */
bool efivar_write(const char *name, const char *vendor, const void *data, size_t size);

#endif
