// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel verbs that fail because an allocation fails, each one in turn, leave
 * nothing tracked.
 */

#include "faults.h"
#include "verbs_device.h"

#define NAME "mock_ulp"

/* Created in this order, and destroyed in reverse. */
struct objects {
	struct verbs_device *dev;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct ib_srq *srq;
	struct ib_qp *qp;
	struct ib_mr *mr;
	struct ib_xrcd *xrcd;
};

static void *make_pd(struct objects *o)
{
	return o->pd = __ib_alloc_pd(&o->dev->ib, 0, NAME);
}

static void *make_cq(struct objects *o)
{
	struct ib_cq_init_attr attr = { .cqe = 1 };

	return o->cq = __ib_create_cq(&o->dev->ib, NULL, NULL, NULL, &attr, NAME);
}

static void *make_srq(struct objects *o)
{
	struct ib_srq_init_attr attr = { .srq_type = IB_SRQT_BASIC };

	return o->srq = ib_create_srq_user(o->pd, &attr, NULL, NULL);
}

static void *make_qp(struct objects *o)
{
	struct ib_qp_init_attr attr = {
		.qp_type = IB_QPT_RC,
		.send_cq = o->cq,
		.recv_cq = o->cq,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1 },
	};

	return o->qp = ib_create_qp_kernel(o->pd, &attr, NAME);
}

static void *make_mr(struct objects *o)
{
	return o->mr = ib_alloc_mr(o->pd, IB_MR_TYPE_MEM_REG, 1);
}

static void *make_xrcd(struct objects *o)
{
	return o->xrcd = ib_alloc_xrcd_user(&o->dev->ib, NULL, NULL);
}

static const struct {
	enum rdma_restrack_type type;
	void *(*make)(struct objects *o);
} steps[] = {
	{ RDMA_RESTRACK_PD, make_pd },
	{ RDMA_RESTRACK_CQ, make_cq },
	{ RDMA_RESTRACK_SRQ, make_srq },
	{ RDMA_RESTRACK_QP, make_qp },
	{ RDMA_RESTRACK_MR, make_mr },
	{ RDMA_RESTRACK_XRCD, make_xrcd },
};

static void destroy(void *data)
{
	struct objects *o = data;

	if (!IS_ERR_OR_NULL(o->xrcd))
		ib_dealloc_xrcd_user(o->xrcd, NULL);
	if (!IS_ERR_OR_NULL(o->mr))
		ib_dereg_mr(o->mr);
	if (!IS_ERR_OR_NULL(o->qp))
		ib_destroy_qp(o->qp);
	if (!IS_ERR_OR_NULL(o->srq))
		ib_destroy_srq_user(o->srq, NULL);
	if (!IS_ERR_OR_NULL(o->cq))
		ib_destroy_cq(o->cq);
	if (!IS_ERR_OR_NULL(o->pd))
		ib_dealloc_pd(o->pd);
}

static void failed_create_leaves_nothing_tracked(struct kunit *test)
{
	struct objects *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);
	bool hit = true;
	void *object;
	int i, n;

	faults_needed(test);
	KUNIT_ASSERT_NOT_NULL(test, o);
	o->dev = verbs_device(test);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy, o));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (n = 1, hit = true; hit; n++) {
			fail_nth(n);
			object = steps[i].make(o);
			hit = failed();
			KUNIT_ASSERT_LT(test, n, MANY_FAULTS);
			if (!IS_ERR(object))
				break;
			KUNIT_ASSERT_TRUE_MSG(test, hit, "type %d, without a reason: %pe",
					      steps[i].type, object);
			KUNIT_EXPECT_EQ(test, verbs_count(o->dev, steps[i].type), 0);
		}
		KUNIT_EXPECT_GT_MSG(test, n, 1, "type %d needs no memory", steps[i].type);
		KUNIT_EXPECT_EQ(test, verbs_count(o->dev, steps[i].type), 1);
	}
	kunit_release_action(test, destroy, o);
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		KUNIT_EXPECT_EQ(test, verbs_count(o->dev, steps[i].type), 0);
}

static struct kunit_case verbs_memory_cases[] = {
	KUNIT_CASE(failed_create_leaves_nothing_tracked),
	{}
};

static struct kunit_suite verbs_memory_suite = {
	.name = "restrack_c_verbs_memory",
	.test_cases = verbs_memory_cases,
};
kunit_test_suite(verbs_memory_suite);
