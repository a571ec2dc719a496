// SPDX-License-Identifier: GPL-2.0-or-later
/* The ways in which the kernel allocates, one function of each. */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/percpu.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "pages.h"

#define KMALLOC_SIZE 1024
#define OBJECT_SIZE 704 /* not a size that kmalloc() has */
#define PERCPU_SIZE 1024
#define ORDER 3
#define VMALLOC_SIZE (4 * PAGE_SIZE)
#define DMA_SIZE (2 * PAGE_SIZE)
#define SKB_HEAD 1024
#define SKB_DATA (2 * PAGE_SIZE)

static struct kmem_cache *cache;
static struct platform_device *device;

/* ---- Slabs ---- */

static void *get_kmalloc(void)
{
	return kmalloc(KMALLOC_SIZE, GFP_KERNEL);
}

static void put_kmalloc(void *object)
{
	kfree(object);
}

static void show_kmalloc(struct seq_file *file, const char *name, void *object)
{
	pages_show_range(file, name, object, KMALLOC_SIZE);
}

static void *get_cache(void)
{
	return kmem_cache_alloc(cache, GFP_KERNEL);
}

static void put_cache(void *object)
{
	kmem_cache_free(cache, object);
}

static void show_cache(struct seq_file *file, const char *name, void *object)
{
	pages_show_range(file, name, object, OBJECT_SIZE);
}

/* ---- The page allocator ---- */

static void show_pages(struct seq_file *file, const char *name, struct page *page,
		       unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		pages_show(file, name, page + i);
}

static void *get_page_0(void)
{
	return alloc_page(GFP_KERNEL);
}

static void *get_movable(void)
{
	return alloc_page(GFP_HIGHUSER_MOVABLE);
}

static void put_page_0(void *object)
{
	__free_page(object);
}

static void show_page_0(struct seq_file *file, const char *name, void *object)
{
	show_pages(file, name, object, 0);
}

static void *get_block(void)
{
	return alloc_pages(GFP_KERNEL, ORDER);
}

static void *get_compound(void)
{
	return alloc_pages(GFP_KERNEL | __GFP_COMP, ORDER);
}

static void put_block(void *object)
{
	__free_pages(object, ORDER);
}

static void show_block(struct seq_file *file, const char *name, void *object)
{
	show_pages(file, name, object, ORDER);
}

/* ---- Mapped by the kernel ---- */

static void *get_vmalloc(void)
{
	return vmalloc(VMALLOC_SIZE);
}

static void put_vmalloc(void *object)
{
	vfree(object);
}

static void show_vmalloc(struct seq_file *file, const char *name, void *object)
{
	pages_show_range(file, name, object, VMALLOC_SIZE);
}

/**
 * struct percpu_object - what carries a pointer to per-CPU memory, which is no address
 * @memory: the pointer
 */
struct percpu_object {
	void __percpu *memory;
};

static void *get_percpu(void)
{
	struct percpu_object *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return NULL;
	object->memory = __alloc_percpu(PERCPU_SIZE, sizeof(u64));
	if (!object->memory) {
		kfree(object);
		return NULL;
	}
	return object;
}

static void put_percpu(void *data)
{
	struct percpu_object *object = data;

	free_percpu(object->memory);
	kfree(object);
}

static void show_percpu(struct seq_file *file, const char *name, void *data)
{
	struct percpu_object *object = data;
	int cpu;

	for_each_possible_cpu(cpu)
		pages_show_range(file, name, per_cpu_ptr(object->memory, cpu), PERCPU_SIZE);
}

/* ---- Of threads and devices ---- */

static int thread_main(void *data)
{
	return 0;
}

/* It is never woken, but to end. */
static void *get_thread(void)
{
	struct task_struct *task = kthread_create(thread_main, NULL, "mmrig-pages");

	return IS_ERR(task) ? NULL : task;
}

static void put_thread(void *object)
{
	kthread_stop(object);
}

static void show_thread(struct seq_file *file, const char *name, void *object)
{
	pages_show_range(file, name, task_stack_page(object), THREAD_SIZE);
}

/**
 * struct dma_object - what a device and the kernel share
 * @address: the kernel's
 * @bus: the device's
 */
struct dma_object {
	void *address;
	dma_addr_t bus;
};

static void *get_dma(void)
{
	struct dma_object *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return NULL;
	object->address = dma_alloc_coherent(&device->dev, DMA_SIZE, &object->bus, GFP_KERNEL);
	if (!object->address) {
		kfree(object);
		return NULL;
	}
	return object;
}

static void put_dma(void *data)
{
	struct dma_object *object = data;

	dma_free_coherent(&device->dev, DMA_SIZE, object->address, object->bus);
	kfree(object);
}

static void show_dma(struct seq_file *file, const char *name, void *data)
{
	struct dma_object *object = data;

	pages_show_range(file, name, object->address, DMA_SIZE);
}

#ifdef CONFIG_NET
/* As sockets have it: a head for the protocols, and data in pages. */
static void *get_skb(void)
{
	int err;

	return alloc_skb_with_frags(SKB_HEAD, SKB_DATA, 0, &err, GFP_KERNEL);
}

static void put_skb(void *object)
{
	kfree_skb(object);
}

static void show_skb(struct seq_file *file, const char *name, void *object)
{
	struct sk_buff *skb = object;
	unsigned int i;

	pages_show_range(file, name, skb, sizeof(*skb));
	pages_show_range(file, name, skb->head, SKB_HEAD);
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++)
		pages_show(file, name, skb_frag_page(&skb_shinfo(skb)->frags[i]));
}
#endif

static const struct pages_kind kinds[] = {
	{ "kmalloc", get_kmalloc, put_kmalloc, show_kmalloc },
	{ "cache", get_cache, put_cache, show_cache },
	{ "page", get_page_0, put_page_0, show_page_0 },
	{ "block", get_block, put_block, show_block },
	{ "compound", get_compound, put_block, show_block },
	{ "vmalloc", get_vmalloc, put_vmalloc, show_vmalloc },
	{ "percpu", get_percpu, put_percpu, show_percpu },
	{ "thread", get_thread, put_thread, show_thread },
	{ "dma", get_dma, put_dma, show_dma },
#ifdef CONFIG_NET
	{ "skb", get_skb, put_skb, show_skb },
#endif
	{ "movable", get_movable, put_page_0, show_page_0 },
};

const struct pages_kind *pages_kind_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

int __init pages_kinds_init(void)
{
	int err;

	cache = kmem_cache_create("mmrig-pages", OBJECT_SIZE, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	device = platform_device_register_simple("mmrig-pages", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device)) {
		err = PTR_ERR(device);
		goto no_device;
	}
	err = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	if (err)
		goto no_dma;
	return 0;

no_dma:
	platform_device_unregister(device);
no_device:
	kmem_cache_destroy(cache);
	return err;
}

void pages_kinds_exit(void)
{
	platform_device_unregister(device);
	kmem_cache_destroy(cache);
}
