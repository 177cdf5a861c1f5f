// SPDX-License-Identifier: GPL-2.0
/*
 * The layout that drivers were promised: names, values and order of what the
 * interface began with; what came later comes last.
 */

#include "mock_device.h"

#define BEFORE(type, a, b) \
	static_assert(offsetof(type, a) < offsetof(type, b))

BEFORE(struct rdma_restrack_entry, valid, kref);
BEFORE(struct rdma_restrack_entry, kref, comp);
BEFORE(struct rdma_restrack_entry, comp, task);
BEFORE(struct rdma_restrack_entry, task, kern_name);
BEFORE(struct rdma_restrack_entry, kern_name, node);
BEFORE(struct rdma_restrack_entry, node, type);
BEFORE(struct rdma_restrack_entry, type, no_track);
BEFORE(struct rdma_restrack_entry, type, user);
BEFORE(struct rdma_restrack_entry, type, id);
BEFORE(struct rdma_restrack_root, rwsem, hash);

static void entry_begins_with_valid(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, offsetof(struct rdma_restrack_entry, valid), 0);
	KUNIT_EXPECT_EQ(test, sizeof_field(struct rdma_restrack_entry, valid),
			sizeof(bool));
}

static void entry_members_have_their_types(struct kunit *test)
{
	struct rdma_restrack_entry *res =
		kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);
	struct kref *kref = &res->kref;
	struct completion *comp = &res->comp;
	struct task_struct **task = &res->task;
	const char **kern_name = &res->kern_name;
	struct hlist_node *node = &res->node;
	enum rdma_restrack_type *type = &res->type;

	KUNIT_EXPECT_NOT_NULL(test, kref);
	KUNIT_EXPECT_NOT_NULL(test, comp);
	KUNIT_EXPECT_NOT_NULL(test, task);
	KUNIT_EXPECT_NOT_NULL(test, kern_name);
	KUNIT_EXPECT_NOT_NULL(test, node);
	KUNIT_EXPECT_NOT_NULL(test, type);
}

static void root_is_a_lock_and_a_hash(struct kunit *test)
{
	struct rdma_restrack_root *root = NULL;

	static_assert(__same_type(root->rwsem, struct rw_semaphore));
	static_assert(__same_type(root->hash[0], struct hlist_head));
	KUNIT_EXPECT_EQ(test, offsetof(struct rdma_restrack_root, rwsem), 0);
	KUNIT_EXPECT_EQ(test, offsetof(struct rdma_restrack_root, hash),
			sizeof(struct rw_semaphore));
	KUNIT_EXPECT_EQ(test, HASH_SIZE(root->hash), 256);
	KUNIT_EXPECT_EQ(test, RDMA_RESTRACK_HASH_BITS, 8);
}

static void types_keep_their_values(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, (int)RDMA_RESTRACK_PD, 0);
	KUNIT_EXPECT_EQ(test, (int)RDMA_RESTRACK_CQ, 1);
	KUNIT_EXPECT_EQ(test, (int)RDMA_RESTRACK_QP, 2);
	KUNIT_EXPECT_EQ(test, (int)RDMA_RESTRACK_XRCD, 3);
	KUNIT_EXPECT_GT(test, (int)RDMA_RESTRACK_MAX,
			(int)RDMA_RESTRACK_COMP_CNTR);
}

static void device_embeds_root(struct kunit *test)
{
	struct ib_device *dev = NULL;
	struct ib_xrcd *xrcd = NULL;

	static_assert(__same_type(dev->res, struct rdma_restrack_root));
	static_assert(__same_type(xrcd->res, struct rdma_restrack_entry));
	KUNIT_SUCCEED(test);
}

static struct kunit_case layout_cases[] = {
	KUNIT_CASE(entry_begins_with_valid),
	KUNIT_CASE(entry_members_have_their_types),
	KUNIT_CASE(root_is_a_lock_and_a_hash),
	KUNIT_CASE(types_keep_their_values),
	KUNIT_CASE(device_embeds_root),
	{}
};

static struct kunit_suite layout_suite = {
	.name = "restrack_c_layout",
	.test_cases = layout_cases,
};
kunit_test_suite(layout_suite);
