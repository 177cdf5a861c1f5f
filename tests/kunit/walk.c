// SPDX-License-Identifier: GPL-2.0
/*
 * Walks, keys and the generation. A walk visits an object that is there from its
 * first step to its last exactly once, whatever else comes and goes.
 */

#include <linux/sort.h>
#include "mock_device.h"
#include "mock_owner.h"
#include "seed.h"

static struct rdma_restrack_entry *step(struct ib_device *dev, u64 *cursor)
{
	return rdma_restrack_next(&dev->res, RDMA_RESTRACK_QP, cursor, false);
}

/* Marks the next object as visited. Returns false at the end of the walk. */
static bool mark_next(struct kunit *test, struct ib_device *dev,
		      struct mock_crowd *crowd, u64 *cursor, int *met)
{
	struct rdma_restrack_entry *res = step(dev, cursor);
	int i;

	if (!res)
		return false;
	i = mock_crowd_index(crowd, res);
	rdma_restrack_put(res);
	if (i < 0) {
		KUNIT_FAIL(test, "met a stranger");
		return false;
	}
	if (crowd->seen[i] < U8_MAX)
		crowd->seen[i]++;
	if (met)
		*met = i;
	return true;
}

/* Patterns of numbers, some of which make a weak hash collide. */
static u32 ascending(unsigned int i)
{
	return i;
}

static u32 descending(unsigned int i)
{
	return 0xffffff - i;
}

static u32 in_steps_of_256(unsigned int i)
{
	return i << 8;
}

static u32 in_steps_of_65536(unsigned int i)
{
	return i << 16;
}

static u32 high_bits_only(unsigned int i)
{
	return (i & 0xff) << 24 | i >> 8;
}

static u32 in_pairs(unsigned int i)
{
	return i / 2;
}

static u32 all_the_same(unsigned int i)
{
	return 12345;
}

static u32 scattered(unsigned int i)
{
	return (i * 7919 + 104729) & 0xffffff;
}

struct pattern_param {
	const char *name;
	u32 (*number)(unsigned int i);
};

static const struct pattern_param pattern_params[] = {
	{ "ascending", ascending },
	{ "descending", descending },
	{ "steps_of_256", in_steps_of_256 },
	{ "steps_of_65536", in_steps_of_65536 },
	{ "high_bits_only", high_bits_only },
	{ "in_pairs", in_pairs },
	{ "all_the_same", all_the_same },
	{ "scattered", scattered },
};

static void pattern_describe(const struct pattern_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pattern, pattern_params, pattern_describe);

/* Returns a number of 24 bits: the top byte of a QP number is the port. */
static u32 number(const struct pattern_param *param, unsigned int i)
{
	u32 n = param->number(i);

	return (n >> 24 ^ n) & 0xffffff;
}

static void empty_walk_ends_at_once(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	u64 cursor = 0;

	KUNIT_EXPECT_NULL(test, step(dev, &cursor));
	/* still the end */
	KUNIT_EXPECT_NULL(test, step(dev, &cursor));
}

static void walk_visits_each_exactly_once(struct kunit *test)
{
	const struct pattern_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 600);
	u64 cursor = 0;
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, number(param, i));
	while (mark_next(test, dev, crowd, &cursor, NULL))
		;
	for (i = 0; i < crowd->nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, crowd->seen[i], 1, "object %d", i);
		KUNIT_EXPECT_EQ(test, kref_read(&crowd->qp[i].res.kref), 1);
	}
	KUNIT_EXPECT_NULL(test, step(dev, &cursor));
}

/* A dump does this: the object just shown may go before the next step. */
static void walk_goes_on_after_the_current_is_removed(struct kunit *test)
{
	const struct pattern_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 200);
	u64 cursor = 0;
	int i, met;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, number(param, i));
	while (mark_next(test, dev, crowd, &cursor, &met))
		rdma_restrack_del(&crowd->qp[met].res);
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_EQ_MSG(test, crowd->seen[i], 1, "object %d", i);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 0);
}

