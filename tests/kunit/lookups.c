// SPDX-License-Identifier: GPL-2.0
/*
 * Requests through netlink for one object by its number, and for all objects of a
 * type: each way to be refused has its error. What the summary counts.
 */

#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include "netlink.h"
#include "objects.h"
#include "registered_device.h"
#include "uverbs.h"

/* One object of each type that has a request of its own, of the kernel but for the context. */
static struct objects *make_objects(struct kunit *test)
{
	struct objects *objects = new_objects(test);
	struct uverbs *u = uverbs_open(test, objects->dev, mock_owner(test), NULL);

	KUNIT_ASSERT_EQ(test, uverbs_get_context(u), 0);
	KUNIT_ASSERT_EQ(test, bind_new(test, objects->dev, objects->c->number, NULL), 0);
	return objects;
}

static const struct type {
	const char *name;
	enum rdma_restrack_type type;
	int op;
	u16 table, number;
	/* the objects of a device, not of a port */
	bool of_device;
} types[] = {
	{ "pd", RDMA_RESTRACK_PD, RDMA_NLDEV_CMD_RES_PD_GET,
	  RDMA_NLDEV_ATTR_RES_PD, RDMA_NLDEV_ATTR_RES_PDN, true },
	{ "cq", RDMA_RESTRACK_CQ, RDMA_NLDEV_CMD_RES_CQ_GET,
	  RDMA_NLDEV_ATTR_RES_CQ, RDMA_NLDEV_ATTR_RES_CQN, true },
	{ "qp", RDMA_RESTRACK_QP, RDMA_NLDEV_CMD_RES_QP_GET,
	  RDMA_NLDEV_ATTR_RES_QP, RDMA_NLDEV_ATTR_RES_LQPN },
	{ "mr", RDMA_RESTRACK_MR, RDMA_NLDEV_CMD_RES_MR_GET,
	  RDMA_NLDEV_ATTR_RES_MR, RDMA_NLDEV_ATTR_RES_MRN, true },
	{ "ctx", RDMA_RESTRACK_CTX, RDMA_NLDEV_CMD_RES_CTX_GET,
	  RDMA_NLDEV_ATTR_RES_CTX, RDMA_NLDEV_ATTR_RES_CTXN, true },
	{ "srq", RDMA_RESTRACK_SRQ, RDMA_NLDEV_CMD_RES_SRQ_GET,
	  RDMA_NLDEV_ATTR_RES_SRQ, RDMA_NLDEV_ATTR_RES_SRQN, true },
	{ "counter", RDMA_RESTRACK_COUNTER, RDMA_NLDEV_CMD_STAT_GET,
	  RDMA_NLDEV_ATTR_STAT_COUNTER, RDMA_NLDEV_ATTR_STAT_COUNTER_ID },
};

static void type_describe(const struct type *type, char *desc)
{
	strscpy(desc, type->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(type, types, type_describe);

/* The only object of its type. The caller keeps it. */
static struct rdma_restrack_entry *only(struct kunit *test, struct verbs_device *dev,
					enum rdma_restrack_type type)
{
	struct rdma_restrack_entry *res;
	u64 cursor = 0;

	res = rdma_restrack_next(&dev->ib.res, type, &cursor, true);
	KUNIT_ASSERT_NOT_NULL(test, res);
	rdma_restrack_put(res);
	return res;
}

/* Attributes of a request; 0 leaves them out. FOR_QPS is for counters, the rest ignores it. */
static int look_up(struct kunit *test, struct verbs_device *dev, const struct type *type,
		   u32 device, u32 port, u32 number)
{
	struct given attr[4] = { FOR_QPS };
	int nr = 1;

	if (device)
		attr[nr++] = (struct given) { RDMA_NLDEV_ATTR_DEV_INDEX, device - 1 };
	if (port)
		attr[nr++] = (struct given) ON_PORT(port);
	if (number)
		attr[nr++] = (struct given) { type->number, number - 1 };
	return ask(test, dev, type->op, 0, attr, nr, NULL);
}

static void lookup_says_why_it_finds_nothing(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct verbs_device *dev = make_objects(test)->dev;
	struct rdma_restrack_entry *res = only(test, dev, type->type);
	u32 device = dev->ib.index + 1, number = res->id + 1;
	u32 port = type->of_device ? 0 : PORT;

	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, number), 0);
	/* no such object */
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, number + 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, U32_MAX), -ENOENT);
	/* no device, or none with this number */
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, 0, port, number), -EINVAL);
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, U32_MAX, port, number), -EINVAL);
	/* no number, which for counters is another request */
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, 0), -EINVAL);
	/* a port where there is none, none where there is one, and one too high */
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, PORT - port, number), -EINVAL);
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, PORT + 1, number), -EINVAL);
	KUNIT_EXPECT_EQ(test, kref_read(&res->kref), 1);
}

/* Nor while a deletion waits for the driver; it is found again if that refuses. */
static void object_that_is_being_deleted_is_not_found(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct verbs_device *dev = make_objects(test)->dev;
	struct rdma_restrack_entry *res = only(test, dev, type->type);
	u32 device = dev->ib.index + 1, number = res->id + 1;
	u32 port = type->of_device ? 0 : PORT;

	rdma_restrack_begin_del(res);
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, number), -ENOENT);
	rdma_restrack_abort_del(res);
	KUNIT_EXPECT_EQ(test, look_up(test, dev, type, device, port, number), 0);
}

static int list(struct kunit *test, struct verbs_device *dev, const struct type *type,
		const struct given *attr, int nr)
{
	struct listing *listing = begin_listing(test, dev, type->op, type->table, type->number,
						attr, nr, 0);

	finish_listing(test, listing);
	return listing->error ?: listing->nr;
}

static void list_says_why_it_is_refused(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct verbs_device *dev = make_objects(test)->dev;
	const struct given good[] = { FOR_QPS, DEV(dev), ON_PORT(PORT) };
	const struct given no_device[] = { FOR_QPS, { RDMA_NLDEV_ATTR_DEV_INDEX, U32_MAX } };
	const struct given no_port[] = { FOR_QPS, DEV(dev), ON_PORT(PORT + 1) };

	KUNIT_EXPECT_EQ(test, list(test, dev, type, good, 3), 1);
	KUNIT_EXPECT_EQ(test, list(test, dev, type, good, 2), 1);
	KUNIT_EXPECT_EQ(test, list(test, dev, type, good, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, list(test, dev, type, no_device, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, list(test, dev, type, no_port, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, kref_read(&only(test, dev, type->type)->kref), 1);
}

static void unknown_request_is_refused(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	const struct given attr[] = { DEV(dev) };

	KUNIT_EXPECT_EQ(test, ask(test, dev, RDMA_NLDEV_NUM_OPS, 0, attr, 1, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, ask(test, dev, RDMA_NLDEV_NUM_OPS, NLM_F_DUMP, attr, 1, NULL),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, ask(test, dev, RDMA_NLDEV_CMD_UNSPEC, 0, attr, 1, NULL), -EINVAL);
}

static struct kunit_case lookups_cases[] = {
	KUNIT_CASE_PARAM(lookup_says_why_it_finds_nothing, type_gen_params),
	KUNIT_CASE_PARAM(object_that_is_being_deleted_is_not_found, type_gen_params),
	KUNIT_CASE_PARAM(list_says_why_it_is_refused, type_gen_params),
	KUNIT_CASE(unknown_request_is_refused),
	{}
};

static struct kunit_suite lookups_suite = {
	.name = "restrack_c_lookups",
	.test_cases = lookups_cases,
};
kunit_test_suite(lookups_suite);
