// SPDX-License-Identifier: GPL-2.0-or-later
/* What is allocated by a write to the file, and held until the file is closed. */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "pages.h"

#define LINE_SIZE 64

/**
 * struct item - one allocation
 * @list: in &holder.items
 * @kind: the way of it
 * @object: what &pages_kind.get gave
 */
struct item {
	struct list_head list;
	const struct pages_kind *kind;
	void *object;
};

/**
 * struct holder - an open file
 * @mutex: protects @items
 * @items: what it has
 */
struct holder {
	struct mutex mutex; /* The items. */
	struct list_head items;
};

/* Of all files together. */
static atomic_t held = ATOMIC_INIT(0);

void pages_show(struct seq_file *file, const char *name, struct page *page)
{
	seq_printf(file, "%s %lu %d %s\n", name, page_to_pfn(page), page_to_nid(page),
		   page_zone(page)->name);
}

void pages_show_range(struct seq_file *file, const char *name, const void *address, size_t size)
{
	const void *end = address + size;
	const void *at = PTR_ALIGN_DOWN(address, PAGE_SIZE);

	for (; at < end; at += PAGE_SIZE) {
		if (is_vmalloc_addr(at))
			pages_show(file, name, vmalloc_to_page(at));
		else
			pages_show(file, name, virt_to_page(at));
	}
}

static int hold_one(struct holder *holder, const struct pages_kind *kind)
{
	struct item *item;

	if (!atomic_add_unless(&held, 1, MMRIG_PAGES_HELD_MAX))
		return -ENOSPC;
	item = kzalloc(sizeof(*item), GFP_KERNEL);
	if (!item)
		goto no_item;
	item->kind = kind;
	item->object = kind->get();
	if (!item->object)
		goto no_object;
	list_add_tail(&item->list, &holder->items);
	return 0;

no_object:
	kfree(item);
no_item:
	atomic_dec(&held);
	return -ENOMEM;
}

static ssize_t hold_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	struct holder *holder = ((struct seq_file *)file->private_data)->private;
	const struct pages_kind *kind;
	char line[LINE_SIZE], *count_text;
	unsigned int count, i;
	int err;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, size))
		return -EFAULT;
	line[size] = '\0';
	count_text = strim(line);
	kind = pages_kind_find(strsep(&count_text, " "));
	if (!kind || !count_text)
		return -EINVAL;
	err = kstrtouint(count_text, 10, &count);
	if (err)
		return err;
	if (count > MMRIG_PAGES_COUNT_MAX)
		return -EINVAL;

	/* What was allocated before it failed stays, to be freed with the rest. */
	mutex_lock(&holder->mutex);
	for (i = 0; i < count && !err; i++)
		err = hold_one(holder, kind);
	mutex_unlock(&holder->mutex);
	return err ? err : size;
}

static int hold_show(struct seq_file *file, void *data)
{
	struct holder *holder = file->private;
	struct item *item;

	mutex_lock(&holder->mutex);
	list_for_each_entry(item, &holder->items, list)
		item->kind->show(file, item->kind->name, item->object);
	mutex_unlock(&holder->mutex);
	return 0;
}

static int hold_open(struct inode *inode, struct file *file)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);
	int err;

	if (!holder)
		return -ENOMEM;
	mutex_init(&holder->mutex);
	INIT_LIST_HEAD(&holder->items);
	err = single_open(file, hold_show, holder);
	if (err) {
		mutex_destroy(&holder->mutex);
		kfree(holder);
	}
	return err;
}

static int hold_release(struct inode *inode, struct file *file)
{
	struct holder *holder = ((struct seq_file *)file->private_data)->private;
	struct item *item, *next;

	list_for_each_entry_safe(item, next, &holder->items, list) {
		item->kind->put(item->object);
		kfree(item);
		atomic_dec(&held);
	}
	mutex_destroy(&holder->mutex);
	kfree(holder);
	return single_release(inode, file);
}

const struct file_operations pages_hold_fops = {
	.owner = THIS_MODULE,
	.open = hold_open,
	.read = seq_read,
	.write = hold_write,
	.llseek = seq_lseek,
	.release = hold_release,
};