/* Half of the crowd stays. Between two steps some of the others come and go. */
static void walk_is_exact_while_others_come_and_go(struct kunit *test)
{
	const struct pattern_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 200);
	unsigned int steps = 0, turn = 0, k, j;
	u64 cursor = 0;
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, number(param, i));
	while (mark_next(test, dev, crowd, &cursor, NULL)) {
		if (steps++ > 10 * crowd->nr) {
			KUNIT_FAIL(test, "a walk without end");
			break;
		}
		/* bounded: objects added ahead of a walk without end make it endless */
		for (k = 0; k < 5 && turn < 3 * crowd->nr; k++) {
			j = (turn++ * 38 + 1) % crowd->nr | 1;
			if (crowd->qp[j].res.valid)
				rdma_restrack_del(&crowd->qp[j].res);
			else
				mock_crowd_add(crowd, j, number(param, j));
		}
	}
	for (i = 0; i < crowd->nr; i += 2)
		KUNIT_EXPECT_EQ_MSG(test, crowd->seen[i], 1, "object %d", i);
}

/* It is deleted before the walk comes to it. */
static void removed_object_is_not_visited(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 100);
	int i, removed = 0, met = 0;
	u64 cursor = 0;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i);
	for (i = 0; i < 30; i++)
		KUNIT_EXPECT_TRUE(test, mark_next(test, dev, crowd, &cursor, NULL));
	for (i = 0; i < crowd->nr; i++) {
		if (!crowd->seen[i] && i % 2) {
			rdma_restrack_del(&crowd->qp[i].res);
			crowd->seen[i] = 100;
			removed++;
		}
	}
	while (mark_next(test, dev, crowd, &cursor, NULL))
		met++;
	KUNIT_EXPECT_EQ(test, met, 70 - removed);
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_TRUE(test, crowd->seen[i] == 1 || crowd->seen[i] == 100);
}

static void walk_ends_when_all_are_removed(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 50);
	u64 cursor = 0;
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i);
	for (i = 0; i < 20; i++)
		KUNIT_EXPECT_TRUE(test, mark_next(test, dev, crowd, &cursor, NULL));
	for (i = 0; i < crowd->nr; i++)
		rdma_restrack_del(&crowd->qp[i].res);
	KUNIT_EXPECT_NULL(test, step(dev, &cursor));
}

/* Many more objects are added than there were when the walk began. */
static void walk_is_exact_while_the_table_grows(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 3000);
	u64 cursor = 0;
	int i;

	for (i = 0; i < 100; i++)
		mock_crowd_add(crowd, i, i * 11);
	for (i = 0; i < 50; i++)
		KUNIT_EXPECT_TRUE(test, mark_next(test, dev, crowd, &cursor, NULL));
	for (i = 100; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, 50000 + i * 7);
	while (mark_next(test, dev, crowd, &cursor, NULL))
		;
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_EQ_MSG(test, crowd->seen[i], 1, "object %d", i);
	for (; i < crowd->nr; i++)
		KUNIT_EXPECT_LE_MSG(test, crowd->seen[i], 1, "object %d", i);
}

/* Four walks at once, at different positions. */
static void walks_do_not_disturb_each_other(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 64);
	u64 cursor[4] = {};
	int left = 4, i, turn;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i * 3);
	for (turn = 0; left && turn < 1000; turn++)
		for (i = 0; i < 4; i++)
			if (turn % (i + 1) == 0 && cursor[i] != U64_MAX &&
			    !mark_next(test, dev, crowd, &cursor[i], NULL)) {
				cursor[i] = U64_MAX;
				left--;
			}
	KUNIT_EXPECT_EQ(test, left, 0);
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_EQ(test, crowd->seen[i], 4);
}

static void dying_object_is_not_visited(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 40);
	u64 cursor = 0;
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i / 4);
	for (i = 0; i < crowd->nr; i += 2)
		rdma_restrack_begin_del(&crowd->qp[i].res);
	while (mark_next(test, dev, crowd, &cursor, NULL))
		;
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_EQ(test, crowd->seen[i], i % 2);
	for (i = 0; i < crowd->nr; i += 2)
		rdma_restrack_commit_del(&crowd->qp[i].res);
}

