// SPDX-License-Identifier: GPL-2.0
/*
 * The numbers of objects: given by the hardware, or chosen by the tracker.
 */

#include <linux/mm.h>
#include "mock_device.h"
#include "mock_owner.h"

static void qp_has_its_own_number(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	static const u32 numbers[] = { 2, 17, 0xff, 0x100, 0xffff, 0xffffff };
	struct ib_qp *qp;
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		qp = mock_tracked_qp(test, dev, IB_QPT_RC, numbers[i]);
		KUNIT_EXPECT_EQ(test, qp->res.id, numbers[i]);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
	}
}

/* QP0 and QP1, of which each port has its own. */
static void special_qps_carry_their_port(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp[2][3];
	u32 port;

	for (port = 1; port <= 2; port++) {
		static const enum ib_qp_type types[] = { IB_QPT_SMI, IB_QPT_GSI, IB_QPT_UD };
		int i;

		for (i = 0; i < 3; i++) {
			struct ib_qp *q = mock_qp(test, dev, types[i], i);

			q->port = port;
			mock_track(&q->res);
			qp[port - 1][i] = q;
		}
	}
	for (port = 1; port <= 2; port++) {
		KUNIT_EXPECT_EQ(test, qp[port - 1][0]->res.id, port << 24);
		KUNIT_EXPECT_EQ(test, qp[port - 1][1]->res.id, port << 24 | 1);
		/* and no other QP */
		KUNIT_EXPECT_EQ(test, qp[port - 1][2]->res.id, 2);
	}
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp[1][1]->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 6);
}

static void counter_has_its_own_number(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_COUNTER);
	struct rdma_counter *counter = container_of(res, struct rdma_counter, res);

	KUNIT_EXPECT_EQ(test, res->id, counter->id);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
}

static void chosen_numbers_differ(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res[100];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(res); i++) {
		res[i] = mock_tracked(test, dev, RDMA_RESTRACK_PD);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res[i]));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, res[i]->id, res[j]->id);
	}
}

/* Else users could mix up two objects. */
static void chosen_numbers_are_not_reused_at_once(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	u32 last = U32_MAX;
	int i;

	for (i = 0; i < 10; i++) {
		mock_track(res);
		KUNIT_EXPECT_NE(test, res->id, last);
		last = res->id;
		rdma_restrack_del(res);
	}
}

static void types_count_their_own_numbers(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *pd = mock_tracked(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *cq = mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	struct rdma_restrack_entry *mr = mock_tracked(test, dev, RDMA_RESTRACK_MR);

	KUNIT_EXPECT_EQ(test, pd->id, cq->id);
	KUNIT_EXPECT_EQ(test, pd->id, mr->id);
}

/*
 * The object that got the last number once was dropped.
 *
 * Sets a private member: to add 2^32 objects takes too long.
 */
static void wrapped_numbers_drop_no_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res[5];
	int i, j;

	atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_MR].tickets, U32_MAX - 1);
	for (i = 0; i < ARRAY_SIZE(res); i++)
		res[i] = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), ARRAY_SIZE(res));
	KUNIT_EXPECT_EQ(test, res[0]->id, U32_MAX - 1);
	KUNIT_EXPECT_EQ(test, res[1]->id, U32_MAX);
	KUNIT_EXPECT_LT(test, res[2]->id, 100);
	for (i = 0; i < ARRAY_SIZE(res); i++) {
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res[i]));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, res[i]->id, res[j]->id);
	}
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), ARRAY_SIZE(res));
}

static void used_numbers_are_skipped_after_the_wrap(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *old[8], *res[8];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(old); i++)
		old[i] = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	/* one number in between is free */
	rdma_restrack_del(old[3]);
	atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_MR].tickets, U32_MAX);
	for (i = 0; i < ARRAY_SIZE(res); i++)
		res[i] = mock_tracked(test, dev, RDMA_RESTRACK_MR);

	for (i = 0; i < ARRAY_SIZE(res); i++) {
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res[i]));
		for (j = 0; j < ARRAY_SIZE(old); j++)
			if (j != 3)
				KUNIT_EXPECT_NE(test, res[i]->id, old[j]->id);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, res[i]->id, res[j]->id);
	}
	for (j = 0; j < ARRAY_SIZE(old); j++)
		KUNIT_EXPECT_EQ(test, mock_found(dev, old[j]), j != 3);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 15);
}

