// SPDX-License-Identifier: GPL-2.0
/*
 * Queue pairs of driver-specific types are tracked like others, and shown only if
 * the reader asks for driver details.
 */

#include "mock_device.h"

/* They once were not counted at all. */
static void driver_qp_is_counted_when_asked_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_root *root = &dev->res;
	struct ib_qp *rc = mock_tracked_qp(test, dev, IB_QPT_RC, 1000);
	struct ib_qp *drv = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 1001);
	struct ib_qp *rsv = mock_tracked_qp(test, dev, IB_QPT_RESERVED10, 1002);

	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count_details(root, RDMA_RESTRACK_QP,
							  NULL, false), 1);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 3);
	rdma_restrack_del(&drv->res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 2);
	rdma_restrack_del(&rc->res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 1);
	rdma_restrack_del(&rsv->res);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
}

static void driver_types_begin_at_ib_qpt_driver(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);

	mock_tracked_qp(test, dev, IB_QPT_XRC_TGT, 1);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	mock_tracked_qp(test, dev, IB_QPT_DRIVER, 2);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
}

static void driver_qp_is_visited_when_asked_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 100);
	struct rdma_restrack_entry *res;
	bool details;
	u64 cursor;
	int i;

	for (i = 0; i < crowd->nr; i++) {
		if (i % 3 == 0)
			crowd->qp[i].qp_type = IB_QPT_DRIVER;
		mock_crowd_add(crowd, i, i);
	}
	for (details = false; ; details = true) {
		memset(crowd->seen, 0, crowd->nr);
		rdma_restrack_for_each(res, &dev->res, RDMA_RESTRACK_QP, cursor, details) {
			i = mock_crowd_index(crowd, res);
			if (i >= 0)
				crowd->seen[i]++;
			else
				KUNIT_FAIL(test, "a stranger");
		}
		for (i = 0; i < crowd->nr; i++)
			KUNIT_EXPECT_EQ(test, crowd->seen[i], details || i % 3 != 0);
		if (details)
			break;
	}
}

/* A lookup by number finds it without asking for details, as in the C tracker. */
static void driver_qp_is_found_by_its_number(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 9);

	KUNIT_EXPECT_EQ(test, qp->res.id, 9);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
}

static void driver_qp_is_counted_again_after_abort(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 9);

	rdma_restrack_begin_del(&qp->res);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
	rdma_restrack_abort_del(&qp->res);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	rdma_restrack_begin_del(&qp->res);
	rdma_restrack_commit_del(&qp->res);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

static void only_queue_pairs_have_details(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	int i;

	for (i = 0; i < MOCK_TYPES; i++) {
		mock_tracked(test, dev, i);
		KUNIT_EXPECT_EQ(test, mock_count(dev, i), 1);
		KUNIT_EXPECT_EQ(test, mock_count_details(dev, i), 1);
	}
}

static struct kunit_case details_cases[] = {
	KUNIT_CASE(driver_qp_is_counted_when_asked_for),
	KUNIT_CASE(driver_types_begin_at_ib_qpt_driver),
	KUNIT_CASE(driver_qp_is_visited_when_asked_for),
	KUNIT_CASE(driver_qp_is_found_by_its_number),
	KUNIT_CASE(driver_qp_is_counted_again_after_abort),
	KUNIT_CASE(only_queue_pairs_have_details),
	{}
};

static struct kunit_suite details_suite = {
	.name = "restrack_c_details",
	.test_cases = details_cases,
};
kunit_test_suite(details_suite);