static void loop_holds_a_reference(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 10);
	struct rdma_restrack_entry *res;
	u64 cursor;
	int i, n = 0;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i);
	rdma_restrack_for_each(res, &dev->res, RDMA_RESTRACK_QP, cursor, false) {
		KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 10);
	KUNIT_EXPECT_NULL(test, res);

	rdma_restrack_for_each(res, &dev->res, RDMA_RESTRACK_QP, cursor, false)
		break;
	KUNIT_EXPECT_NOT_NULL(test, res);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
	rdma_restrack_put(res);
	for (i = 0; i < crowd->nr; i++)
		KUNIT_EXPECT_EQ(test, kref_read(&crowd->qp[i].res.kref), 1);
}

static void walk_visits_one_type_only(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res;
	u64 cursor;
	int type, i;

	for (type = 0; type < MOCK_TYPES; type++)
		for (i = 0; i < 20; i++)
			mock_tracked(test, dev, type);
	for (type = 0; type < MOCK_TYPES; type++) {
		i = 0;
		rdma_restrack_for_each(res, &dev->res, type, cursor, true) {
			KUNIT_EXPECT_EQ(test, (int)res->type, type);
			i++;
		}
		KUNIT_EXPECT_EQ(test, i, 20);
	}
}

struct churn {
	struct mock_crowd *crowd;
	struct rnd_state random;
	unsigned int rounds;
	bool stop;
};

static u32 pick(struct churn *churn, u32 ceiling)
{
	return prandom_u32_state(&churn->random) % ceiling;
}

/* Takes the odd ones of the crowd out and in, at random. */
static void churn_without_end(void *data)
{
	struct churn *churn = data;
	struct mock_crowd *crowd = churn->crowd;
	unsigned int j;

	while (!READ_ONCE(churn->stop)) {
		j = pick(churn, crowd->nr) | 1;
		if (!crowd->qp[j].res.valid)
			mock_crowd_add(crowd, j, j * 5);
		else if (pick(churn, 4))
			rdma_restrack_del(&crowd->qp[j].res);
		else {
			rdma_restrack_begin_del(&crowd->qp[j].res);
			if (pick(churn, 2))
				rdma_restrack_abort_del(&crowd->qp[j].res);
			else
				rdma_restrack_commit_del(&crowd->qp[j].res);
		}
		churn->rounds++;
		cond_resched();
	}
}

static void walk_is_exact_beside_another_thread(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 300);
	struct churn *churn = kunit_kzalloc(test, sizeof(*churn), GFP_KERNEL);
	struct mock_call *call;
	int i, round, bad = 0;
	u64 cursor;

	KUNIT_ASSERT_NOT_NULL(test, churn);
	for (i = 0; i < crowd->nr; i += 2)
		mock_crowd_add(crowd, i, i * 5);
	churn->crowd = crowd;
	seed_stream(&churn->random, random_seed(test), 0);
	call = mock_start(test, mock_owner(test), churn_without_end, churn);
	KUNIT_EXPECT_TRUE(test, mock_await(READ_ONCE(churn->rounds) > 100));
	for (round = 0; round < 100; round++) {
		memset(crowd->seen, 0, crowd->nr);
		cursor = 0;
		while (mark_next(test, dev, crowd, &cursor, NULL))
			;
		for (i = 0; i < crowd->nr; i += 2)
			bad += crowd->seen[i] != 1;
	}
	WRITE_ONCE(churn->stop, true);
	mock_finish(test, call);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* Collected 7 at a time, which does not divide the number of objects. */
