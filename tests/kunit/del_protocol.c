// SPDX-License-Identifier: GPL-2.0
/*
 * begin_del, then commit_del if the driver destroyed the object, abort_del if it
 * refused.
 */

#include "mock_device.h"

static void begin_del_makes_the_object_unreachable(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_RC, 3);

	rdma_restrack_begin_del(&qp->res);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, &qp->res));
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(&qp->res), 0);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	rdma_restrack_commit_del(&qp->res);
	KUNIT_EXPECT_FALSE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(&qp->res), 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

/* An object that was not destroyed is as it was before. It once was lost. */
static void abort_del_restores_the_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	u32 generation;
	int i;

	for (i = 0; i < 3; i++) {
		rdma_restrack_begin_del(&qp->res);
		generation = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_QP);
		rdma_restrack_abort_del(&qp->res);
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_QP),
				generation);
		KUNIT_EXPECT_TRUE(test, qp->res.valid);
		KUNIT_EXPECT_EQ(test, qp->res.id, 3);
		KUNIT_EXPECT_EQ(test, kref_read(&qp->res.kref), 1);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 1);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
		KUNIT_EXPECT_STREQ(test, qp->res.kern_name, MOCK_NAME);
		KUNIT_EXPECT_EQ(test, rdma_restrack_get(&qp->res), 1);
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(&qp->res), 0);
	}
	rdma_restrack_del(&qp->res);
	KUNIT_EXPECT_FALSE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

/* The hardware may give the number to the next QP before commit_del. */
static void number_reused_before_commit(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *old = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	struct ib_qp *qp;

	rdma_restrack_begin_del(&old->res);
	qp = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	KUNIT_EXPECT_TRUE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, qp->res.id, 3);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);

	rdma_restrack_commit_del(&old->res);
	KUNIT_EXPECT_FALSE(test, old->res.valid);
	KUNIT_EXPECT_TRUE(test, qp->res.valid);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
}

static void number_reused_before_abort(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *old = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	struct ib_qp *qp;

	rdma_restrack_begin_del(&old->res);
	qp = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	rdma_restrack_abort_del(&old->res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 2);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 2);
	rdma_restrack_del(&qp->res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &old->res));
	rdma_restrack_del(&old->res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

/* Among objects with one number, a dying one hides none of the others. */
static void dying_object_hides_no_other(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp[3];
	int i;

	for (i = 0; i < 3; i++)
		qp[i] = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	for (i = 0; i < 3; i++) {
		struct rdma_restrack_entry *found;

		rdma_restrack_begin_del(&qp[i]->res);
		found = rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP, 3);
		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, found);
		KUNIT_EXPECT_PTR_NE(test, found, &qp[i]->res);
		if (!IS_ERR(found))
			rdma_restrack_put(found);
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 2);
		rdma_restrack_abort_del(&qp[i]->res);
	}
	for (i = 0; i < 3; i++)
		rdma_restrack_begin_del(&qp[i]->res);
	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP, 3)),
			-ENOENT);
	for (i = 0; i < 3; i++)
		rdma_restrack_commit_del(&qp[i]->res);
}

static void begin_del_of_some_keeps_the_others(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 60);
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, 100 + i);
	for (i = 0; i < crowd->nr; i += 3)
		rdma_restrack_begin_del(&crowd->qp[i].res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 40);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 40);
	for (i = 0; i < crowd->nr; i += 3)
		if (i % 2)
			rdma_restrack_abort_del(&crowd->qp[i].res);
		else
			rdma_restrack_commit_del(&crowd->qp[i].res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 50);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 50);
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_EQ(test, mock_found(dev, &crowd->qp[i].res),
				!(i % 3 == 0 && i % 2 == 0));
}

/* For an object that was never added these do nothing. */
static void begin_del_without_add_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 3);

	rdma_restrack_new(&qp->res, RDMA_RESTRACK_QP);
	rdma_restrack_set_name(&qp->res, MOCK_NAME);
	rdma_restrack_begin_del(&qp->res);
	rdma_restrack_abort_del(&qp->res);
	KUNIT_EXPECT_FALSE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	rdma_restrack_begin_del(&qp->res);
	rdma_restrack_commit_del(&qp->res);
	KUNIT_EXPECT_FALSE(test, qp->res.valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

static struct kunit_case del_protocol_cases[] = {
	KUNIT_CASE(begin_del_makes_the_object_unreachable),
	KUNIT_CASE(abort_del_restores_the_object),
	KUNIT_CASE(number_reused_before_commit),
	KUNIT_CASE(number_reused_before_abort),
	KUNIT_CASE(dying_object_hides_no_other),
	KUNIT_CASE(begin_del_of_some_keeps_the_others),
	KUNIT_CASE(begin_del_without_add_changes_nothing),
	{}
};

static struct kunit_suite del_protocol_suite = {
	.name = "restrack_c_del_protocol",
	.test_cases = del_protocol_cases,
};
kunit_test_suite(del_protocol_suite);
