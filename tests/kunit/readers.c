// SPDX-License-Identifier: GPL-2.0
/*
 * Readers against a deletion or sync: it waits for all readers, and lets no new one
 * in.
 */

#include "kernel_log.h"
#include "mock_device.h"
#include "mock_owner.h"

struct way_param {
	const char *name;
	void (*fn)(void *data);
};

static const struct way_param way_params[] = {
	{ "del", mock_del },
	{ "begin_del", mock_begin_del },
	{ "sync", mock_sync },
};

static void way_describe(const struct way_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, way_params, way_describe);

/* Deletes the entry after each of the ways. */
static void take_away(struct rdma_restrack_entry *res, const struct way_param *way)
{
	if (way->fn == mock_begin_del)
		rdma_restrack_commit_del(res);
	else if (way->fn == mock_sync)
		rdma_restrack_del(res);
}

static void deletion_waits_for_a_reader(struct kunit *test)
{
	const struct way_param *way = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	struct rdma_restrack_entry *reader;
	struct mock_call *call;

	reader = rdma_restrack_get_byid(dev, RDMA_RESTRACK_MR, res->id);
	KUNIT_ASSERT_PTR_EQ(test, reader, res);

	call = mock_start(test, destroyer, way->fn, res);
	/* when no lookup finds the entry, the wait has begun */
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res)));
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));

	rdma_restrack_put(reader);
	mock_finish(test, call);
	take_away(res, way);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

static void deletion_waits_for_the_last_reader(struct kunit *test)
{
	const struct way_param *way = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	struct mock_call *call;
	int i, readers = 0;

	for (i = 0; i < 5; i++)
		readers += rdma_restrack_get(res);
	KUNIT_EXPECT_EQ(test, readers, 5);
	call = mock_start(test, destroyer, way->fn, res);
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res)));
	while (readers-- > 1)
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	mock_finish(test, call);
	take_away(res, way);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

/* A reader may take a second reference while the deletion waits. */
static void reader_takes_another_reference(struct kunit *test)
{
	const struct way_param *way = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	struct mock_call *call;

	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, destroyer, way->fn, res);
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res)));
	if (rdma_restrack_get(res)) {
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
		KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	} else {
		KUNIT_FAIL(test, "a reader's entry died under it");
	}
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	mock_finish(test, call);
	take_away(res, way);
}

/*
 * A deletion that waits is reported, with its number of references. The module
 * parameter wait_report must be 1, for a report each second.
 */
static void long_wait_is_reported(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	struct log *log = log_from_here(test);
	struct mock_call *call;
	char who[64];

	snprintf(who, sizeof(who), "rdma_restrack: mr %u of kernel [" MOCK_NAME "]: ", res->id);
	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, destroyer, mock_del, res);
	KUNIT_EXPECT_TRUE(test, mock_await(log_lines(log, who, "has been waiting for 1 s, ",
						     "2 references are held")));
	/* with the stack, for the hung task detector does not see a wait with a timeout */
	KUNIT_EXPECT_TRUE(test, mock_await(log_lines(log, "Call Trace", "", "")));
	KUNIT_EXPECT_TRUE(test, mock_await(log_lines(log, " mock_call_work+0x", "", "")));
	KUNIT_EXPECT_GE(test, log_lines(log, "Comm: mock_owner", "", ""), 1);
	rdma_restrack_put(res);
	KUNIT_EXPECT_TRUE(test, mock_await(log_lines(log, who, "has been waiting for ",
						     " s, 1 references are held")));
	rdma_restrack_put(res);
	mock_finish(test, call);
}

/*
 * A saturated count does not tell whether there are readers. So the deletion waits
 * for ever rather than free the object under one.
 */
static void saturated_count_is_waited_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	struct log *log = log_from_here(test);
	struct mock_call *call;
	char who[64];

	snprintf(who, sizeof(who), "rdma_restrack: mr %u of kernel [" MOCK_NAME "]: ", res->id);
	refcount_set(&res->kref.refcount, REFCOUNT_SATURATED);
	call = mock_start(test, destroyer, mock_del, res);
	KUNIT_EXPECT_TRUE(test, mock_await(log_lines(log, who, "has been waiting for 1 s, ",
						     "its references are saturated")));
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	/* a put is not the last one */
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	/* ends the wait */
	complete(&res->comp);
	mock_finish(test, call);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
}

static void deletion_without_readers_returns_at_once(struct kunit *test)
{
	const struct way_param *way = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);

	mock_run(test, destroyer, way->fn, res);
	take_away(res, way);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

