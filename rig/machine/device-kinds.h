/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of the kinds of devices, a line for each. KIND is device-KIND.c (with hyphens)
 * and in it mmrig_device_KIND. QEMU's -machine takes what they say in this order. Included
 * wherever something is made of all kinds, and read by CMake.
 */
MMRIG_DEVICE_KIND(nvdimm)
MMRIG_DEVICE_KIND(dimm)
MMRIG_DEVICE_KIND(virtio_mem)
MMRIG_DEVICE_KIND(balloon)
MMRIG_DEVICE_KIND(disk)
MMRIG_DEVICE_KIND(cxl)
MMRIG_DEVICE_KIND(link)
MMRIG_DEVICE_KIND(pack)
