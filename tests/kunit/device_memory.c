// SPDX-License-Identifier: GPL-2.0
/*
 * Memory regions in device memory, which only processes can register.
 */

#include "netlink.h"
#include "registered_device.h"
#include "uverbs.h"

#define LENGTH	4096

/* A process with device memory. */
struct dm_user {
	struct verbs_device *dev;
	struct mock_owner *owner;
	struct uverbs *u;
	u32 pd;
	u32 dm;
};

static struct dm_user *new_user(struct kunit *test)
{
	struct dm_user *user = kunit_kzalloc(test, sizeof(*user), GFP_KERNEL);
	u64 length = LENGTH;
	u32 alignment = 0;

	KUNIT_ASSERT_NOT_NULL(test, user);
	user->dev = registered_device(test);
	user->owner = mock_owner(test);
	user->u = uverbs_open(test, user->dev, user->owner, NULL);
	KUNIT_ASSERT_EQ(test, uverbs_get_context(user->u), 0);
	KUNIT_ASSERT_EQ(test, uverbs_alloc_pd(user->u, &user->pd), 0);
	KUNIT_ASSERT_EQ(test, REQUEST(user->u, DM, DM_ALLOC, MAKES(ALLOC_DM_HANDLE, user->dm),
				      GIVES(ALLOC_DM_LENGTH, length),
				      GIVES(ALLOC_DM_ALIGNMENT, alignment)), 0);
	return user;
}

static int reg_mr(struct dm_user *user, u64 offset, u32 access, u32 *mr)
{
	u64 length = LENGTH;
	u32 lkey, rkey;

	return REQUEST(user->u, MR, DM_MR_REG, MAKES(REG_DM_MR_HANDLE, *mr),
		       GIVES(REG_DM_MR_OFFSET, offset), GIVES(REG_DM_MR_LENGTH, length),
		       USES(REG_DM_MR_PD_HANDLE, user->pd),
		       GIVES(REG_DM_MR_ACCESS_FLAGS, access),
		       USES(REG_DM_MR_DM_HANDLE, user->dm), GETS(REG_DM_MR_RESP_LKEY, lkey),
		       GETS(REG_DM_MR_RESP_RKEY, rkey));
}

static int dereg_mr(struct dm_user *user, u32 mr)
{
	return REQUEST(user->u, MR, MR_DESTROY, USES(DESTROY_MR_HANDLE, mr));
}

static int free_dm(struct dm_user *user)
{
	return REQUEST(user->u, DM, DM_FREE, USES(FREE_DM_HANDLE, user->dm));
}

static int dealloc_pd(struct dm_user *user)
{
	return REQUEST(user->u, PD, PD_DESTROY, USES(DESTROY_PD_HANDLE, user->pd));
}

static void expect_tracked(struct kunit *test, struct dm_user *user, int ctx, int pd, int mr)
{
	KUNIT_EXPECT_EQ(test, verbs_count(user->dev, RDMA_RESTRACK_CTX), ctx);
	KUNIT_EXPECT_EQ(test, verbs_count(user->dev, RDMA_RESTRACK_PD), pd);
	KUNIT_EXPECT_EQ(test, verbs_count(user->dev, RDMA_RESTRACK_MR), mr);
	MOCK_EXPECT_HELD(test, user->owner, ctx + pd + mr);
}

/* They once were not tracked. */
static void mr_in_device_memory_is_tracked(struct kunit *test)
{
	struct dm_user *user = new_user(test);
	struct verbs_device *dev = user->dev;
	struct ib_mr *mr;
	u32 handle, id;

	expect_tracked(test, user, 1, 1, 0);
	KUNIT_ASSERT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle), 0);
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	expect_tracked(test, user, 1, 1, 1);

	mr = dev->mr;
	id = mr->res.id;
	KUNIT_EXPECT_EQ(test, mr->type, IB_MR_TYPE_DM);
	KUNIT_EXPECT_TRUE(test, mr->res.valid);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(&mr->res));
	KUNIT_EXPECT_PTR_EQ(test, mr->res.task, user->owner->task);
	KUNIT_EXPECT_TRUE(test, mock_found(&dev->ib, &mr->res));
	KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_MR_GET, NULL, { RDMA_NLDEV_ATTR_RES_MRN, id }), 0);

	/* the memory cannot be freed while it is in use */
	KUNIT_EXPECT_EQ(test, free_dm(user), -EBUSY);
	expect_tracked(test, user, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, dereg_mr(user, handle), 0);
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	expect_tracked(test, user, 1, 1, 0);
	KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_MR_GET, NULL, { RDMA_NLDEV_ATTR_RES_MRN, id }),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, free_dm(user), 0);
	KUNIT_EXPECT_EQ(test, dealloc_pd(user), 0);
	expect_tracked(test, user, 1, 0, 0);
	kunit_release_action(test, uverbs_close, user->u);
	expect_tracked(test, user, 0, 0, 0);
}

static void several_mrs_are_tracked(struct kunit *test)
{
	struct dm_user *user = new_user(test);
	u32 handle[10];
	int i;

	for (i = 0; i < ARRAY_SIZE(handle); i++) {
		KUNIT_ASSERT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle[i]), 0);
		expect_tracked(test, user, 1, 1, i + 1);
		KUNIT_EXPECT_TRUE(test, mock_found(&user->dev->ib, &user->dev->mr->res));
	}
	for (i = 0; i < ARRAY_SIZE(handle); i++) {
		KUNIT_EXPECT_EQ(test, dereg_mr(user, handle[i]), 0);
		expect_tracked(test, user, 1, 1, ARRAY_SIZE(handle) - i - 1);
	}
}

static void refused_mr_is_not_tracked(struct kunit *test)
{
	struct dm_user *user = new_user(test);
	u32 handle;

	KUNIT_EXPECT_EQ(test, reg_mr(user, 1, IB_ZERO_BASED, &handle), -EINVAL);
	KUNIT_EXPECT_EQ(test, reg_mr(user, 0, 0, &handle), -EINVAL);
	user->dev->create_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle), -ENOSPC);
	expect_tracked(test, user, 1, 1, 0);
	user->dev->create_error = 0;
	KUNIT_EXPECT_EQ(test, free_dm(user), 0);
}

static void process_that_ends_leaves_nothing(struct kunit *test)
{
	struct dm_user *user = new_user(test);
	u32 handle;
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle), 0);
	expect_tracked(test, user, 1, 1, 3);
	kunit_release_action(test, uverbs_close, user->u);
	expect_tracked(test, user, 0, 0, 0);
}

/* The process still has the file of the device open. */
static void device_that_goes_leaves_nothing(struct kunit *test)
{
	struct dm_user *user = new_user(test);
	u32 handle;

	KUNIT_ASSERT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle), 0);
	kunit_release_action(test, unregister_device, &user->dev->ib);
	expect_tracked(test, user, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, reg_mr(user, 0, IB_ZERO_BASED, &handle), -EIO);
}

static struct kunit_case device_memory_cases[] = {
	KUNIT_CASE(mr_in_device_memory_is_tracked),
	KUNIT_CASE(several_mrs_are_tracked),
	KUNIT_CASE(refused_mr_is_not_tracked),
	KUNIT_CASE(process_that_ends_leaves_nothing),
	KUNIT_CASE(device_that_goes_leaves_nothing),
	{}
};

static struct kunit_suite device_memory_suite = {
	.name = "restrack_c_device_memory",
	.test_cases = device_memory_cases,
};
kunit_test_suite(device_memory_suite);
