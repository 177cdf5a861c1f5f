// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel verbs of ib_core: what they create, fail to create and destroy is
 * tracked accordingly.
 */

#include "verbs_device.h"

#define NAME "mock_ulp"

static void dealloc_pd(void *pd)
{
	to_verbs_device(((struct ib_pd *)pd)->device)->destroy_error = 0;
	ib_dealloc_pd(pd);
}

static struct ib_pd *alloc_pd(struct kunit *test, struct verbs_device *dev)
{
	struct ib_pd *pd = __ib_alloc_pd(&dev->ib, 0, NAME);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pd);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, dealloc_pd, pd));
	return pd;
}

static void destroy_cq(void *cq)
{
	to_verbs_device(((struct ib_cq *)cq)->device)->destroy_error = 0;
	ib_destroy_cq(cq);
}

static struct ib_cq *create_cq(struct kunit *test, struct verbs_device *dev)
{
	struct ib_cq_init_attr attr = { .cqe = 1 };
	struct ib_cq *cq = __ib_create_cq(&dev->ib, NULL, NULL, NULL, &attr, NAME);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cq);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy_cq, cq));
	return cq;
}

static struct ib_qp *try_qp(struct ib_pd *pd, struct ib_cq *cq, enum ib_qp_type type)
{
	struct ib_qp_init_attr attr = {
		.qp_type = type,
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1 },
	};

	return ib_create_qp_kernel(pd, &attr, NAME);
}

static void destroy_qp(void *qp)
{
	to_verbs_device(((struct ib_qp *)qp)->device)->destroy_error = 0;
	ib_destroy_qp(qp);
}

static struct ib_qp *create_qp(struct kunit *test, struct ib_pd *pd, struct ib_cq *cq,
			       enum ib_qp_type type)
{
	struct ib_qp *qp = try_qp(pd, cq, type);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, qp);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy_qp, qp));
	return qp;
}

static void pd_is_tracked_until_it_is_freed(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);

	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 1);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(&pd->res));
	KUNIT_EXPECT_STREQ(test, pd->res.kern_name, NAME);
	kunit_release_action(test, dealloc_pd, pd);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 0);
}

static void cq_is_tracked_until_it_is_destroyed(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_cq *cq = create_cq(test, dev);

	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_STREQ(test, cq->res.kern_name, NAME);
	kunit_release_action(test, destroy_cq, cq);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 0);
}

static void qp_is_tracked_until_it_is_destroyed(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_qp *qp = create_qp(test, alloc_pd(test, dev), create_cq(test, dev), IB_QPT_RC);

	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, qp->res.id, 100);
	KUNIT_EXPECT_STREQ(test, qp->res.kern_name, NAME);
	KUNIT_EXPECT_TRUE(test, mock_found(&dev->ib, &qp->res));
	kunit_release_action(test, destroy_qp, qp);
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 0);
}

static void srq_belongs_to_the_owner_of_its_pd(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_srq_init_attr attr = { .srq_type = IB_SRQT_BASIC };
	struct ib_srq *srq = ib_create_srq_user(pd, &attr, NULL, NULL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, srq);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_SRQ), 1);
	KUNIT_EXPECT_STREQ(test, srq->res.kern_name, NAME);
	KUNIT_EXPECT_EQ(test, ib_destroy_srq_user(srq, NULL), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_SRQ), 0);
}

static void mr_belongs_to_the_owner_of_its_pd(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_mr *mr = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, 1);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mr);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_MR), 1);
	KUNIT_EXPECT_STREQ(test, mr->res.kern_name, NAME);
	KUNIT_EXPECT_EQ(test, ib_dereg_mr(mr), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_MR), 0);
}

/* And is left out of the count without details. */
static void driver_qp_is_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_cq *cq = create_cq(test, dev);
	struct ib_qp *qp = create_qp(test, pd, cq, IB_QPT_DRIVER);

	KUNIT_EXPECT_TRUE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count(&dev->ib.res, RDMA_RESTRACK_QP, NULL), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
}

/* The end of the test checks it too: the device must go without a warning. */
static void object_refused_by_the_driver_is_not_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_cq *cq = create_cq(test, dev);
	struct ib_srq_init_attr srq_attr = { .srq_type = IB_SRQT_BASIC };
	struct ib_cq_init_attr cq_attr = { .cqe = 1 };

	dev->create_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR(__ib_alloc_pd(&dev->ib, 0, NAME)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, PTR_ERR(__ib_create_cq(&dev->ib, NULL, NULL, NULL, &cq_attr,
						     NAME)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, PTR_ERR(try_qp(pd, cq, IB_QPT_RC)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_create_srq_user(pd, &srq_attr, NULL, NULL)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, 1)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_SRQ), 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_MR), 0);
}

