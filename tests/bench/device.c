// SPDX-License-Identifier: GPL-2.0
/*
 * An RDMA device that does nothing, for objects to track. It is registered, so
 * that its objects can be dumped.
 */

#include <linux/err.h>
#include <linux/module.h>
#include "bench.h"

static int query_device(struct ib_device *dev, struct ib_device_attr *attr,
			struct ib_udata *udata)
{
	return 0;
}

static int query_port(struct ib_device *dev, u32 port,
		      struct ib_port_attr *attr)
{
	attr->state = IB_PORT_DOWN;
	return 0;
}

static int get_port_immutable(struct ib_device *dev, u32 port,
			      struct ib_port_immutable *immutable)
{
	immutable->core_cap_flags = RDMA_CORE_PORT_RAW_PACKET;
	return 0;
}

static const struct ib_device_ops device_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_UNKNOWN,
	.query_device = query_device,
	.query_port = query_port,
	.get_port_immutable = get_port_immutable,
};

struct bench_device *bench_device_new(void)
{
	struct bench_device *dev;
	int err;

	dev = ib_alloc_device(bench_device, ib);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->ib.phys_port_cnt = 1;
	dev->ib.num_comp_vectors = 1;
	dev->context.device = &dev->ib;
	dev->uobject.context = &dev->context;
	ib_set_device_ops(&dev->ib, &device_ops);
	err = ib_register_device(&dev->ib, BENCH_DEVICE_NAME, NULL);
	if (err) {
		ib_dealloc_device(&dev->ib);
		return ERR_PTR(err);
	}
	return dev;
}

void bench_device_free(struct bench_device *dev)
{
	ib_unregister_device(&dev->ib);
	ib_dealloc_device(&dev->ib);
}