static void keys_are_those_of_a_walk(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 1000);
	struct rdma_restrack_entry *res;
	u64 cursor = 0, walk = 0, keys[7];
	u32 i, n, seen = 0;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, i * 7919 % 0xffffff);
	do {
		n = rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, &cursor, false, keys,
				       ARRAY_SIZE(keys));
		for (i = 0; i < n; i++, seen++) {
			res = rdma_restrack_next(&dev->res, RDMA_RESTRACK_QP, &walk, false);
			KUNIT_ASSERT_NOT_NULL(test, res);
			KUNIT_EXPECT_EQ(test, keys[i] >> 32, res->id);
			KUNIT_EXPECT_PTR_EQ(test, res,
					    rdma_restrack_get_bykey(&dev->res,
								    RDMA_RESTRACK_QP,
								    keys[i]));
			rdma_restrack_put(res);
			rdma_restrack_put(res);
		}
	} while (n == ARRAY_SIZE(keys));
	KUNIT_EXPECT_EQ(test, seen, crowd->nr);
	KUNIT_EXPECT_NULL(test, rdma_restrack_next(&dev->res, RDMA_RESTRACK_QP, &walk, false));
}

static u64 only_key(struct kunit *test, struct ib_device *dev, bool details)
{
	u64 keys[2] = { }, cursor = 0;

	KUNIT_EXPECT_EQ(test, rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, &cursor, details,
						 keys, ARRAY_SIZE(keys)), 1);
	return keys[0];
}

/* Looks an object up by its key. Returns 0 or an error. */
static long look_up(struct ib_device *dev, u64 key)
{
	struct rdma_restrack_entry *res =
		rdma_restrack_get_bykey(&dev->res, RDMA_RESTRACK_QP, key);

	if (IS_ERR(res))
		return PTR_ERR(res);
	rdma_restrack_put(res);
	return 0;
}

/* Not even a later object with the same number gets the key. */
static void key_stands_for_one_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *first = mock_tracked_qp(test, dev, IB_QPT_RC, 17);
	u64 key = only_key(test, dev, false), second;

	rdma_restrack_del(&first->res);
	mock_tracked_qp(test, dev, IB_QPT_RC, 17);
	KUNIT_EXPECT_EQ(test, look_up(dev, key), -ENOENT);
	second = only_key(test, dev, false);
	KUNIT_EXPECT_GT(test, second, key);
	KUNIT_EXPECT_EQ(test, second >> 32, 17);
	KUNIT_EXPECT_PTR_EQ(test, rdma_restrack_get_bykey(&dev->res, RDMA_RESTRACK_CQ, second),
			    ERR_PTR(-ENOENT));
}

static void lookup_by_key_tells_of_deletion_and_sync(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_RC, 17);
	struct mock_owner *changer = mock_owner(test);
	u32 before = rdma_restrack_restores(&dev->res, RDMA_RESTRACK_QP);
	u64 key = only_key(test, dev, false);
	struct rdma_restrack_entry *res;
	struct mock_call *call;

	rdma_restrack_begin_del(&qp->res);
	KUNIT_EXPECT_EQ(test, only_key(test, dev, false), key);
	KUNIT_EXPECT_EQ(test, look_up(dev, key), -EAGAIN);
	KUNIT_EXPECT_EQ(test, rdma_restrack_restores(&dev->res, RDMA_RESTRACK_QP), before);
	rdma_restrack_abort_del(&qp->res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_restores(&dev->res, RDMA_RESTRACK_QP), before + 1);

	res = rdma_restrack_get_bykey(&dev->res, RDMA_RESTRACK_QP, key);
	KUNIT_ASSERT_PTR_EQ(test, res, &qp->res);
	call = mock_start(test, changer, mock_sync, res);
	KUNIT_EXPECT_TRUE(test, mock_await(look_up(dev, key) == -EBUSY));
	rdma_restrack_put(res);
	mock_finish(test, call);
	KUNIT_EXPECT_EQ(test, rdma_restrack_restores(&dev->res, RDMA_RESTRACK_QP), before + 1);
}

static void keys_of_driver_qps_are_listed_when_asked_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	u64 key;

	mock_tracked_qp(test, dev, IB_QPT_DRIVER, 17);
	key = only_key(test, dev, true);
	mock_tracked_qp(test, dev, IB_QPT_RC, 18);
	KUNIT_EXPECT_EQ(test, only_key(test, dev, false) >> 32, 18);
	KUNIT_EXPECT_EQ(test, key >> 32, 17);
}

