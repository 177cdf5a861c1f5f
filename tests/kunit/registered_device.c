// SPDX-License-Identifier: GPL-2.0
/*
 * A device that is registered with ib_core, see registered_device.h.
 */

#include <linux/module.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_counter.h>
#include "registered_device.h"

static const struct rdma_stat_desc descs[] = {
	{ .name = "packets" },
	{ .name = "errors" },
	{ .name = "optional", .flags = IB_STAT_FLAG_OPTIONAL },
};

static int get_port_immutable(struct ib_device *ib, u32 port,
			      struct ib_port_immutable *immutable)
{
	immutable->core_cap_flags = RDMA_CORE_PORT_RAW_PACKET;
	return 0;
}

static int query_device(struct ib_device *ib, struct ib_device_attr *attr,
			struct ib_udata *udata)
{
	attr->kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
	return 0;
}

static int query_port(struct ib_device *ib, u32 port, struct ib_port_attr *attr)
{
	attr->state = IB_PORT_ACTIVE;
	return 0;
}

static int modify_qp(struct ib_qp *qp, struct ib_qp_attr *attr, int mask,
		     struct ib_udata *udata)
{
	return 0;
}

static struct rdma_hw_stats *alloc_port_stats(struct ib_device *ib, u32 port)
{
	return rdma_alloc_hw_stats_struct(descs, ARRAY_SIZE(descs), 0);
}

static int get_stats(struct ib_device *ib, struct rdma_hw_stats *stats, u32 port, int index)
{
	return ARRAY_SIZE(descs);
}

static int modify_stat(struct ib_device *ib, u32 port, unsigned int index, bool enable)
{
	return 0;
}

static void counter_init(struct rdma_counter *counter)
{
}

static struct rdma_hw_stats *counter_alloc_stats(struct rdma_counter *counter)
{
	return rdma_alloc_hw_stats_struct(descs, ARRAY_SIZE(descs), 0);
}

static int counter_bind_qp(struct rdma_counter *counter, struct ib_qp *qp, u32 port)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	dev->binds++;
	if (dev->bind_error)
		return dev->bind_error;
	if (!counter->id)
		counter->id = ++dev->last_counter;
	qp->counter = counter;
	return 0;
}

static int counter_unbind_qp(struct ib_qp *qp, u32 port)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	if (dev->unbind_error)
		return dev->unbind_error;
	qp->counter = NULL;
	return 0;
}

static int counter_dealloc(struct rdma_counter *counter)
{
	struct verbs_device *dev = to_verbs_device(counter->device);

	dev->seen = verbs_count(dev, RDMA_RESTRACK_COUNTER);
	return dev->destroy_error;
}

/* Values made from the number of the counter, so that tests know what was added up. */
static int counter_update_stats(struct rdma_counter *counter)
{
	int i;

	for (i = 0; i < counter->stats->num_counters; i++)
		counter->stats->value[i] = 100 * counter->id + i;
	return 0;
}

static int query_qp(struct ib_qp *qp, struct ib_qp_attr *attr, int mask,
		    struct ib_qp_init_attr *init)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	memset(attr, 0, sizeof(*attr));
	return qp->qp_num == dev->bad_qp ? dev->query_error : 0;
}

static const struct ib_device_ops registered_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_UNKNOWN,
	.get_port_immutable = get_port_immutable,
	.query_device = query_device,
	.query_port = query_port,
	.modify_qp = modify_qp,
	.query_qp = query_qp,
	.alloc_hw_port_stats = alloc_port_stats,
	.get_hw_stats = get_stats,
	.modify_hw_stat = modify_stat,
	.counter_init = counter_init,
	.counter_alloc_stats = counter_alloc_stats,
	.counter_bind_qp = counter_bind_qp,
	.counter_unbind_qp = counter_unbind_qp,
	.counter_dealloc = counter_dealloc,
	.counter_update_stats = counter_update_stats,
	.size_rdma_counter = sizeof(struct rdma_counter),
};

void unregister_device(void *data)
{
	ib_unregister_device(data);
}

struct verbs_device *registered_device(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);

	ib_set_device_ops(&dev->ib, &registered_ops);
	dev->ib.phys_port_cnt = 1;
	dev->ib.num_comp_vectors = 1;
	KUNIT_ASSERT_EQ(test, 0, ib_register_device(&dev->ib, "mock%d", NULL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unregister_device, &dev->ib));
	return dev;
}
