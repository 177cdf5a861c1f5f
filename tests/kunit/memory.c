// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory a table does not grow, and nothing else changes.
 */

#include "faults.h"
#include "mock_device.h"

#define CROWD	5000

static void add_without_memory_loses_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd;
	int i, lost = 0, refused = 0;

	faults_needed(test);
	crowd = mock_crowd(test, dev, CROWD);
	for (i = 0; i < CROWD; i++) {
		fail_nth(1 + i % 3);
		mock_crowd_add(crowd, i, i);
		refused += failed();
		lost += !crowd->qp[i].res.valid;
	}
	KUNIT_EXPECT_GT(test, refused, 0);
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), CROWD);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), CROWD);
	for (i = 0; i < CROWD; i++)
		lost += !mock_found(dev, &crowd->qp[i].res);
	KUNIT_EXPECT_EQ(test, lost, 0);
	for (i = 0; i < CROWD; i++) {
		fail_nth(1);
		rdma_restrack_del(&crowd->qp[i].res);
		/* del allocates nothing */
		lost += failed();
	}
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(add_without_memory_loses_nothing),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "restrack_c_memory",
	.test_cases = memory_cases,
};
kunit_test_suite(memory_suite);
