// SPDX-License-Identifier: GPL-2.0
/*
 * The life of one entry, in both styles of calling, and its references.
 */

#include "mock_device.h"
#include "mock_owner.h"

static void add_in_one_call_tracks(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_PD);

	res->kern_name = MOCK_NAME;
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&res->comp));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_PD), 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_PD), 0);
}

static void del_after_add_in_one_call_waits_for_readers(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct mock_owner *owner = mock_owner(test);
	int i;

	for (i = 0; i < 2; i++) {
		mock_run(test, owner, mock_add, res);
		mock_expect_wait(test, owner, mock_del, res);
		MOCK_EXPECT_HELD(test, owner, 0);
	}
}

static void add_in_steps_tracks(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = &mock_pd(test, dev)->res;

	res->type = RDMA_RESTRACK_MAX;
	rdma_restrack_new(res, RDMA_RESTRACK_PD);
	KUNIT_EXPECT_EQ(test, res->type, RDMA_RESTRACK_PD);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_PD), 0);

	rdma_restrack_set_name(res, MOCK_NAME);
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

struct fill_param {
	u8 byte;
};

static const struct fill_param fill_params[] = { { 0x00 }, { 0x6b }, { 0xff } };

static void fill_describe(const struct fill_param *param, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%#x", param->byte);
}

KUNIT_ARRAY_PARAM(fill, fill_params, fill_describe);

/* Fills the entry as a driver does that does not zero its objects. */
static void refill(struct rdma_restrack_entry *res, u8 byte)
{
	memset(res, byte, sizeof(*res));
}

static void expect_new(struct kunit *test, struct rdma_restrack_entry *res)
{
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&res->comp));
	KUNIT_EXPECT_NULL(test, res->task);
	KUNIT_EXPECT_NULL(test, res->kern_name);
	KUNIT_EXPECT_TRUE(test, hlist_unhashed(&res->node));
	KUNIT_EXPECT_EQ(test, res->type, RDMA_RESTRACK_MR);
	KUNIT_EXPECT_TRUE(test, rdma_restrack_is_tracked(res));
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_EQ(test, res->id, 0);
	KUNIT_EXPECT_NULL(test, opaque_entry(res)->root);
}

/* mthca does not zero its MRs, and the tracker once read what was there. */
static void new_initializes_memory_that_was_not_zeroed(struct kunit *test)
{
	const struct fill_param *fill = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);

	refill(res, fill->byte);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	expect_new(test, res);
	mock_run(test, owner, mock_set_name, res);
	MOCK_EXPECT_HELD(test, owner, 1);
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 1);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 1);
	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_MR), 0);
	MOCK_EXPECT_HELD(test, owner, 0);

	/* owned by the kernel, then by nobody: no reference to a process */
	refill(res, fill->byte);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_set_name(res, MOCK_NAME);
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	rdma_restrack_del(res);

	refill(res, fill->byte);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);

	/* never added: the owner is released by put, and by del */
	refill(res, fill->byte);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	mock_run(test, owner, mock_set_name, res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	MOCK_EXPECT_HELD(test, owner, 0);
	refill(res, fill->byte);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	mock_run(test, owner, mock_set_name, res);
	rdma_restrack_begin_del(res);
	rdma_restrack_abort_del(res);
	rdma_restrack_sync(res);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* A CM_ID that is bound again does this. */
static void entry_is_added_again_after_del(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CM_ID);
	int i;

	for (i = 0; i < 3; i++) {
		mock_track(res);
		KUNIT_EXPECT_TRUE(test, res->valid);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
		rdma_restrack_del(res);
		KUNIT_EXPECT_FALSE(test, res->valid);
		KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	}
}

/* With add alone. The owner of before does not come back. */
static void entry_added_again_gets_the_new_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *first = mock_owner(test);
	struct mock_owner *second = mock_owner(test);

	mock_run(test, first, mock_add, res);
	KUNIT_EXPECT_PTR_EQ(test, res->task, first->task);
	rdma_restrack_del(res);
	mock_run(test, second, mock_add, res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_PTR_EQ(test, res->task, second->task);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
	MOCK_EXPECT_HELD(test, first, 0);
	MOCK_EXPECT_HELD(test, second, 1);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, second, 0);
}