/* It was unreachable while the driver was asked. */
static void object_kept_by_the_driver_stays_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_cq *cq = create_cq(test, dev);
	struct ib_qp *qp = create_qp(test, pd, cq, IB_QPT_RC);
	int i;

	dev->destroy_error = -EBUSY;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, ib_destroy_qp(qp), -EBUSY);
		KUNIT_EXPECT_EQ(test, dev->seen, 0);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
		KUNIT_EXPECT_TRUE(test, qp->res.valid);
	}
	dev->destroy_error = 0;
	kunit_release_action(test, destroy_qp, qp);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 0);

	dev->destroy_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, ib_destroy_cq_user(cq, NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_EQ(test, ib_dealloc_pd_user(pd, NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 1);
}

/* The caller frees it in any case. */
static void kernel_cq_goes_though_the_driver_refuses(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_cq *cq = ib_alloc_cq(&dev->ib, NULL, 1, 0, IB_POLL_DIRECT);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cq);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(&cq->res));
	dev->destroy_error = -EBUSY;
	kunit_warning_suppress(test) {
		ib_free_cq(cq);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_CQ), 0);
}

/* A PD has one where the device has no key for all memory. */
static void internal_mr_of_a_pd_is_not_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd;

	dev->ib.attrs.kernel_cap_flags = 0;
	pd = alloc_pd(test, dev);
	KUNIT_EXPECT_NOT_NULL(test, pd->__internal_mr);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_MR), 0);
	kunit_release_action(test, dealloc_pd, pd);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 0);

	/* without it the PD is given up after it was tracked */
	dev->mr_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR(__ib_alloc_pd(&dev->ib, 0, NAME)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_PD), 0);
}

/* Some drivers number raw packet QPs separately from others. */
static void qps_with_one_number_are_both_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_cq *cq = create_cq(test, dev);
	struct ib_qp *a = create_qp(test, pd, cq, IB_QPT_RC);
	struct ib_qp *b = create_qp(test, pd, cq, IB_QPT_RAW_PACKET);

	KUNIT_EXPECT_EQ(test, a->res.id, b->res.id);
	KUNIT_EXPECT_TRUE(test, b->res.valid);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 2);
	kunit_release_action(test, destroy_qp, a);
	KUNIT_EXPECT_TRUE(test, b->res.valid);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 1);
}

static void many_qps_are_counted(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_pd *pd = alloc_pd(test, dev);
	struct ib_cq *cq = create_cq(test, dev);
	struct ib_qp *qp[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(qp); i++) {
		dev->qp_num = 0x100 + i;
		qp[i] = create_qp(test, pd, cq, IB_QPT_UD);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), i + 1);
	}
	for (i = 0; i < ARRAY_SIZE(qp); i++) {
		kunit_release_action(test, destroy_qp, qp[i]);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP),
				ARRAY_SIZE(qp) - i - 1);
	}
}

static struct kunit_case verbs_cases[] = {
	KUNIT_CASE(pd_is_tracked_until_it_is_freed),
	KUNIT_CASE(cq_is_tracked_until_it_is_destroyed),
	KUNIT_CASE(qp_is_tracked_until_it_is_destroyed),
	KUNIT_CASE(srq_belongs_to_the_owner_of_its_pd),
	KUNIT_CASE(mr_belongs_to_the_owner_of_its_pd),
	KUNIT_CASE(driver_qp_is_tracked),
	KUNIT_CASE(object_refused_by_the_driver_is_not_tracked),
	KUNIT_CASE(object_kept_by_the_driver_stays_tracked),
	KUNIT_CASE(kernel_cq_goes_though_the_driver_refuses),
	KUNIT_CASE(internal_mr_of_a_pd_is_not_tracked),
	KUNIT_CASE(qps_with_one_number_are_both_tracked),
	KUNIT_CASE(many_qps_are_counted),
	{}
};

static struct kunit_suite verbs_suite = {
	.name = "restrack_c_verbs",
	.test_cases = verbs_cases,
};
kunit_test_suite(verbs_suite);
