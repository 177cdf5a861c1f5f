// SPDX-License-Identifier: GPL-2.0
/*
 * begin_free, then commit_free if the driver freed the object, abort_free if it
 * refused.
 */

#include <linux/string.h>
#include "mock_device.h"
#include "mock_owner.h"

static void expect_tracked(struct kunit *test, struct ib_device *dev,
			   struct rdma_restrack_entry *res)
{
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
}

static void begin_free_makes_the_object_unreachable(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_stand_in stand_in;

	rdma_restrack_begin_free(res, &stand_in);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	rdma_restrack_commit_free(&stand_in);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
}

/* Between begin and commit the memory may be used for something else. */
static void freed_entry_is_not_touched(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *before = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_entry *after;
	struct mock_owner *process = mock_owner(test);
	struct rdma_restrack_stand_in stand_in;

	mock_own(test, process, res);
	after = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	MOCK_EXPECT_HELD(test, process, 1);
	rdma_restrack_begin_free(res, &stand_in);
	MOCK_EXPECT_HELD(test, process, 1);
	KUNIT_EXPECT_NULL(test, res->task);
	memset(res, 0x5a, sizeof(*res));
	/* its neighbours in the table go */
	rdma_restrack_del(before);
	rdma_restrack_del(after);
	rdma_restrack_commit_free(&stand_in);
	KUNIT_EXPECT_NULL(test, memchr_inv(res, 0x5a, sizeof(*res)));
	MOCK_EXPECT_HELD(test, process, 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	/* for mock_forget() */
	memset(res, 0, sizeof(*res));
}

/* An object that was not freed is as it was before. It once was lost. */
static void abort_free_restores_the_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *process = mock_owner(test);
	struct rdma_restrack_stand_in stand_in;
	u32 id, since, generation;
	int i;

	mock_tracked(test, dev, RDMA_RESTRACK_MR);
	mock_own(test, process, res);
	mock_tracked(test, dev, RDMA_RESTRACK_MR);
	id = res->id;
	since = opaque_entry(res)->since;
	for (i = 0; i < 3; i++) {
		rdma_restrack_begin_free(res, &stand_in);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 2);
		generation = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR);
		rdma_restrack_abort_free(res, &stand_in);
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR),
				generation);
		KUNIT_EXPECT_EQ(test, res->id, id);
		KUNIT_EXPECT_EQ(test, opaque_entry(res)->since, since);
		KUNIT_EXPECT_PTR_EQ(test, res->task, process->task);
		KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
		expect_tracked(test, dev, res);
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 3);
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 3);
		MOCK_EXPECT_HELD(test, process, 1);
	}
	/* the other protocol works on it too */
	rdma_restrack_begin_del(res);
	rdma_restrack_abort_del(res);
	rdma_restrack_sync(res);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, process, 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 2);
}

static void refused_object_keeps_its_kernel_name(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_stand_in stand_in;

	rdma_restrack_begin_free(res, &stand_in);
	rdma_restrack_abort_free(res, &stand_in);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	expect_tracked(test, dev, res);
}

/* A new object gets the number while the stand-in has it. */
static void number_reused_before_abort_is_kept_by_both(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *first = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	struct ib_qp *old = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	struct rdma_restrack_stand_in stand_in;
	struct ib_qp *qp;

	rdma_restrack_begin_free(&old->res, &stand_in);
	qp = mock_tracked_qp(test, dev, IB_QPT_RC, 3);
	rdma_restrack_abort_free(&old->res, &stand_in);
	KUNIT_EXPECT_EQ(test, old->res.id, 3);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 3);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 3);
	rdma_restrack_del(&first->res);
	rdma_restrack_del(&qp->res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &old->res));
	rdma_restrack_del(&old->res);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 0);
}

/* A QP of a driver-specific type is shown only on request, as before. */
static void refused_object_keeps_its_details(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 3);
	struct rdma_restrack_stand_in stand_in;

	rdma_restrack_begin_free(&qp->res, &stand_in);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
	rdma_restrack_abort_free(&qp->res, &stand_in);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 1);
}

