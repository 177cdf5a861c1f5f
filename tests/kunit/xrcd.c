// SPDX-License-Identifier: GPL-2.0
/*
 * XRC domains are tracked from ib_alloc_xrcd_user() to ib_dealloc_xrcd_user().
 */

#include <linux/refcount.h>
#include <linux/sched/task.h>
#include "verbs_device.h"

static void dealloc(void *xrcd)
{
	to_verbs_device(((struct ib_xrcd *)xrcd)->device)->destroy_error = 0;
	ib_dealloc_xrcd_user(xrcd, NULL);
}

static struct ib_xrcd *alloc(struct kunit *test, struct verbs_device *dev,
			     struct ib_udata *udata)
{
	struct ib_xrcd *xrcd = ib_alloc_xrcd_user(&dev->ib, NULL, udata);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, xrcd);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, dealloc, xrcd));
	return xrcd;
}

static void kernel_xrcd_is_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_xrcd *xrcd = alloc(test, dev, NULL);

	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 1);
	KUNIT_EXPECT_TRUE(test, xrcd->res.valid);
	KUNIT_EXPECT_EQ(test, xrcd->res.type, RDMA_RESTRACK_XRCD);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(&xrcd->res));
	KUNIT_EXPECT_NOT_NULL(test, xrcd->res.kern_name);

	kunit_release_action(test, dealloc, xrcd);
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 0);
}

static void process_owns_its_xrcd(struct kunit *test)
{
	int usage = refcount_read(&current->usage);
	struct verbs_device *dev = verbs_device(test);
	struct ib_udata udata = {};
	struct ib_xrcd *xrcd = alloc(test, dev, &udata);

	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(&xrcd->res));
	KUNIT_EXPECT_PTR_EQ(test, xrcd->res.task, current);
	KUNIT_EXPECT_EQ(test, refcount_read(&current->usage), usage + 1);
	kunit_release_action(test, dealloc, xrcd);
	KUNIT_EXPECT_EQ(test, refcount_read(&current->usage), usage);
}

static void several_xrcds_are_found(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_xrcd *xrcd[10];
	int i;

	for (i = 0; i < ARRAY_SIZE(xrcd); i++)
		xrcd[i] = alloc(test, dev, NULL);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 10);
	for (i = 0; i < ARRAY_SIZE(xrcd); i++)
		KUNIT_EXPECT_TRUE(test, mock_found(&dev->ib, &xrcd[i]->res));
}

static void refused_xrcd_is_not_tracked(struct kunit *test)
{
	int usage = refcount_read(&current->usage);
	struct verbs_device *dev = verbs_device(test);
	struct ib_udata udata = {};

	dev->create_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_alloc_xrcd_user(&dev->ib, NULL, NULL)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_alloc_xrcd_user(&dev->ib, NULL, &udata)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&current->usage), usage);
}

static void xrcd_kept_by_the_driver_stays_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_xrcd *xrcd = alloc(test, dev, NULL);

	dev->destroy_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, ib_dealloc_xrcd_user(xrcd, NULL), -EBUSY);
	/* unreachable while the driver was asked, and back afterwards */
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 1);
	KUNIT_EXPECT_TRUE(test, xrcd->res.valid);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(&xrcd->res), 1);
	rdma_restrack_put(&xrcd->res);
}

/* The driver is not asked. */
static void xrcd_in_use_stays_tracked(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);
	struct ib_xrcd *xrcd = alloc(test, dev, NULL);

	atomic_inc(&xrcd->usecnt);
	KUNIT_EXPECT_EQ(test, ib_dealloc_xrcd_user(xrcd, NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_XRCD), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&xrcd->res.kref), 1);
	atomic_dec(&xrcd->usecnt);
}

static struct kunit_case xrcd_cases[] = {
	KUNIT_CASE(kernel_xrcd_is_tracked),
	KUNIT_CASE(process_owns_its_xrcd),
	KUNIT_CASE(several_xrcds_are_found),
	KUNIT_CASE(refused_xrcd_is_not_tracked),
	KUNIT_CASE(xrcd_kept_by_the_driver_stays_tracked),
	KUNIT_CASE(xrcd_in_use_stays_tracked),
	{}
};

static struct kunit_suite xrcd_suite = {
	.name = "restrack_c_xrcd",
	.test_cases = xrcd_cases,
};
kunit_test_suite(xrcd_suite);