/* The second one once was not tracked. */
static void objects_with_one_number_are_both_tracked(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *a = mock_tracked_qp(test, dev, IB_QPT_RC, 42);
	struct ib_qp *b = mock_tracked_qp(test, dev, IB_QPT_RAW_PACKET, 42);

	KUNIT_EXPECT_TRUE(test, b->res.valid);
	KUNIT_EXPECT_EQ(test, a->res.id, 42);
	KUNIT_EXPECT_EQ(test, b->res.id, 42);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 2);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 2);

	rdma_restrack_del(&a->res);
	KUNIT_EXPECT_FALSE(test, a->res.valid);
	KUNIT_EXPECT_TRUE(test, b->res.valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &b->res));
	rdma_restrack_del(&b->res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP, 42)),
			-ENOENT);
}

/*
 * A driver QP whose number was taken was not inserted, and kept number 0. That hid
 * the QP with number 0.
 */
static void driver_qps_with_one_number_hide_no_other(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_root *root = &dev->res;
	struct ib_qp *zero = mock_tracked_qp(test, dev, IB_QPT_RC, 0);
	struct ib_qp *a = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 42);
	struct ib_qp *b = mock_tracked_qp(test, dev, IB_QPT_DRIVER, 42);
	struct rdma_restrack_entry *res;
	u64 cursor;

	KUNIT_EXPECT_TRUE(test, b->res.valid);
	KUNIT_EXPECT_EQ(test, a->res.id, 42);
	KUNIT_EXPECT_EQ(test, b->res.id, 42);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 3);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 3);
	/* without details only the QP with number 0 is visited */
	cursor = 0;
	res = rdma_restrack_next(root, RDMA_RESTRACK_QP, &cursor, false);
	KUNIT_EXPECT_PTR_EQ(test, res, &zero->res);
	if (res)
		rdma_restrack_put(res);
	KUNIT_EXPECT_NULL(test, rdma_restrack_next(root, RDMA_RESTRACK_QP, &cursor, false));
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &zero->res));

	rdma_restrack_del(&a->res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &b->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 2);
	rdma_restrack_sync(&b->res);
	rdma_restrack_del(&b->res);
	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP, 42)),
			-ENOENT);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &zero->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 1);
}

static void first_of_two_stays_when_the_second_goes(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *a = mock_tracked_qp(test, dev, IB_QPT_RC, 42);
	struct ib_qp *b = mock_tracked_qp(test, dev, IB_QPT_RC, 42);

	rdma_restrack_del(&b->res);
	KUNIT_EXPECT_TRUE(test, a->res.valid);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &a->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
}

static void counters_with_one_number_are_both_tracked(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *a = mock_tracked(test, dev, RDMA_RESTRACK_COUNTER);
	struct rdma_restrack_entry *b = mock_object(test, dev, RDMA_RESTRACK_COUNTER);

	container_of(b, struct rdma_counter, res)->id = a->id;
	b->kern_name = MOCK_NAME;
	rdma_restrack_add(b);
	KUNIT_EXPECT_TRUE(test, b->valid);
	KUNIT_EXPECT_EQ(test, b->id, a->id);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_COUNTER), 2);
	rdma_restrack_del(a);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, b));
}

/* They are removed from the middle outwards. */
static void many_objects_with_one_number_are_all_tracked(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 32);
	int i, left = crowd->nr;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, 7);
	for (i = 0; i < crowd->nr; i++) {
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), left);
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), left);
		rdma_restrack_del(&crowd->qp[(i * 13 + 16) % crowd->nr].res);
		left--;
	}
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

/* Threads that add objects at the same time, and how many each of them adds. */
#define ADDERS		4
#define ADDED		300

struct adder {
	struct mock_crowd *crowd;
	struct ib_mr *mr;
	unsigned int begin;
};

static void add_mrs(void *data)
{
	struct adder *adder = data;
	int i;

	for (i = 0; i < ADDED; i++) {
		struct rdma_restrack_entry *res = &adder->mr[adder->begin + i].res;

		rdma_restrack_new(res, RDMA_RESTRACK_MR);
		rdma_restrack_set_name(res, MOCK_NAME);
		rdma_restrack_add(res);
	}
}

static void add_qps(void *data)
{
	struct adder *adder = data;
	int i;

	for (i = 0; i < ADDED; i++)
		mock_crowd_add(adder->crowd, adder->begin + i, 7);
}

