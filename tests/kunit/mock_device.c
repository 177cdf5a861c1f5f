// SPDX-License-Identifier: GPL-2.0
/*
 * A mock RDMA device and its objects, see mock_device.h.
 */

#include <linux/mm.h>
#include <linux/module.h>
#include <rdma/rdma_cm.h>
#include "cma_priv.h"
#include "mock_device.h"

static atomic_t mock_last_number = ATOMIC_INIT(0x1000);

static void mock_device_clean(void *data)
{
	struct ib_device *dev = data;

	rdma_restrack_clean(&dev->res);
}

struct ib_device *mock_device(struct kunit *test)
{
	struct ib_device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	strscpy(dev->name, "mock0", sizeof(dev->name));
	rdma_restrack_init(&dev->res);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_device_clean, dev));
	return dev;
}

/*
 * Runs when a test has ended. A test that failed may have stopped anywhere, and
 * left the entry tracked, dying or referenced.
 */
static void mock_forget(void *data)
{
	struct rdma_restrack_entry *res = data;

	if (!res->valid && !res->task)
		return;
	if (res->valid && !kref_read(&res->kref)) {
		rdma_restrack_commit_del(res);
		return;
	}
	while (res->valid && kref_read(&res->kref) > 1)
		rdma_restrack_put(res);
	rdma_restrack_del(res);
}

static struct rdma_restrack_entry *mock_adopt(struct kunit *test,
					      struct rdma_restrack_entry *res,
					      enum rdma_restrack_type type)
{
	res->type = type;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_forget, res));
	return res;
}

#define mock_alloc(test, object)					\
({									\
	object *__obj = kunit_kzalloc(test, sizeof(*__obj), GFP_KERNEL); \
									\
	KUNIT_ASSERT_NOT_NULL(test, __obj);				\
	__obj;								\
})

#define mock_plain(test, dev, object, type)				\
({									\
	object *__plain = mock_alloc(test, object);			\
									\
	__plain->device = (dev);					\
	mock_adopt(test, &__plain->res, type);				\
})

struct rdma_restrack_entry *mock_object(struct kunit *test,
					struct ib_device *dev,
					enum rdma_restrack_type type)
{
	struct rdma_id_private *id_priv;
	struct rdma_counter *counter;

	switch (type) {
	case RDMA_RESTRACK_PD:
		return mock_plain(test, dev, struct ib_pd, type);
	case RDMA_RESTRACK_CQ:
		return mock_plain(test, dev, struct ib_cq, type);
	case RDMA_RESTRACK_QP:
		return &mock_qp(test, dev, IB_QPT_RC,
				atomic_inc_return(&mock_last_number))->res;
	case RDMA_RESTRACK_XRCD:
		return mock_plain(test, dev, struct ib_xrcd, type);
	case RDMA_RESTRACK_CM_ID:
		id_priv = mock_alloc(test, struct rdma_id_private);
		id_priv->id.device = dev;
		return mock_adopt(test, &id_priv->res, type);
	case RDMA_RESTRACK_MR:
		return mock_plain(test, dev, struct ib_mr, type);
	case RDMA_RESTRACK_CTX:
		return mock_plain(test, dev, struct ib_ucontext, type);
	case RDMA_RESTRACK_COUNTER:
		counter = mock_alloc(test, struct rdma_counter);
		counter->device = dev;
		counter->id = atomic_inc_return(&mock_last_number);
		return mock_adopt(test, &counter->res, type);
	case RDMA_RESTRACK_SRQ:
		return mock_plain(test, dev, struct ib_srq, type);
	case RDMA_RESTRACK_DMAH:
		return mock_plain(test, dev, struct ib_dmah, type);
#ifdef RESTRACK_COMP_CNTR
	case RDMA_RESTRACK_COMP_CNTR:
		return mock_plain(test, dev, struct ib_comp_cntr, type);
#endif
	default:
		break;
	}
	KUNIT_FAIL_AND_ABORT(test, "no object of type %d", type);
	return NULL;
}

struct ib_pd *mock_pd(struct kunit *test, struct ib_device *dev)
{
	return container_of(mock_object(test, dev, RDMA_RESTRACK_PD),
			    struct ib_pd, res);
}

struct ib_qp *mock_qp(struct kunit *test, struct ib_device *dev,
		      enum ib_qp_type type, u32 qp_num)
{
	struct ib_qp *qp = mock_alloc(test, struct ib_qp);

	qp->device = dev;
	qp->qp_type = type;
	qp->qp_num = qp_num;
	mock_adopt(test, &qp->res, RDMA_RESTRACK_QP);
	return qp;
}

void mock_track(struct rdma_restrack_entry *res)
{
	rdma_restrack_new(res, res->type);
	rdma_restrack_set_name(res, MOCK_NAME);
	rdma_restrack_add(res);
}

struct rdma_restrack_entry *mock_tracked(struct kunit *test,
					 struct ib_device *dev,
					 enum rdma_restrack_type type)
{
	struct rdma_restrack_entry *res = mock_object(test, dev, type);

	mock_track(res);
	KUNIT_ASSERT_TRUE(test, res->valid);
	return res;
}

struct ib_qp *mock_tracked_qp(struct kunit *test, struct ib_device *dev,
			      enum ib_qp_type type, u32 qp_num)
{
	struct ib_qp *qp = mock_qp(test, dev, type, qp_num);

	mock_track(&qp->res);
	KUNIT_ASSERT_TRUE(test, qp->res.valid);
	return qp;
}

static void mock_crowd_leave(void *data)
{
	struct mock_crowd *crowd = data;
	unsigned int i;

	for (i = 0; i < crowd->nr; i++)
		mock_forget(&crowd->qp[i].res);
	kvfree(crowd->qp);
}

struct mock_crowd *mock_crowd(struct kunit *test, struct ib_device *dev,
			      unsigned int nr)
{
	struct mock_crowd *crowd = mock_alloc(test, struct mock_crowd);
	unsigned int i;

	crowd->seen = kunit_kcalloc(test, nr, sizeof(*crowd->seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, crowd->seen);
	crowd->qp = kvcalloc(nr, sizeof(*crowd->qp), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, crowd->qp);
	crowd->nr = nr;
	for (i = 0; i < nr; i++) {
		crowd->qp[i].device = dev;
		crowd->qp[i].qp_type = IB_QPT_RC;
		crowd->qp[i].res.type = RDMA_RESTRACK_QP;
	}
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_crowd_leave, crowd));
	return crowd;
}

void mock_crowd_add(struct mock_crowd *crowd, unsigned int index, u32 qp_num)
{
	struct ib_qp *qp = &crowd->qp[index];

	qp->qp_num = qp_num;
	mock_track(&qp->res);
}

int mock_crowd_index(struct mock_crowd *crowd,
		     const struct rdma_restrack_entry *res)
{
	unsigned int i;

	if (res->type != RDMA_RESTRACK_QP)
		return -1;
	i = container_of(res, struct ib_qp, res) - crowd->qp;
	return i < crowd->nr && res == &crowd->qp[i].res ? i : -1;
}

int mock_walk_length(struct ib_device *dev, enum rdma_restrack_type type)
{
	struct rdma_restrack_entry *res;
	u64 cursor;
	int n = 0;

	rdma_restrack_for_each(res, &dev->res, type, cursor, true)
		n++;
	return n;
}

MODULE_DESCRIPTION("KUnit suites of the RDMA resource tracker, with a mock device");
MODULE_LICENSE("GPL");
