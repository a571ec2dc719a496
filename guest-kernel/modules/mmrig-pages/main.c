// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/kernel/debug/mmrig-pages/:
 *   frames  one word for each page frame, as mmrig-pages-uapi.h says; taken when it is opened
 *   hold    "KIND COUNT" written to it allocates; read, it has a line "KIND PFN NODE ZONE" for
 *           each page of what was allocated. Closing it frees all.
 */
#include <linux/debugfs.h>
#include <linux/module.h>

#include "pages.h"

static struct dentry *root;

static int __init pages_init(void)
{
	int err = pages_kinds_init();

	if (err)
		return err;
	root = debugfs_create_dir(MMRIG_PAGES_DEBUGFS, NULL);
	debugfs_create_file("frames", 0400, root, NULL, &pages_frames_fops);
	debugfs_create_file("hold", 0600, root, NULL, &pages_hold_fops);
	return 0;
}
module_init(pages_init);

/* An open file holds the module, so nothing is held any more. */
static void __exit pages_exit(void)
{
	debugfs_remove_recursive(root);
	pages_kinds_exit();
}
module_exit(pages_exit);

MODULE_DESCRIPTION("mmrig's view of page frames: who has them");
MODULE_LICENSE("GPL");
