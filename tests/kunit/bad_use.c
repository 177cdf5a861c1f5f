// SPDX-License-Identifier: GPL-2.0
/*
 * Misuse by a driver: one warning, and no other effect.
 *
 * Each kind of warning is given once per boot. A suppressed one does not count, so
 * each test can expect its own, even when the suite runs again.
 */

#include <linux/err.h>
#include "mock_device.h"
#include "mock_owner.h"

#define BAD_TYPE RDMA_RESTRACK_MAX
#define WORSE_TYPE ((enum rdma_restrack_type)-1)

#define EXPECT_WARNING(test, statement...)				\
	do {								\
		kunit_warning_suppress(test) {				\
			statement;					\
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);	\
		}							\
	} while (0)

/* The call warns and returns @result. */
#define EXPECT_REFUSED(test, call, result)				\
	EXPECT_WARNING(test, KUNIT_EXPECT_EQ(test, call, result))

static void null_entry_is_refused(struct kunit *test)
{
	EXPECT_WARNING(test, rdma_restrack_new(NULL, RDMA_RESTRACK_PD));
	EXPECT_WARNING(test, rdma_restrack_set_name(NULL, MOCK_NAME));
	EXPECT_WARNING(test, rdma_restrack_set_name(NULL, NULL));
	EXPECT_WARNING(test, rdma_restrack_add(NULL));
	EXPECT_WARNING(test, rdma_restrack_del(NULL));
	EXPECT_WARNING(test, rdma_restrack_begin_del(NULL));
	EXPECT_WARNING(test, rdma_restrack_abort_del(NULL));
	EXPECT_WARNING(test, rdma_restrack_commit_del(NULL));
	EXPECT_WARNING(test, rdma_restrack_sync(NULL));
	EXPECT_REFUSED(test, rdma_restrack_get(NULL), 0);
	EXPECT_REFUSED(test, rdma_restrack_put(NULL), 0);
	EXPECT_REFUSED(test, rdma_is_kernel_res(NULL), true);
}

static void null_parent_keeps_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	EXPECT_WARNING(test, rdma_restrack_parent_name(res, NULL));
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	EXPECT_WARNING(test, rdma_restrack_parent_name(NULL, res));
	MOCK_EXPECT_HELD(test, owner, 1);
}

static void free_protocol_refuses_null(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_MR);
	struct rdma_restrack_stand_in stand_in = { };

	EXPECT_WARNING(test, rdma_restrack_begin_free(NULL, &stand_in));
	KUNIT_EXPECT_NULL(test, opaque_entry(&stand_in.entry)->root);
	EXPECT_WARNING(test, rdma_restrack_begin_free(res, NULL));
	EXPECT_WARNING(test, rdma_restrack_abort_free(NULL, &stand_in));
	EXPECT_WARNING(test, rdma_restrack_abort_free(res, NULL));
	EXPECT_WARNING(test, rdma_restrack_commit_free(NULL));
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
}

static void null_root_is_refused(struct kunit *test)
{
	u64 cursor = 0, key;

	EXPECT_WARNING(test, rdma_restrack_init(NULL));
	EXPECT_WARNING(test, rdma_restrack_clean(NULL));
	EXPECT_REFUSED(test, rdma_restrack_count(NULL, RDMA_RESTRACK_PD, NULL), 0);
	EXPECT_REFUSED(test, rdma_restrack_count_details(NULL, RDMA_RESTRACK_QP, NULL, true), 0);
	EXPECT_REFUSED(test, !rdma_restrack_next(NULL, RDMA_RESTRACK_QP, &cursor, true), true);
	EXPECT_REFUSED(test, !rdma_restrack_generation(NULL, RDMA_RESTRACK_QP), false);
	EXPECT_REFUSED(test, rdma_restrack_restores(NULL, RDMA_RESTRACK_QP), 0);
	EXPECT_REFUSED(test, rdma_restrack_keys(NULL, RDMA_RESTRACK_QP, &cursor, true, &key, 1), 0);
	EXPECT_REFUSED(test, PTR_ERR(rdma_restrack_get_bykey(NULL, RDMA_RESTRACK_QP, 0)), -EINVAL);
}

static void null_device_is_refused(struct kunit *test)
{
	EXPECT_REFUSED(test, PTR_ERR(rdma_restrack_get_byid(NULL, RDMA_RESTRACK_QP, 1)), -EINVAL);
}

static void null_cursor_is_refused(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_QP);
	u64 cursor = 0, key;

	EXPECT_REFUSED(test, !rdma_restrack_next(&dev->res, RDMA_RESTRACK_QP, NULL, true), true);
	EXPECT_REFUSED(test, rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, NULL, true, &key, 1),
		       0);
	EXPECT_REFUSED(test, rdma_restrack_keys(&dev->res, RDMA_RESTRACK_QP, &cursor, true, NULL,
						1), 0);
	KUNIT_EXPECT_EQ(test, cursor, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
}