/*
 * While it waits, lookups and walks pass the entry over, and the generation has
 * changed.
 */
static void waiting_deletion_lets_no_reader_in(struct kunit *test)
{
	const struct way_param *way = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_entry *other = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *destroyer = mock_owner(test);
	u32 before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR);
	struct mock_call *call;

	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, destroyer, way->fn, res);
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res)));
	KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR), before);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 1);
	/* other objects are not affected by the wait */
	KUNIT_EXPECT_TRUE(test, mock_found(dev, other));
	rdma_restrack_del(other);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 0);
	before = rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR);
	rdma_restrack_put(res);
	mock_finish(test, call);
	/* a sync ends with another change */
	if (way->fn == mock_sync)
		KUNIT_EXPECT_NE(test, rdma_restrack_generation(&dev->res, RDMA_RESTRACK_MR),
				before);
	take_away(res, way);
}

static void sync_restores_the_entry(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	u32 id = res->id;
	int i;

	for (i = 0; i < 3; i++) {
		rdma_restrack_sync(res);
		KUNIT_EXPECT_TRUE(test, res->valid);
		KUNIT_EXPECT_EQ(test, res->id, id);
		KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
		KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 1);
	}
}

static void move_to_another_pd(void *data)
{
	struct ib_mr *mr = data;

	WRITE_ONCE(mr->pd, NULL);
	rdma_restrack_sync(&mr->res);
}

/*
 * A dump once read the PD of an MR that had just been moved. Readers from before
 * the move have left when the mover frees the old PD; later ones see the new PD.
 */
static void moved_mr_waits_for_readers_of_its_old_pd(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct ib_mr *mr = container_of(res, struct ib_mr, res);
	struct mock_owner *mover = mock_owner(test);
	struct mock_call *call;

	mr->pd = mock_pd(test, dev);
	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, mover, move_to_another_pd, mr);
	KUNIT_EXPECT_TRUE(test, mock_await(!mock_found(dev, res)));
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	rdma_restrack_put(res);
	mock_finish(test, call);

	res = rdma_restrack_get_byid(dev, RDMA_RESTRACK_MR, mr->res.id);
	KUNIT_EXPECT_PTR_EQ(test, res, &mr->res);
	KUNIT_EXPECT_NULL(test, READ_ONCE(mr->pd));
	if (!IS_ERR(res))
		rdma_restrack_put(res);
}

struct crowd_of_readers {
	struct ib_device *dev;
	u32 id;
	/* 1 between a get and its put */
	atomic_t inside;
	/* set while no reader may find the object */
	bool gone;
	bool stop;
	/* for the test: KUnit does not count assertions in other threads */
	int entered;
	int too_late;
};

static void read_without_end(void *data)
{
	struct crowd_of_readers *c = data;
	struct rdma_restrack_entry *res;

	while (!READ_ONCE(c->stop)) {
		res = rdma_restrack_get_byid(c->dev, RDMA_RESTRACK_MR, c->id);
		if (!IS_ERR(res)) {
			atomic_inc(&c->inside);
			if (READ_ONCE(c->gone))
				c->too_late++;
			c->entered++;
			atomic_dec(&c->inside);
			rdma_restrack_put(res);
		}
		cond_resched();
	}
}

/*
 * Threads look the object up as fast as they can while it is added and deleted.
 * After each deletion no reader has it, and none finds it.
 */
static void lookup_never_finds_a_deleted_object(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct crowd_of_readers *c[3];
	struct mock_call *call[3];
	int i, round, inside = 0;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = kunit_kzalloc(test, sizeof(*c[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, c[i]);
		c[i]->dev = dev;
		call[i] = mock_start(test, mock_owner(test), read_without_end, c[i]);
	}
	for (round = 0; round < 300; round++) {
		/* sets a private member: the same number each time, for more hits */
		atomic64_set(&opaque_root(&dev->res)->counts[RDMA_RESTRACK_MR].tickets, 0);
		rdma_restrack_new(res, RDMA_RESTRACK_MR);
		rdma_restrack_set_name(res, MOCK_NAME);
		for (i = 0; i < ARRAY_SIZE(c); i++)
			WRITE_ONCE(c[i]->gone, false);
		rdma_restrack_add(res);
		if (round % 3 == 0)
			rdma_restrack_sync(res);
		if (round % 10 == 0)
			schedule_timeout_uninterruptible(1);
		if (round % 2)
			rdma_restrack_begin_del(res);
		else
			rdma_restrack_del(res);
		for (i = 0; i < ARRAY_SIZE(c); i++) {
			WRITE_ONCE(c[i]->gone, true);
			inside += atomic_read(&c[i]->inside);
		}
		if (round % 2)
			rdma_restrack_commit_del(res);
	}
	for (i = 0; i < ARRAY_SIZE(c); i++)
		WRITE_ONCE(c[i]->stop, true);
	for (i = 0; i < ARRAY_SIZE(c); i++)
		mock_finish(test, call[i]);
	KUNIT_EXPECT_EQ(test, inside, 0);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		KUNIT_EXPECT_EQ(test, c[i]->too_late, 0);
		KUNIT_EXPECT_GT(test, c[i]->entered, 0);
	}
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
}

