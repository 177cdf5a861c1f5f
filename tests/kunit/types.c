// SPDX-License-Identifier: GPL-2.0
/*
 * Each type of object, with its entry embedded in the real structure: the tracker
 * finds the device of the entry, and keeps the types apart.
 */

#include "mock_device.h"

struct type_param {
	const char *name;
	enum rdma_restrack_type type;
};

static const struct type_param type_params[] = {
	{ "pd", RDMA_RESTRACK_PD },
	{ "cq", RDMA_RESTRACK_CQ },
	{ "qp", RDMA_RESTRACK_QP },
	{ "xrcd", RDMA_RESTRACK_XRCD },
	{ "cm_id", RDMA_RESTRACK_CM_ID },
	{ "mr", RDMA_RESTRACK_MR },
	{ "ctx", RDMA_RESTRACK_CTX },
	{ "counter", RDMA_RESTRACK_COUNTER },
	{ "srq", RDMA_RESTRACK_SRQ },
	{ "dmah", RDMA_RESTRACK_DMAH },
#ifdef RESTRACK_COMP_CNTR
	{ "comp_cntr", RDMA_RESTRACK_COMP_CNTR },
#endif
};

static_assert(ARRAY_SIZE(type_params) == MOCK_TYPES);

static void type_describe(const struct type_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(type, type_params, type_describe);

/* Expects that the device has @nr objects of @type and no others. */
static void expect_only(struct kunit *test, struct ib_device *dev,
			enum rdma_restrack_type type, int nr)
{
	int i;

	for (i = 0; i < RDMA_RESTRACK_MAX; i++)
		KUNIT_EXPECT_EQ_MSG(test, mock_count(dev, i),
				    i == type ? nr : 0, "count of type %d", i);
}

static void object_is_tracked_on_its_device(struct kunit *test)
{
	const struct type_param *param = test->param_value;
	struct ib_device *other = mock_device(test);
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, param->type);

	rdma_restrack_new(res, param->type);
	rdma_restrack_set_name(res, MOCK_NAME);
	KUNIT_EXPECT_FALSE(test, res->valid);
	expect_only(test, dev, param->type, 0);

	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	KUNIT_EXPECT_EQ(test, res->type, param->type);
	expect_only(test, dev, param->type, 1);
	expect_only(test, other, param->type, 0);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	KUNIT_EXPECT_FALSE(test, mock_found(other, res));
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, param->type), 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	expect_only(test, dev, param->type, 0);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	KUNIT_EXPECT_EQ(test, mock_walk_length(dev, param->type), 0);
}

static void add_in_one_call_tracks(struct kunit *test)
{
	const struct type_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, param->type);

	res->kern_name = MOCK_NAME;
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, res->valid);
	expect_only(test, dev, param->type, 1);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	rdma_restrack_del(res);
	expect_only(test, dev, param->type, 0);
}

static void deletion_in_two_steps_untracks(struct kunit *test)
{
	const struct type_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, param->type);

	rdma_restrack_begin_del(res);
	KUNIT_EXPECT_FALSE(test, mock_found(dev, res));
	rdma_restrack_abort_del(res);
	KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
	rdma_restrack_begin_del(res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_FALSE(test, res->valid);
	expect_only(test, dev, param->type, 0);
}

static void lookup_of_another_type_finds_nothing(struct kunit *test)
{
	const struct type_param *param = test->param_value;
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_tracked(test, dev, param->type);
	struct rdma_restrack_entry *found;
	int i;

	for (i = 0; i < RDMA_RESTRACK_MAX; i++) {
		found = rdma_restrack_get_byid(dev, i, res->id);
		if (i == param->type) {
			KUNIT_EXPECT_PTR_EQ(test, found, res);
			if (!IS_ERR(found))
				rdma_restrack_put(found);
		} else {
			KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(found), -ENOENT,
					    "type %d", i);
		}
	}
	rdma_restrack_del(res);
}

static void types_are_kept_apart(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res[MOCK_TYPES][3];
	int i, j;

	for (j = 0; j < 3; j++)
		for (i = 0; i < MOCK_TYPES; i++)
			res[i][j] = mock_tracked(test, dev, i);
	for (i = 0; i < MOCK_TYPES; i++) {
		KUNIT_EXPECT_EQ(test, mock_count(dev, i), 3);
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, i), 3);
	}
	for (i = 0; i < MOCK_TYPES; i++) {
		rdma_restrack_del(res[i][1]);
		KUNIT_EXPECT_EQ(test, mock_count(dev, i), 2);
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res[i][0]));
		KUNIT_EXPECT_FALSE(test, mock_found(dev, res[i][1]));
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res[i][2]));
	}
}

static struct kunit_case types_cases[] = {
	KUNIT_CASE_PARAM(object_is_tracked_on_its_device, type_gen_params),
	KUNIT_CASE_PARAM(add_in_one_call_tracks, type_gen_params),
	KUNIT_CASE_PARAM(deletion_in_two_steps_untracks, type_gen_params),
	KUNIT_CASE_PARAM(lookup_of_another_type_finds_nothing, type_gen_params),
	KUNIT_CASE(types_are_kept_apart),
	{}
};

static struct kunit_suite types_suite = {
	.name = "restrack_c_types",
	.test_cases = types_cases,
};
kunit_test_suite(types_suite);
