// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who has each page frame, at one moment.
 *
 * All other processors stand still while the frames are looked at, with interrupts off: nothing
 * moves from one list to another then, and a lock that is not free cannot become so.
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/vmalloc.h>

#include "pages.h"

/* 32 GiB of addresses: a machine that stands still for longer is taken for one that hangs. */
#define FRAMES_MAX (32ULL * 1024 * 1024 * 1024 / PAGE_SIZE)

/**
 * struct frames - an open file
 * @count: of frames, from 0 on
 * @words: one for each
 */
struct frames {
	unsigned long count;
	u32 words[];
};

static u32 zone_number(const struct page *page)
{
	static const u8 numbers[MAX_NR_ZONES] = {
#ifdef CONFIG_ZONE_DMA
		[ZONE_DMA] = MMRIG_PAGES_ZONE_DMA,
#endif
#ifdef CONFIG_ZONE_DMA32
		[ZONE_DMA32] = MMRIG_PAGES_ZONE_DMA32,
#endif
		[ZONE_NORMAL] = MMRIG_PAGES_ZONE_NORMAL,
#ifdef CONFIG_HIGHMEM
		[ZONE_HIGHMEM] = MMRIG_PAGES_ZONE_HIGHMEM,
#endif
		[ZONE_MOVABLE] = MMRIG_PAGES_ZONE_MOVABLE,
#ifdef CONFIG_ZONE_DEVICE
		[ZONE_DEVICE] = MMRIG_PAGES_ZONE_DEVICE,
#endif
	};

	return numbers[page_zonenum(page)];
}

static u32 word_for(struct page *page, u32 kind)
{
	return MMRIG_PAGES_WORD(kind, zone_number(page), (u32)page_to_nid(page));
}

/* Free pages that are on a list look as the kernel's do; mark_listed() corrects that. */
static u32 kind_of(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (PageReserved(page))
		return MMRIG_PAGES_RESERVED;
	if (PageOffline(page))
		return MMRIG_PAGES_OFFLINE;
	if (PageHWPoison(page))
		return MMRIG_PAGES_BAD;
	if (folio_test_slab(folio))
		return MMRIG_PAGES_SLAB;
	if (PageTable(page))
		return MMRIG_PAGES_TABLE;
	/* A page on its way to the LRU lists already has a mapping, but for huge ones. */
	if (folio_test_lru(folio) || folio_test_hugetlb(folio) || folio->mapping)
		return MMRIG_PAGES_USER;
	return MMRIG_PAGES_KERNEL;
}

static void fill_node(struct frames *frames, int node)
{
	unsigned long pfn = node_start_pfn(node);
	unsigned long end = min(node_end_pfn(node), frames->count);

	while (pfn < end) {
		struct page *page = pfn_to_online_page(pfn);
		unsigned long next = pfn + 1;
		u32 kind;

		/* Memory is there, or not, by whole blocks. Nodes may lie in one another. */
		if (!page || page_to_nid(page) != node) {
			pfn = page ? next : ALIGN(next, pageblock_nr_pages);
			continue;
		}
		if (PageBuddy(page)) {
			kind = MMRIG_PAGES_FREE;
			next = min(end, pfn + (1UL << page_private(page)));
		} else {
			kind = kind_of(page);
		}
		while (pfn < next)
			frames->words[pfn++] = word_for(page, kind);
	}
}

/* As mm/page_alloc.c has the lists: by order and type, and the huge ones behind all others. */
static unsigned int order_of_list(unsigned int list)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	if (list >= NR_LOWORDER_PCP_LISTS)
		return HPAGE_PMD_ORDER;
#endif
	return list / MIGRATE_PCPTYPES;
}

static void mark_list(struct frames *frames, const struct list_head *list, unsigned int order)
{
	struct page *page;

	list_for_each_entry(page, list, pcp_list) {
		unsigned long pfn = page_to_pfn(page);
		unsigned long end = min(pfn + (1UL << order), frames->count);

		while (pfn < end)
			frames->words[pfn++] = word_for(page, MMRIG_PAGES_LISTED);
	}
}

static int mark_listed(struct frames *frames, struct zone *zone)
{
	unsigned int list;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct per_cpu_pages *pcp = per_cpu_ptr(zone->per_cpu_pageset, cpu);

		/* Whoever has it is not running, and has half changed the lists. */
		if (!spin_trylock(&pcp->lock))
			return -EBUSY;
		for (list = 0; list < NR_PCP_LISTS; list++)
			mark_list(frames, &pcp->lists[list], order_of_list(list));
		spin_unlock(&pcp->lock);
	}
	return 0;
}

static int take(void *data)
{
	struct frames *frames = data;
	int node, i, err = 0;

	for_each_online_node(node) {
		fill_node(frames, node);
		for (i = 0; i < MAX_NR_ZONES && !err; i++) {
			struct zone *zone = &NODE_DATA(node)->node_zones[i];

			if (populated_zone(zone))
				err = mark_listed(frames, zone);
		}
	}
	return err;
}

static int frames_open(struct inode *inode, struct file *file)
{
	struct frames *frames;
	unsigned long count = 0;
	int node, err;

	for_each_online_node(node)
		count = max(count, node_end_pfn(node));
	if (count > FRAMES_MAX)
		return -EFBIG;
	frames = vzalloc(struct_size(frames, words, count));
	if (!frames)
		return -ENOMEM;
	frames->count = count;
	err = stop_machine(take, frames, NULL);
	if (err) {
		vfree(frames);
		return err;
	}
	file->private_data = frames;
	return 0;
}

static ssize_t frames_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	const struct frames *frames = file->private_data;

	return simple_read_from_buffer(to, size, at, frames->words,
				       array_size(frames->count, sizeof(u32)));
}

static int frames_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

const struct file_operations pages_frames_fops = {
	.owner = THIS_MODULE,
	.open = frames_open,
	.read = frames_read,
	.llseek = default_llseek,
	.release = frames_release,
};