static void bad_type_is_refused(struct kunit *test)
{
	static const enum rdma_restrack_type types[] = { BAD_TYPE, WORSE_TYPE };
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_root *root = &dev->res;
	u64 cursor = 0, key;
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_REFUSED(test, rdma_restrack_count(root, types[i], NULL), 0);
		EXPECT_REFUSED(test, rdma_restrack_count_details(root, types[i], NULL, true), 0);
		EXPECT_REFUSED(test, !rdma_restrack_next(root, types[i], &cursor, true), true);
		EXPECT_REFUSED(test, !rdma_restrack_generation(root, types[i]), false);
		EXPECT_REFUSED(test, rdma_restrack_restores(root, types[i]), 0);
		EXPECT_REFUSED(test, rdma_restrack_keys(root, types[i], &cursor, true, &key, 1), 0);
		EXPECT_REFUSED(test, PTR_ERR(rdma_restrack_get_bykey(root, types[i], 0)), -EINVAL);
		EXPECT_REFUSED(test, PTR_ERR(rdma_restrack_get_byid(dev, types[i], 0)), -EINVAL);
	}
}

static void add_refuses_a_bad_type(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct mock_owner *owner = mock_owner(test);
	int i;

	rdma_restrack_new(res, BAD_TYPE);
	mock_run(test, owner, mock_set_name, res);
	EXPECT_WARNING(test, rdma_restrack_add(res));
	KUNIT_EXPECT_FALSE(test, res->valid);
	for (i = 0; i < RDMA_RESTRACK_MAX; i++)
		KUNIT_EXPECT_EQ(test, mock_count(dev, i), 0);
	MOCK_EXPECT_HELD(test, owner, 1);
	/* a driver that ignores the warning deletes the object as usual */
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);

	res->type = WORSE_TYPE;
	EXPECT_WARNING(test, rdma_restrack_add(res));
	KUNIT_EXPECT_FALSE(test, res->valid);
}

static void add_refuses_an_object_without_a_device(struct kunit *test)
{
	struct mock_owner *owner = mock_owner(test);
	struct rdma_restrack_entry *res;
	int type;

	for (type = 0; type < MOCK_TYPES; type++) {
		res = mock_object(test, NULL, type);
		mock_new(test, owner, res);
		EXPECT_WARNING(test, rdma_restrack_add(res));
		KUNIT_EXPECT_FALSE_MSG(test, res->valid, "type %d", type);
		MOCK_EXPECT_HELD(test, owner, 1);
		if (type % 2)
			rdma_restrack_del(res);
		else
			KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
		MOCK_EXPECT_HELD(test, owner, 0);
	}
}

/* An entry that is not tracked gets no owner. */
static void object_without_a_device_gets_no_owner(struct kunit *test)
{
	struct rdma_restrack_entry *res = mock_object(test, NULL, RDMA_RESTRACK_PD);

	EXPECT_WARNING(test, rdma_restrack_add(res));
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_NULL(test, res->task);
}

/* Of a queue pair it has 24 bits, and its port 8. The warning is all: it is tracked. */
static void large_number_is_tracked(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 0x1000000);
	struct ib_qp *gsi = mock_qp(test, dev, IB_QPT_GSI, 1);

	gsi->port = 256;
	EXPECT_WARNING(test, mock_track(&qp->res));
	EXPECT_WARNING(test, mock_track(&gsi->res));
	KUNIT_EXPECT_EQ(test, qp->res.id, 0x1000000);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &qp->res));
	KUNIT_EXPECT_TRUE(test, mock_found(dev, &gsi->res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 2);
}

static void second_add_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);
	u32 id;

	mock_own(test, owner, res);
	id = res->id;
	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	EXPECT_WARNING(test, rdma_restrack_add(res));
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
	rdma_restrack_put(res);

	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, res->id, id);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_CQ), 1);
	MOCK_EXPECT_HELD(test, owner, 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 0);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/*
 * Readers may be using the owner of a tracked entry. (rdma_restrack_new() cannot
 * warn for such an entry: the memory of a new entry may hold anything, so it reads
 * nothing.)
 */
static void expect_not_named(struct kunit *test, struct rdma_restrack_entry *res,
			     const struct rdma_restrack_entry *parent)
{
	struct task_struct *task = res->task;
	const char *name = res->kern_name;
	bool user = res->user;

	EXPECT_WARNING(test, rdma_restrack_set_name(res, "mock_other"));
	EXPECT_WARNING(test, rdma_restrack_set_name(res, NULL));
	EXPECT_WARNING(test, rdma_restrack_parent_name(res, parent));
	KUNIT_EXPECT_PTR_EQ(test, res->task, task);
	KUNIT_EXPECT_PTR_EQ(test, res->kern_name, name);
	KUNIT_EXPECT_EQ(test, res->user, user);
}