static int cmp_key(const void *a, const void *b)
{
	return cmp_int(*(const u64 *)a, *(const u64 *)b);
}

/* And stay between the keys of the numbers before and after. */
static void keys_of_one_number_sort_as_they_were_added(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_crowd *crowd = mock_crowd(test, dev, 20);
	struct rdma_restrack_entry *res;
	u64 keys[20], cursor = 0;
	int i;

	for (i = 0; i < crowd->nr; i++)
		mock_crowd_add(crowd, i, 5 + i % 2);
	KUNIT_ASSERT_EQ(test, rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, &cursor, false,
						 keys, 20), 20);
	sort(keys, 20, sizeof(u64), cmp_key, NULL);
	for (i = 0; i < crowd->nr; i++) {
		res = rdma_restrack_get_bykey(&dev->res, RDMA_RESTRACK_QP, keys[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR(res));
		KUNIT_EXPECT_EQ(test, mock_crowd_index(crowd, res), i < 10 ? 2 * i : 2 * i - 19);
		rdma_restrack_put(res);
	}
}

static void generation_changes_with_the_table(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	u32 before, other;
	int i;

	other = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_PD);
	before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);
	KUNIT_EXPECT_NE(test, before, 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ), before);

	for (i = 0; i < 3; i++) {
		rdma_restrack_new(res, RDMA_RESTRACK_CQ);
		rdma_restrack_set_name(res, MOCK_NAME);
		KUNIT_EXPECT_EQ(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ),
				before);
		rdma_restrack_add(res);
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ),
				before);
		before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);

		/* lookups and walks do not change it */
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
		mock_walk_length(dev, RDMA_RESTRACK_CQ);
		KUNIT_EXPECT_EQ(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ),
				before);

		rdma_restrack_del(res);
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ),
				before);
		before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);
	}
	KUNIT_EXPECT_EQ(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_PD), other);
}

/* An object that goes and one that comes do not cancel each other out. */
static void generation_is_not_a_count(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *a = mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	u32 before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);

	rdma_restrack_del(a);
	mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ), before);
}

/* Sets a private member, so that the generation wraps soon. */
static void generation_is_never_zero(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	u32 before, now;
	int i;

	atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_CQ].objects, -3LL << 32);
	before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);
	KUNIT_EXPECT_NE(test, before, 0);
	for (i = 0; i < 6; i++) {
		mock_tracked(test, dev, RDMA_RESTRACK_CQ);
		now = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_CQ);
		KUNIT_EXPECT_NE(test, now, 0);
		KUNIT_EXPECT_NE(test, now, before);
		before = now;
	}
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE(empty_walk_ends_at_once),
	KUNIT_CASE_PARAM(walk_visits_each_exactly_once, pattern_gen_params),
	KUNIT_CASE_PARAM(walk_goes_on_after_the_current_is_removed, pattern_gen_params),
	KUNIT_CASE_PARAM(walk_is_exact_while_others_come_and_go, pattern_gen_params),
	KUNIT_CASE(removed_object_is_not_visited),
	KUNIT_CASE(walk_ends_when_all_are_removed),
	KUNIT_CASE(walk_is_exact_while_the_table_grows),
	KUNIT_CASE(walks_do_not_disturb_each_other),
	KUNIT_CASE(dying_object_is_not_visited),
	KUNIT_CASE(loop_holds_a_reference),
	KUNIT_CASE(walk_visits_one_type_only),
	KUNIT_CASE(walk_is_exact_beside_another_thread),
	KUNIT_CASE(keys_are_those_of_a_walk),
	KUNIT_CASE(key_stands_for_one_object),
	KUNIT_CASE(lookup_by_key_tells_of_deletion_and_sync),
	KUNIT_CASE(keys_of_driver_qps_are_listed_when_asked_for),
	KUNIT_CASE(keys_of_one_number_sort_as_they_were_added),
	KUNIT_CASE(generation_changes_with_the_table),
	KUNIT_CASE(generation_is_not_a_count),
	KUNIT_CASE(generation_is_never_zero),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "restrack_c_walk",
	.test_cases = walk_cases,
};
kunit_test_suite(walk_suite);