struct freeing {
	struct rdma_restrack_entry *res;
	struct rdma_restrack_stand_in stand_in;
};

static void do_begin_free(void *data)
{
	struct freeing *freeing = data;

	rdma_restrack_begin_free(freeing->res, &freeing->stand_in);
}

static void begin_free_waits_for_readers(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct freeing freeing = { .res = mock_tracked(test, dev, RDMA_RESTRACK_MR) };
	struct mock_owner *process = mock_owner(test);
	struct mock_call *call;

	KUNIT_ASSERT_EQ(test, rdma_restrack_get(freeing.res), 1);
	call = mock_start(test, process, do_begin_free, &freeing);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	KUNIT_EXPECT_FALSE(test, mock_found(dev, freeing.res));
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(freeing.res), 1);
	mock_finish(test, call);
	rdma_restrack_abort_free(freeing.res, &freeing.stand_in);
	expect_tracked(test, dev, freeing.res);
}

/* After the abort it is still not tracked, and has its owner. */
static void begin_free_without_add_keeps_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *process = mock_owner(test);
	struct rdma_restrack_stand_in stand_in;

	mock_new(test, process, res);
	rdma_restrack_begin_free(res, &stand_in);
	rdma_restrack_abort_free(res, &stand_in);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	KUNIT_EXPECT_PTR_EQ(test, res->task, process->task);
	MOCK_EXPECT_HELD(test, process, 1);
	rdma_restrack_begin_free(res, &stand_in);
	MOCK_EXPECT_HELD(test, process, 1);
	rdma_restrack_commit_free(&stand_in);
	MOCK_EXPECT_HELD(test, process, 0);
}

static void untracked_entry_stays_untracked(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *process = mock_owner(test);
	struct rdma_restrack_stand_in stand_in;

	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_no_track(res);
	mock_run(test, process, mock_set_name, res);
	rdma_restrack_add(res);
	KUNIT_ASSERT_TRUE(test, res->valid);
	rdma_restrack_begin_free(res, &stand_in);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	rdma_restrack_abort_free(res, &stand_in);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	rdma_restrack_begin_free(res, &stand_in);
	rdma_restrack_commit_free(&stand_in);
	MOCK_EXPECT_HELD(test, process, 0);
}

/* A second commit or abort does nothing. */
static void second_decision_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *process = mock_owner(test);
	struct rdma_restrack_stand_in stand_in;

	mock_own(test, process, res);
	rdma_restrack_begin_free(res, &stand_in);
	rdma_restrack_abort_free(res, &stand_in);
	rdma_restrack_commit_free(&stand_in);
	MOCK_EXPECT_HELD(test, process, 1);
	expect_tracked(test, dev, res);
	rdma_restrack_begin_free(res, &stand_in);
	rdma_restrack_commit_free(&stand_in);
	rdma_restrack_commit_free(&stand_in);
	MOCK_EXPECT_HELD(test, process, 0);
}

static struct kunit_case free_protocol_cases[] = {
	KUNIT_CASE(begin_free_makes_the_object_unreachable),
	KUNIT_CASE(freed_entry_is_not_touched),
	KUNIT_CASE(abort_free_restores_the_object),
	KUNIT_CASE(refused_object_keeps_its_kernel_name),
	KUNIT_CASE(number_reused_before_abort_is_kept_by_both),
	KUNIT_CASE(refused_object_keeps_its_details),
	KUNIT_CASE(begin_free_waits_for_readers),
	KUNIT_CASE(begin_free_without_add_keeps_the_owner),
	KUNIT_CASE(untracked_entry_stays_untracked),
	KUNIT_CASE(second_decision_changes_nothing),
	{}
};

static struct kunit_suite free_protocol_suite = {
	.name = "restrack_c_free_protocol",
	.test_cases = free_protocol_cases,
};
kunit_test_suite(free_protocol_suite);
