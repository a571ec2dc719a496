/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of an address through the HDM decoders (CXL 3.1, 8.2.4.20): that of
 * the window (CFMWS, 9.18.1.3) names the host bridge, those of host bridge and
 * switch the port below, and the device's own take the address to where it is
 * in the device. What the decoders hold is the guest's: none of it is trusted.
 *
 * It is the way that QEMU takes itself (hw/cxl/cxl-host.c, hw/mem/cxl_type3.c),
 * of which it tells nobody.
 */
#include "cxl-route.h"

#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_port.h"

/* A decoder's registers, as far as they are looked at. */
typedef struct CxlDecoder {
    uint64_t base;
    uint64_t size;
    uint64_t skip;
    unsigned granularity; /* as encoded: 256 bytes times two to the power */
    unsigned ways;        /* as encoded: two to the power; 8 to 10: by 3 */
    uint64_t targets;     /* a byte each */
    bool committed;
} CxlDecoder;

static uint64_t cxl_register_pair(const uint32_t *registers, size_t low,
                                  size_t high)
{
    /* Bits 28 to 63 of a multiple of 256 MiB. */
    return (uint64_t)ldl_le_p(registers + high) << 32 |
           (ldl_le_p(registers + low) & 0xf0000000);
}

static CxlDecoder cxl_decoder(const uint32_t *registers, unsigned index)
{
    const uint32_t *r = registers + index * (R_CXL_HDM_DECODER1_BASE_LO -
                                             R_CXL_HDM_DECODER0_BASE_LO);
    uint32_t control = ldl_le_p(r + R_CXL_HDM_DECODER0_CTRL);

    return (CxlDecoder){
        .base = cxl_register_pair(r, R_CXL_HDM_DECODER0_BASE_LO,
                                  R_CXL_HDM_DECODER0_BASE_HI),
        .size = cxl_register_pair(r, R_CXL_HDM_DECODER0_SIZE_LO,
                                  R_CXL_HDM_DECODER0_SIZE_HI),
        /* Of a device; of all others the same registers are the targets. */
        .skip = cxl_register_pair(r, R_CXL_HDM_DECODER0_DPA_SKIP_LO,
                                  R_CXL_HDM_DECODER0_DPA_SKIP_HI),
        .targets = (uint64_t)ldl_le_p(r + R_CXL_HDM_DECODER0_TARGET_LIST_HI)
                       << 32 |
                   ldl_le_p(r + R_CXL_HDM_DECODER0_TARGET_LIST_LO),
        .granularity = FIELD_EX32(control, CXL_HDM_DECODER0_CTRL, IG),
        .ways = FIELD_EX32(control, CXL_HDM_DECODER0_CTRL, IW),
        .committed = FIELD_EX32(control, CXL_HDM_DECODER0_CTRL, COMMITTED),
    };
}

static unsigned cxl_decoder_count(const uint32_t *registers)
{
    uint32_t capability = ldl_le_p(registers + R_CXL_HDM_DECODER_CAPABILITY);

    return cxl_decoder_count_dec(
        FIELD_EX32(capability, CXL_HDM_DECODER_CAPABILITY, DECODER_COUNT));
}

static bool cxl_decoder_has(const CxlDecoder *decoder, hwaddr gpa)
{
    return gpa >= decoder->base && gpa - decoder->base < decoder->size;
}

/* The port that a host bridge or switch sends an address to. */
static bool cxl_route_port(const uint32_t *registers, hwaddr gpa, uint8_t *port)
{
    for (unsigned i = 0; i < cxl_decoder_count(registers); i++) {
        CxlDecoder decoder = cxl_decoder(registers, i);
        uint64_t granule = gpa >> (8 + decoder.granularity);

        if (!cxl_decoder_has(&decoder, gpa)) {
            continue;
        }
        /* Switches and host bridges divide by 2, 4 or 8 only. */
        if (!decoder.committed || decoder.ways > 3) {
            return false;
        }
        *port =
            decoder.targets >> 8 * (granule & MAKE_64BIT_MASK(0, decoder.ways));
        return true;
    }
    return false;
}

/* What is in the slot of a port. */
static PCIDevice *cxl_behind_port(PCIDevice *port)
{
    return port ? pci_bridge_get_sec_bus(PCI_BRIDGE(port))->devices[0] : NULL;
}

static PCIDevice *cxl_root_port(PXBCXLDev *bridge, hwaddr gpa)
{
    PCIHostState *host = PCI_HOST_BRIDGE(bridge->cxl_host_bridge);
    CXLComponentState *state;
    uint8_t port;

    if (!host || !host->bus || !pci_bus_is_cxl(host->bus)) {
        return NULL;
    }
    if (cxl_get_hb_passthrough(host)) {
        return pcie_find_port_first(host->bus);
    }
    state = cxl_get_hb_cstate(host);
    return state && cxl_route_port(state->crb.cache_mem_registers, gpa, &port)
               ? pcie_find_port_by_pn(host->bus, port)
               : NULL;
}

/* From the address to the device's own, as the device's decoders have it. */
static bool cxl_route_inside(const CXLType3Dev *device, hwaddr gpa,
                             uint64_t *dpa)
{
    const uint32_t *registers = device->cxl_cstate.crb.cache_mem_registers;
    uint64_t base = 0;

    for (unsigned i = 0; i < cxl_decoder_count(registers); i++) {
        CxlDecoder decoder = cxl_decoder(registers, i);
        unsigned shift = 8 + decoder.granularity;
        unsigned thirds = decoder.ways < 8 ? 1 : 3;
        unsigned bits = decoder.ways < 8 ? decoder.ways : decoder.ways - 8;
        uint64_t offset = gpa - decoder.base;

        if (!decoder.committed || bits > 4 || (thirds == 3 && bits > 2)) {
            return false;
        }
        base += decoder.skip;
        if (cxl_decoder_has(&decoder, gpa)) {
            *dpa = base + ((offset >> shift >> bits) / thirds << shift) +
                   (offset & MAKE_64BIT_MASK(0, shift));
            return true;
        }
        base += (decoder.size >> bits) / thirds;
    }
    return false;
}

CXLType3Dev *mmrig_cxl_route(const CXLFixedWindow *window, hwaddr gpa,
                             uint64_t *dpa)
{
    unsigned turn;
    PCIDevice *device;

    if (window->num_targets == 0) {
        return NULL;
    }
    turn = gpa / cxl_decode_ig(window->enc_int_gran) % window->num_targets;
    if (!window->target_hbs[turn]) {
        return NULL;
    }
    device = cxl_behind_port(cxl_root_port(window->target_hbs[turn], gpa));
    if (device && object_dynamic_cast(OBJECT(device), TYPE_CXL_USP)) {
        CXLComponentState *state = cxl_usp_to_cstate(CXL_USP(device));
        uint8_t port;

        device = cxl_route_port(state->crb.cache_mem_registers, gpa, &port)
                     ? cxl_behind_port(pcie_find_port_by_pn(
                           &PCI_BRIDGE(device)->sec_bus, port))
                     : NULL;
    }
    if (!device || !object_dynamic_cast(OBJECT(device), TYPE_CXL_TYPE3) ||
        !cxl_route_inside(CXL_TYPE3(device), gpa, dpa)) {
        return NULL;
    }
    return CXL_TYPE3(device);
}