struct tug {
	struct rdma_restrack_entry *res;
	/* as in crowd_of_readers */
	atomic_t inside;
	bool gone;
	bool stop;
	struct tug_reader {
		struct tug *tug;
		int entered;
		int too_late;
	} reader[3];
};

static void get_and_put_without_end(void *data)
{
	struct tug_reader *reader = data;
	struct tug *tug = reader->tug;
	int i;

	while (!READ_ONCE(tug->stop)) {
		if (rdma_restrack_get(tug->res)) {
			atomic_inc(&tug->inside);
			if (READ_ONCE(tug->gone))
				reader->too_late++;
			atomic_dec(&tug->inside);
			rdma_restrack_put(tug->res);
			reader->entered++;
		}
		/* a pause, so that sometimes the deletion drops the last reference */
		for (i = 0; i < 20; i++)
			cpu_relax();
		cond_resched();
	}
}

/*
 * Threads take and put references as fast as they can while begin_del and abort_del
 * alternate. So a get or put falls between any two steps of these, again and again.
 */
static void get_never_succeeds_after_begin_del(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct tug *tug = kunit_kzalloc(test, sizeof(*tug), GFP_KERNEL);
	struct mock_call *call[ARRAY_SIZE(tug->reader)];
	unsigned long end = jiffies + 2 * HZ;
	int i, inside = 0, rounds = 0, entered = 0;

	KUNIT_ASSERT_NOT_NULL(test, tug);
	tug->res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	for (i = 0; i < ARRAY_SIZE(call); i++) {
		tug->reader[i].tug = tug;
		call[i] = mock_start(test, mock_owner(test), get_and_put_without_end,
				     &tug->reader[i]);
	}
	do {
		rdma_restrack_begin_del(tug->res);
		inside += atomic_read(&tug->inside);
		WRITE_ONCE(tug->gone, true);
		cpu_relax();
		WRITE_ONCE(tug->gone, false);
		rdma_restrack_abort_del(tug->res);
		rounds++;
		cond_resched();
	} while (time_before(jiffies, end));
	WRITE_ONCE(tug->stop, true);
	for (i = 0; i < ARRAY_SIZE(call); i++) {
		mock_finish(test, call[i]);
		KUNIT_EXPECT_EQ(test, tug->reader[i].too_late, 0);
		entered += tug->reader[i].entered;
	}
	KUNIT_EXPECT_EQ(test, inside, 0);
	KUNIT_EXPECT_GT(test, entered, 1000);
	KUNIT_EXPECT_EQ(test, kref_read(&tug->res->kref), 1);
	kunit_info(test, "%d rounds, %d references\n", rounds, entered);
}

static struct kunit_case readers_cases[] = {
	KUNIT_CASE_PARAM(deletion_waits_for_a_reader, way_gen_params),
	KUNIT_CASE_PARAM(deletion_waits_for_the_last_reader, way_gen_params),
	KUNIT_CASE_PARAM(reader_takes_another_reference, way_gen_params),
	KUNIT_CASE_SLOW(long_wait_is_reported),
	KUNIT_CASE_SLOW(saturated_count_is_waited_for),
	KUNIT_CASE_PARAM(deletion_without_readers_returns_at_once, way_gen_params),
	KUNIT_CASE_PARAM(waiting_deletion_lets_no_reader_in, way_gen_params),
	KUNIT_CASE(sync_restores_the_entry),
	KUNIT_CASE(moved_mr_waits_for_readers_of_its_old_pd),
	KUNIT_CASE(lookup_never_finds_a_deleted_object),
	KUNIT_CASE_SLOW(get_never_succeeds_after_begin_del),
	{}
};

static struct kunit_suite readers_suite = {
	.name = "restrack_c_readers",
	.test_cases = readers_cases,
};
kunit_test_suite(readers_suite);