static void all_add(struct kunit *test, void (*add)(void *), const struct adder *what)
{
	struct mock_call *call[ADDERS];
	struct mock_owner *owner[ADDERS];
	struct adder adder[ADDERS];
	int i;

	for (i = 0; i < ADDERS; i++) {
		owner[i] = mock_owner(test);
		adder[i] = *what;
		adder[i].begin = i * ADDED;
	}
	for (i = 0; i < ADDERS; i++)
		call[i] = mock_start(test, owner[i], add, &adder[i]);
	for (i = 0; i < ADDERS; i++)
		mock_finish(test, call[i]);
}

static void free_mrs(void *data)
{
	struct ib_mr *mr = data;
	int i;

	for (i = 0; i < ADDERS * ADDED; i++)
		rdma_restrack_del(&mr[i].res);
	kvfree(mr);
}

static void threads_are_given_different_numbers_at_the_wrap(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *old[64];
	struct adder adder = {};
	int i, found = 0;

	adder.mr = kvcalloc(ADDERS * ADDED, sizeof(*adder.mr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, adder.mr);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_mrs, adder.mr));
	for (i = 0; i < ADDERS * ADDED; i++)
		adder.mr[i].device = dev;
	for (i = 0; i < ARRAY_SIZE(old); i++)
		old[i] = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	/* some get the last numbers, the others the numbers after the old ones */
	atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_MR].tickets, U32_MAX - ADDED);
	all_add(test, add_mrs, &adder);
	/* a lookup finds one object, so no two have one number */
	for (i = 0; i < ADDERS * ADDED; i++)
		found += mock_found(dev, &adder.mr[i].res);
	KUNIT_EXPECT_EQ(test, found, ADDERS * ADDED);
	for (i = 0; i < ARRAY_SIZE(old); i++)
		KUNIT_EXPECT_TRUE(test, mock_found(dev, old[i]));
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), i + ADDERS * ADDED);
}

static void threads_that_add_one_number_lose_no_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct adder adder = { .crowd = mock_crowd(test, dev, ADDERS * ADDED) };
	struct rdma_restrack_entry *res;
	u64 cursor = 0, keys[100];
	int i, met;
	u32 nr;

	all_add(test, add_qps, &adder);
	do {
		nr = rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, &cursor, false, keys,
					ARRAY_SIZE(keys));
		for (i = 0; i < nr; i++) {
			res = rdma_restrack_get_bykey(&dev->res, RDMA_RESTRACK_QP, keys[i]);
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, res);
			met = mock_crowd_index(adder.crowd, res);
			rdma_restrack_put(res);
			KUNIT_ASSERT_GE(test, met, 0);
			adder.crowd->seen[met]++;
		}
	} while (nr == ARRAY_SIZE(keys));
	/* each object has a key of its own */
	for (i = 0, met = 0; i < adder.crowd->nr; i++)
		met += adder.crowd->seen[i] == 1;
	KUNIT_EXPECT_EQ(test, met, adder.crowd->nr);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), adder.crowd->nr);
}

static struct kunit_case ids_cases[] = {
	KUNIT_CASE(qp_has_its_own_number),
	KUNIT_CASE(special_qps_carry_their_port),
	KUNIT_CASE(counter_has_its_own_number),
	KUNIT_CASE(chosen_numbers_differ),
	KUNIT_CASE(chosen_numbers_are_not_reused_at_once),
	KUNIT_CASE(types_count_their_own_numbers),
	KUNIT_CASE(wrapped_numbers_drop_no_object),
	KUNIT_CASE(used_numbers_are_skipped_after_the_wrap),
	KUNIT_CASE(objects_with_one_number_are_both_tracked),
	KUNIT_CASE(driver_qps_with_one_number_hide_no_other),
	KUNIT_CASE(first_of_two_stays_when_the_second_goes),
	KUNIT_CASE(counters_with_one_number_are_both_tracked),
	KUNIT_CASE(many_objects_with_one_number_are_all_tracked),
	KUNIT_CASE(threads_are_given_different_numbers_at_the_wrap),
	KUNIT_CASE(threads_that_add_one_number_lose_no_object),
	{}
};

static struct kunit_suite ids_suite = {
	.name = "restrack_c_ids",
	.test_cases = ids_cases,
};
kunit_test_suite(ids_suite);