static void get_and_put_change_the_count(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_CQ);

	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 3);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 0);
}

/* This is how an object is given up that was never added. */
static void last_put_returns_one(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);

	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_set_name(res, MOCK_NAME);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

static void lookup_takes_a_reference(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_SRQ);
	struct rdma_restrack_entry *found;

	found = rdma_restrack_get_byid(dev, RDMA_RESTRACK_SRQ, res->id);
	KUNIT_EXPECT_PTR_EQ(test, found, res);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 2);
	if (found == res)
		KUNIT_EXPECT_EQ(test, rdma_restrack_put(found), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
}

static void lookup_of_a_missing_number_finds_nothing(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, RDMA_RESTRACK_SRQ);

	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_SRQ,
							     res->id + 1)), -ENOENT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_SRQ,
							     U32_MAX)), -ENOENT);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
}

static void untracked_entry_is_invisible(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 77);
	struct rdma_restrack_entry *res = &qp->res;

	rdma_restrack_new(res, RDMA_RESTRACK_QP);
	rdma_restrack_set_name(res, MOCK_NAME);
	KUNIT_EXPECT_TRUE(test, rdma_restrack_is_tracked(res));
	rdma_restrack_no_track(res);
	KUNIT_EXPECT_FALSE(test, rdma_restrack_is_tracked(res));
	rdma_restrack_add(res);

	KUNIT_EXPECT_EQ(test, mock_count_details(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(rdma_restrack_get_byid(dev, RDMA_RESTRACK_QP, 77)),
			-ENOENT);
	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

static void untracked_entry_waits_for_readers(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	rdma_restrack_no_track(res);
	rdma_restrack_add(res);
	MOCK_EXPECT_HELD(test, owner, 1);

	rdma_restrack_begin_del(res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 0);
	rdma_restrack_abort_del(res);
	mock_expect_wait(test, owner, mock_del, res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void untracked_entry_is_deleted_in_two_steps(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	rdma_restrack_new(res, RDMA_RESTRACK_QP);
	rdma_restrack_no_track(res);
	mock_run(test, owner, mock_set_name, res);
	mock_run(test, owner, mock_add, res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	rdma_restrack_begin_del(res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void untracked_entry_keeps_what_the_caller_set(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);

	res->kern_name = MOCK_NAME;
	rdma_restrack_no_track(res);
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	KUNIT_EXPECT_FALSE(test, rdma_restrack_is_tracked(res));
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_QP), 0);
	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 0);
	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
}

static void sync_of_an_untracked_entry_waits(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	rdma_restrack_new(res, RDMA_RESTRACK_QP);
	rdma_restrack_no_track(res);
	rdma_restrack_set_name(res, MOCK_NAME);
	rdma_restrack_add(res);
	mock_expect_wait(test, owner, mock_sync, res);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
	rdma_restrack_del(res);
}

static struct kunit_case entry_cases[] = {
	KUNIT_CASE(add_in_one_call_tracks),
	KUNIT_CASE(del_after_add_in_one_call_waits_for_readers),
	KUNIT_CASE(add_in_steps_tracks),
	KUNIT_CASE_PARAM(new_initializes_memory_that_was_not_zeroed, fill_gen_params),
	KUNIT_CASE(entry_is_added_again_after_del),
	KUNIT_CASE(entry_added_again_gets_the_new_owner),
	KUNIT_CASE(get_and_put_change_the_count),
	KUNIT_CASE(last_put_returns_one),
	KUNIT_CASE(lookup_takes_a_reference),
	KUNIT_CASE(lookup_of_a_missing_number_finds_nothing),
	KUNIT_CASE(untracked_entry_is_invisible),
	KUNIT_CASE(untracked_entry_waits_for_readers),
	KUNIT_CASE(untracked_entry_is_deleted_in_two_steps),
	KUNIT_CASE(untracked_entry_keeps_what_the_caller_set),
	KUNIT_CASE(sync_of_an_untracked_entry_waits),
	{}
};

static struct kunit_suite entry_suite = {
	.name = "restrack_c_entry",
	.test_cases = entry_cases,
};
kunit_test_suite(entry_suite);
