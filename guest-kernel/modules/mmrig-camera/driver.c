// SPDX-License-Identifier: GPL-2.0-or-later
/* PCI: probe and remove. */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <media/videobuf2-dma-contig.h>

#include "camera.h"

/* Called when nothing refers to the device any more, be it long after remove. */
static void cam_release(struct v4l2_device *v4l2_dev)
{
	struct cam_device *cam = container_of(v4l2_dev, struct cam_device, v4l2_dev);

	v4l2_ctrl_handler_free(&cam->ctrls);
	v4l2_device_unregister(&cam->v4l2_dev);
	mutex_destroy(&cam->mutex);
	kfree(cam);
}

static int cam_setup_dma(struct cam_device *cam)
{
	int err = dma_set_mask_and_coherent(&cam->pdev->dev, DMA_BIT_MASK(cam->limits.dma_bits));

	if (err)
		return dev_err_probe(&cam->pdev->dev, err, "no DMA with %u bits\n",
				     cam->limits.dma_bits);
	/* A buffer is one segment, however large it is. */
	return vb2_dma_contig_set_max_seg_size(&cam->pdev->dev, DMA_BIT_MASK(32));
}

static int cam_map_registers(struct cam_device *cam)
{
#ifdef CAM_PCIM_IOMAP_REGION
	cam->regs = pcim_iomap_region(cam->pdev, MMRIG_CAM_BAR_REGS, CAM_NAME);
	return PTR_ERR_OR_ZERO(cam->regs);
#else
	int err = pcim_iomap_regions(cam->pdev, BIT(MMRIG_CAM_BAR_REGS), CAM_NAME);

	if (!err)
		cam->regs = pcim_iomap_table(cam->pdev)[MMRIG_CAM_BAR_REGS];
	return err;
#endif
}

static int cam_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct cam_device *cam;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	cam = kzalloc(sizeof(*cam), GFP_KERNEL);
	if (!cam)
		return -ENOMEM;
	cam->pdev = pdev;
	mutex_init(&cam->mutex);
	spin_lock_init(&cam->lock);
	spin_lock_init(&cam->statistics.lock);
	INIT_LIST_HEAD(&cam->waiting);
	INIT_LIST_HEAD(&cam->queued);
	pci_set_drvdata(pdev, cam);

	cam->v4l2_dev.release = cam_release;
	err = v4l2_device_register(&pdev->dev, &cam->v4l2_dev);
	if (err) {
		mutex_destroy(&cam->mutex);
		kfree(cam);
		return err;
	}

	err = cam_map_registers(cam);
	if (err)
		goto put;
	err = cam_hw_identify(cam);
	if (err)
		goto put;
	err = cam_setup_dma(cam);
	if (err)
		goto put;
	cam_video_defaults(cam);
	err = cam_video_controls(cam);
	if (err)
		goto put;
	err = cam_queue_init(cam);
	if (err)
		goto put;
	cam_hw_stop(cam);
	pci_set_master(pdev);
	err = cam_hw_irqs(cam);
	if (err)
		goto put;
	cam_statistics_init(cam);
	err = cam_video_register(cam);
	if (err)
		goto quiet;
	dev_info(&pdev->dev, "%s: %u sizes, %u formats, DMA of %u bits, buffers aligned to %u\n",
		 video_device_node_name(&cam->vdev), cam->limits.size_count,
		 cam->limits.format_count, cam->limits.dma_bits, cam->limits.align);
	return 0;

quiet:
	cam_statistics_remove(cam);
	cam_hw_free_irqs(cam);
put:
	v4l2_device_put(&cam->v4l2_dev);
	return err;
}

static void cam_remove(struct pci_dev *pdev)
{
	struct cam_device *cam = pci_get_drvdata(pdev);

	/* Stops a stream that is running; later ioctls get ENODEV. */
	vb2_video_unregister_device(&cam->vdev);
	v4l2_device_disconnect(&cam->v4l2_dev);
	cam_hw_stop(cam);
	cam_hw_free_irqs(cam);
	cam_statistics_remove(cam);
	pci_clear_master(pdev);
	v4l2_device_put(&cam->v4l2_dev);
}

static const struct pci_device_id cam_ids[] = {
	{ PCI_DEVICE(MMRIG_CAM_PCI_VENDOR, MMRIG_CAM_PCI_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, cam_ids);

static struct pci_driver cam_driver = {
	.name = CAM_NAME,
	.id_table = cam_ids,
	.probe = cam_probe,
	.remove = cam_remove,
};

static int __init cam_init(void)
{
	int err;

	cam_queue_module_init();
	cam_statistics_module_init();
	err = pci_register_driver(&cam_driver);
	if (err)
		cam_statistics_module_exit();
	return err;
}
module_init(cam_init);

static void __exit cam_exit(void)
{
	pci_unregister_driver(&cam_driver);
	cam_statistics_module_exit();
}
module_exit(cam_exit);

MODULE_DESCRIPTION("mmrig's frame grabber, which wants contiguous buffers");
MODULE_LICENSE("GPL");