static void tracked_entry_keeps_its_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *of_kernel = mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct rdma_restrack_entry *untracked = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	expect_not_named(test, res, of_kernel);
	expect_not_named(test, of_kernel, res);
	MOCK_EXPECT_HELD(test, owner, 1);

	rdma_restrack_new(untracked, RDMA_RESTRACK_CQ);
	rdma_restrack_set_name(untracked, MOCK_NAME);
	rdma_restrack_no_track(untracked);
	rdma_restrack_add(untracked);
	expect_not_named(test, untracked, res);
	rdma_restrack_del(untracked);

	rdma_restrack_begin_del(res);
	expect_not_named(test, res, of_kernel);
	rdma_restrack_abort_del(res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));

	/* the same after its device is gone: it may have readers */
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	expect_not_named(test, res, of_kernel);
	MOCK_EXPECT_HELD(test, owner, 1);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);

	/* after del it can get an owner again */
	rdma_restrack_set_name(res, MOCK_NAME);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	rdma_restrack_del(of_kernel);
}

/* A second del is allowed, so it does not warn. */
static void second_del_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct rdma_restrack_entry *other = mock_tracked(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_del(res);
	rdma_restrack_del(res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	MOCK_EXPECT_HELD(test, owner, 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 1);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, other));
}

/* The entry is all zero; not even its type is set. */
static void del_without_add_changes_nothing(struct kunit *test)
{
	struct rdma_restrack_entry *res = kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, res);
	rdma_restrack_del(res);
	rdma_restrack_begin_del(res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
}

static void abort_without_begin_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_CQ);

	KUNIT_ASSERT_EQ(test, rdma_restrack_get(res), 1);
	EXPECT_WARNING(test, rdma_restrack_abort_del(res));
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
	rdma_restrack_put(res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 1);
}

static void second_begin_del_changes_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_begin_del(res);
	rdma_restrack_begin_del(res);
	rdma_restrack_sync(res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 0);
	/* del instead of commit_del */
	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 0);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void commit_without_begin_deletes(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 0);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_CQ), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/*
 * A reader puts twice. After that nobody gets a reference, and del neither hangs
 * nor releases the owner twice.
 */
static void one_put_too_many_leaves_no_reference(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	/* this drops the reference of the entry itself, which cannot be noticed */
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	/* still tracked, so it keeps its owner */
	MOCK_EXPECT_HELD(test, owner, 1);

	EXPECT_REFUSED(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	EXPECT_WARNING(test, rdma_restrack_del(res));
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_CQ), 0);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* One put too many, which del notices. */
static void del_after_one_put_too_many_returns(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	EXPECT_WARNING(test, rdma_restrack_del(res));
	KUNIT_EXPECT_FALSE(test, res->valid);
	MOCK_EXPECT_HELD(test, owner, 0);

	/* and the entry can be added again */
	mock_own(test, owner, res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* begin_del and sync notice it too; abort_del and sync restore the entry. */
static void abort_after_one_put_too_many_restores_the_entry(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	EXPECT_WARNING(test, rdma_restrack_begin_del(res));
	EXPECT_REFUSED(test, rdma_restrack_put(res), 0);
	rdma_restrack_abort_del(res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));

	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	EXPECT_WARNING(test, rdma_restrack_sync(res));
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));

	/* a later del still waits for its readers */
	mock_expect_wait(test, owner, mock_del, res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void second_put_of_a_new_entry_is_refused(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	EXPECT_REFUSED(test, rdma_restrack_put(res), 0);
	MOCK_EXPECT_HELD(test, owner, 0);
	mock_run(test, owner, mock_add, res);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static struct kunit_case bad_use_cases[] = {
	KUNIT_CASE(null_entry_is_refused),
	KUNIT_CASE(null_parent_keeps_the_owner),
	KUNIT_CASE(free_protocol_refuses_null),
	KUNIT_CASE(null_root_is_refused),
	KUNIT_CASE(null_device_is_refused),
	KUNIT_CASE(null_cursor_is_refused),
	KUNIT_CASE(bad_type_is_refused),
	KUNIT_CASE(add_refuses_a_bad_type),
	KUNIT_CASE(add_refuses_an_object_without_a_device),
	KUNIT_CASE(object_without_a_device_gets_no_owner),
	KUNIT_CASE(large_number_is_tracked),
	KUNIT_CASE(second_add_changes_nothing),
	KUNIT_CASE(tracked_entry_keeps_its_owner),
	KUNIT_CASE(second_del_changes_nothing),
	KUNIT_CASE(del_without_add_changes_nothing),
	KUNIT_CASE(abort_without_begin_changes_nothing),
	KUNIT_CASE(second_begin_del_changes_nothing),
	KUNIT_CASE(commit_without_begin_deletes),
	KUNIT_CASE(one_put_too_many_leaves_no_reference),
	KUNIT_CASE(del_after_one_put_too_many_returns),
	KUNIT_CASE(abort_after_one_put_too_many_restores_the_entry),
	KUNIT_CASE(second_put_of_a_new_entry_is_refused),
	{}
};

static struct kunit_suite bad_use_suite = {
	.name = "restrack_c_bad_use",
	.test_cases = bad_use_cases,
};
kunit_test_suite(bad_use_suite);
