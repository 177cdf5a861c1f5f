// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver adds to netlink messages about its objects, with the functions that
 * the header declares for it: in the list of all objects, and in the answer about
 * one. Raw dumps, which only the driver fills.
 */

#include <linux/cred.h>
#include <linux/sched.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include "netlink.h"
#include "objects.h"
#include "registered_device.h"

#define LARGE	0x123456789abcULL

/* The driver. */
static struct {
	/* what its functions return */
	int error;
	/* how often they were called, and how often where memory may wait for a disk */
	int calls;
	int may_wait;
} driver;

static int note_call(void)
{
	/* no lock is held */
	might_sleep();
	driver.calls++;
	driver.may_wait += !(current->flags & PF_MEMALLOC_NOIO);
	return driver.error;
}

static int fill(struct sk_buff *msg)
{
	struct nlattr *table;

	if (note_call())
		return driver.error;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_put_driver_u32(msg, "a", 10) ||
	    rdma_nl_put_driver_u32_hex(msg, "b", 11) ||
	    rdma_nl_put_driver_u64(msg, "c", LARGE) ||
	    rdma_nl_put_driver_u64_hex(msg, "d", LARGE) ||
	    rdma_nl_put_driver_string(msg, "e", "text")) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}

static const char filled[] = "a=10 b=0xb c=20015998343868l d=0x123456789abcl e='text' ";

static int fill_raw(struct sk_buff *msg)
{
	return note_call() ?: nla_put(msg, RDMA_NLDEV_ATTR_RES_RAW, 4, "raw");
}

static int fill_stat(struct sk_buff *msg)
{
	struct nlattr *table;

	if (note_call())
		return driver.error;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_stat_hwcounter_entry(msg, "faults", LARGE)) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}

static int fill_qp(struct sk_buff *msg, struct ib_qp *qp) { return fill(msg); }
static int fill_cq(struct sk_buff *msg, struct ib_cq *cq) { return fill(msg); }
static int fill_mr(struct sk_buff *msg, struct ib_mr *mr) { return fill(msg); }
static int fill_srq(struct sk_buff *msg, struct ib_srq *srq) { return fill(msg); }
static int fill_raw_qp(struct sk_buff *msg, struct ib_qp *qp) { return fill_raw(msg); }
static int fill_raw_cq(struct sk_buff *msg, struct ib_cq *cq) { return fill_raw(msg); }
static int fill_raw_mr(struct sk_buff *msg, struct ib_mr *mr) { return fill_raw(msg); }
static int fill_raw_srq(struct sk_buff *msg, struct ib_srq *srq) { return fill_raw(msg); }
static int fill_stat_mr(struct sk_buff *msg, struct ib_mr *mr) { return fill_stat(msg); }

static const struct ib_device_ops details_ops = {
	.fill_res_qp_entry = fill_qp,
	.fill_res_cq_entry = fill_cq,
	.fill_res_mr_entry = fill_mr,
	.fill_res_srq_entry = fill_srq,
	.fill_res_qp_entry_raw = fill_raw_qp,
	.fill_res_cq_entry_raw = fill_raw_cq,
	.fill_res_mr_entry_raw = fill_raw_mr,
	.fill_res_srq_entry_raw = fill_raw_srq,
	.fill_stat_mr_entry = fill_stat_mr,
};

static struct objects *make_objects(struct kunit *test)
{
	memset(&driver, 0, sizeof(driver));
	return new_objects(test);
}

/* The requests for a type of object, and where its number is. */
static const struct type {
	const char *name;
	int get, get_raw;
	u16 table, number;
	bool has_port;
} types[] = {
	{ "qp", RDMA_NLDEV_CMD_RES_QP_GET, RDMA_NLDEV_CMD_RES_QP_GET_RAW,
	  RDMA_NLDEV_ATTR_RES_QP, RDMA_NLDEV_ATTR_RES_LQPN, true },
	{ "cq", RDMA_NLDEV_CMD_RES_CQ_GET, RDMA_NLDEV_CMD_RES_CQ_GET_RAW,
	  RDMA_NLDEV_ATTR_RES_CQ, RDMA_NLDEV_ATTR_RES_CQN },
	{ "mr", RDMA_NLDEV_CMD_RES_MR_GET, RDMA_NLDEV_CMD_RES_MR_GET_RAW,
	  RDMA_NLDEV_ATTR_RES_MR, RDMA_NLDEV_ATTR_RES_MRN },
	{ "srq", RDMA_NLDEV_CMD_RES_SRQ_GET, RDMA_NLDEV_CMD_RES_SRQ_GET_RAW,
	  RDMA_NLDEV_ATTR_RES_SRQ, RDMA_NLDEV_ATTR_RES_SRQN },
};

static void type_describe(const struct type *type, char *desc)
{
	strscpy(desc, type->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(type, types, type_describe);

static struct rdma_restrack_entry *entry_of(struct objects *objects, const struct type *type)
{
	switch (type->table) {
	case RDMA_NLDEV_ATTR_RES_QP:
		return &objects->c->qp->res;
	case RDMA_NLDEV_ATTR_RES_CQ:
		return &objects->c->cq->res;
	case RDMA_NLDEV_ATTR_RES_MR:
		return &objects->mr->res;
	default:
		return &objects->srq->res;
	}
}

/* Asks for the one object of a type. Its wanted attribute goes to @into. */
static int ask_one(struct kunit *test, struct objects *objects, const struct type *type, int op,
		   u16 wanted, struct nest *into)
{
	const struct given attr[] = {
		DEV(objects->dev), { type->number, entry_of(objects, type)->id }, ON_PORT(PORT),
	};
	struct inquiry inquiry = {
		.dev = objects->dev,
		.op = op,
		.attr = attr,
		.nr = ARRAY_SIZE(attr) - !type->has_port,
		.wanted = wanted,
		.into = into,
		.room = sizeof(*into),
	};

	return inquire(test, &inquiry);
}

/* Lists all objects of a type, and shows each to @look. */
static struct listing *list_all(struct kunit *test, struct objects *objects,
				const struct type *type, int op,
				void (*look)(void *data, struct nlattr *object), void *data)
{
	const struct given attr[] = { DEV(objects->dev) };
	struct listing *listing = begin_listing(test, objects->dev, op, type->table, type->number,
						attr, ARRAY_SIZE(attr), 0);

	listing->look = look;
	listing->data = data;
	finish_listing(test, listing);
	return listing;
}

/* What a driver has put, as a text. */
struct text {
	char chars[256];
	int len;
	bool named, hex;
};

static void add_detail(struct text *text, struct nlattr *detail)
{
	char *at = text->chars + text->len;
	int room = sizeof(text->chars) - text->len;

	switch (nla_type(detail)) {
	case RDMA_NLDEV_ATTR_DRIVER_STRING:
		text->len += scnprintf(at, room, text->named ? "'%s' " : "%s=",
				       (char *)nla_data(detail));
		text->named = !text->named;
		break;
	case RDMA_NLDEV_ATTR_DRIVER_PRINT_TYPE:
		text->hex = nla_get_u8(detail) == RDMA_NLDEV_PRINT_TYPE_HEX;
		break;
	case RDMA_NLDEV_ATTR_DRIVER_U32:
		text->len += scnprintf(at, room, text->hex ? "0x%x " : "%u ",
				       nla_get_u32(detail));
		text->named = text->hex = false;
		break;
	case RDMA_NLDEV_ATTR_DRIVER_U64:
		text->len += scnprintf(at, room, text->hex ? "0x%llxl " : "%llul ",
				       nla_get_u64(detail));
		text->named = text->hex = false;
		break;
	}
}

static void look_at_details(void *data, struct nlattr *object)
{
	struct nlattr *table = nla_find_nested(object, RDMA_NLDEV_ATTR_DRIVER), *detail;
	int rest;

	if (table)
		nla_for_each_nested(detail, table, rest)
			add_detail(data, detail);
}

static struct text *new_text(struct kunit *test)
{
	struct text *text = kunit_kzalloc(test, sizeof(*text), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	return text;
}

static void details_of_the_driver_are_shown(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct objects *objects = make_objects(test);
	struct nest *nest = kunit_kzalloc(test, sizeof(*nest), GFP_KERNEL);
	struct text *one = new_text(test), *all = new_text(test), *none = new_text(test);
	struct nlattr *detail;
	int rest;

	KUNIT_ASSERT_NOT_NULL(test, nest);
	/* a driver need not have any */
	KUNIT_EXPECT_EQ(test, list_all(test, objects, type, type->get, look_at_details,
				       none)->error, 0);
	KUNIT_EXPECT_STREQ(test, none->chars, "");

	ib_set_device_ops(&objects->dev->ib, &details_ops);
	KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, type->get, RDMA_NLDEV_ATTR_DRIVER,
				      nest), 0);
	for_each_in(detail, nest, rest)
		add_detail(one, detail);
	KUNIT_EXPECT_STREQ(test, one->chars, filled);
	KUNIT_EXPECT_EQ(test, list_all(test, objects, type, type->get, look_at_details,
				       all)->objects, 1);
	KUNIT_EXPECT_STREQ(test, all->chars, filled);
	KUNIT_EXPECT_EQ(test, driver.calls, 2);
	/* a reference is held, and the disk may wait for who waits for that */
	KUNIT_EXPECT_EQ(test, driver.may_wait, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&entry_of(objects, type)->kref), 1);
}

static void error_of_the_driver_is_returned(struct kunit *test)
{
	static const int errors[] = { -EIO, -ENOENT, -EMSGSIZE };
	const struct type *type = test->param_value;
	struct objects *objects = make_objects(test);
	struct listing *listing;
	int i, op;

	ib_set_device_ops(&objects->dev->ib, &details_ops);
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		driver.error = errors[i];
		for (op = type->get; ; op = type->get_raw) {
			KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, op, 0, NULL),
					driver.error);
			listing = list_all(test, objects, type, op, NULL, NULL);
			KUNIT_EXPECT_EQ(test, listing->error, driver.error);
			KUNIT_EXPECT_EQ(test, listing->objects, 0);
			KUNIT_EXPECT_FALSE(test, listing->interrupted);
			if (op == type->get_raw)
				break;
		}
	}
	KUNIT_EXPECT_EQ(test, kref_read(&entry_of(objects, type)->kref), 1);
}

static void look_at_raw(void *data, struct nlattr *object)
{
	struct nlattr *raw = nla_find_nested(object, RDMA_NLDEV_ATTR_RES_RAW);

	if (raw)
		nla_memcpy(data, raw, 4);
}

static void raw_data_come_from_the_driver(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct objects *objects = make_objects(test);
	struct nest *nest = kunit_kzalloc(test, sizeof(*nest), GFP_KERNEL);
	struct listing *listing;
	char raw[4] = "";

	KUNIT_ASSERT_NOT_NULL(test, nest);
	/* the driver has none */
	KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, type->get_raw, 0, NULL), -EINVAL);
	listing = list_all(test, objects, type, type->get_raw, NULL, NULL);
	KUNIT_EXPECT_EQ(test, listing->error, -EINVAL);
	KUNIT_EXPECT_EQ(test, listing->objects, 0);

	ib_set_device_ops(&objects->dev->ib, &details_ops);
	KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, type->get_raw, RDMA_NLDEV_ATTR_RES_RAW,
				      nest), 0);
	KUNIT_EXPECT_STREQ(test, (char *)nest, "raw");
	listing = list_all(test, objects, type, type->get_raw, look_at_raw, raw);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->objects, 1);
	KUNIT_EXPECT_STREQ(test, raw, "raw");
	KUNIT_EXPECT_EQ(test, driver.calls, 2);
	KUNIT_EXPECT_EQ(test, driver.may_wait, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&entry_of(objects, type)->kref), 1);
}

/* Without an object of the type nobody asks the driver. */
static void raw_list_of_nothing_is_empty(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct objects objects = { .dev = registered_device(test) };
	struct listing *listing = list_all(test, &objects, type, type->get_raw, NULL, NULL);

	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->objects, 0);
}

static void raw_data_need_cap_net_admin(struct kunit *test)
{
	const struct type *type = test->param_value;
	struct objects *objects = make_objects(test);
	struct cred *weak = prepare_creds();
	const struct cred *usual;

	KUNIT_ASSERT_NOT_NULL(test, weak);
	ib_set_device_ops(&objects->dev->ib, &details_ops);
	cap_lower(weak->cap_effective, CAP_NET_ADMIN);
	usual = override_creds(weak);
	KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, type->get_raw, 0, NULL), -EPERM);
	KUNIT_EXPECT_EQ(test, list_all(test, objects, type, type->get_raw, NULL, NULL)->error,
			-EPERM);
	KUNIT_EXPECT_EQ(test, driver.calls, 0);
	KUNIT_EXPECT_EQ(test, ask_one(test, objects, type, type->get, 0, NULL), 0);
	put_cred(revert_creds(usual));
}

static void look_at_stat(void *data, struct nlattr *object)
{
	struct nlattr *table = nla_find_nested(object, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	struct nlattr *entry = table ? nla_find_nested(table, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY)
				     : NULL;
	struct nlattr *name, *value;

	if (!entry)
		return;
	name = nla_find_nested(entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME);
	value = nla_find_nested(entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE);
	if (name && value && !nla_strcmp(name, "faults"))
		*(u64 *)data = nla_get_u64(value);
}

static void counters_of_an_mr_come_from_the_driver(struct kunit *test)
{
	struct objects *objects = make_objects(test);
	struct verbs_device *dev = objects->dev;
	u32 number = objects->mr->res.id;
	struct listing *listing;
	u64 value = 0;

	/* a driver need not have any */
	KUNIT_EXPECT_EQ(test, ASK(test, dev, STAT_GET, NULL,
				  { RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_MR },
				  { RDMA_NLDEV_ATTR_RES_MRN, number }), 0);
	ib_set_device_ops(&dev->ib, &details_ops);
	KUNIT_EXPECT_EQ(test, ASK(test, dev, STAT_GET, NULL,
				  { RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_MR },
				  { RDMA_NLDEV_ATTR_RES_MRN, number + 1 }), -ENOENT);
	listing = LIST(test, dev, STAT_GET, RES_MR, RES_MRN, 0,
		       { RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_MR });
	listing->look = look_at_stat;
	listing->data = &value;
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->objects, 1);
	KUNIT_EXPECT_EQ(test, listing->numbers[0], number);
	KUNIT_EXPECT_EQ(test, value, LARGE);
	KUNIT_EXPECT_EQ(test, kref_read(&objects->mr->res.kref), 1);
}

static int put_u32(struct sk_buff *msg)
{
	return rdma_nl_put_driver_u32(msg, "name", 1);
}

static int put_u32_hex(struct sk_buff *msg)
{
	return rdma_nl_put_driver_u32_hex(msg, "name", 1);
}

static int put_u64(struct sk_buff *msg)
{
	return rdma_nl_put_driver_u64(msg, "name", 1);
}

static int put_u64_hex(struct sk_buff *msg)
{
	return rdma_nl_put_driver_u64_hex(msg, "name", 1);
}

static int put_string(struct sk_buff *msg)
{
	return rdma_nl_put_driver_string(msg, "name", "value");
}

static int put_hwcounter(struct sk_buff *msg)
{
	return rdma_nl_stat_hwcounter_entry(msg, "name", 1);
}

static const struct putter {
	const char *name;
	int (*put)(struct sk_buff *msg);
	/* what it needs in a message */
	int size;
} putters[] = {
	{ "u32", put_u32, 12 + 8 },
	{ "u32_hex", put_u32_hex, 12 + 8 + 8 },
	{ "u64", put_u64, 12 + 12 },
	{ "u64_hex", put_u64_hex, 12 + 8 + 12 },
	{ "string", put_string, 12 + 12 },
	{ "hwcounter", put_hwcounter, 4 + 12 + 12 },
};

static void putter_describe(const struct putter *putter, char *desc)
{
	strscpy(desc, putter->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(putter, putters, putter_describe);

/* With as much room as is needed, and with less, in steps of four. In any context. */
static void full_message_is_refused(struct kunit *test)
{
	const struct putter *putter = test->param_value;
	struct sk_buff *msg = nlmsg_new(1000, GFP_KERNEL);
	unsigned long flags;
	int room, ret;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	for (room = 0; room <= putter->size; room += 4) {
		nlmsg_trim(msg, msg->data);
		skb_put(msg, skb_tailroom(msg) - room);
		local_irq_save(flags);
		ret = putter->put(msg);
		local_irq_restore(flags);
		KUNIT_EXPECT_EQ_MSG(test, ret, room < putter->size ? -EMSGSIZE : 0, "%d", room);
	}
	nlmsg_free(msg);
}

/* Queue pairs of driver-specific types. */
static void driver_qp_is_listed_when_asked_for(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct counted_qp *usual = new_qp(test, dev, NULL, IB_QPT_RC, false);
	struct counted_qp *special = new_qp(test, dev, NULL, IB_QPT_DRIVER, false);
	struct listing *listing = BEGIN_LISTING(test, dev, QP, LQPN, 0);

	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->nr, 1);
	KUNIT_EXPECT_EQ(test, listing->numbers[0], usual->number);
	KUNIT_EXPECT_EQ(test, summary(test, dev, "qp", false), 1);

	listing = BEGIN_LISTING(test, dev, QP, LQPN, 0, WITH_DETAILS);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->nr, 2);
	KUNIT_EXPECT_EQ(test, listing->numbers[1], special->number);
	KUNIT_EXPECT_EQ(test, summary(test, dev, "qp", true), 2);
}

static struct kunit_case driver_details_cases[] = {
	KUNIT_CASE_PARAM(details_of_the_driver_are_shown, type_gen_params),
	KUNIT_CASE_PARAM(error_of_the_driver_is_returned, type_gen_params),
	KUNIT_CASE_PARAM(raw_data_come_from_the_driver, type_gen_params),
	KUNIT_CASE_PARAM(raw_list_of_nothing_is_empty, type_gen_params),
	KUNIT_CASE_PARAM(raw_data_need_cap_net_admin, type_gen_params),
	KUNIT_CASE(counters_of_an_mr_come_from_the_driver),
	KUNIT_CASE_PARAM(full_message_is_refused, putter_gen_params),
	KUNIT_CASE(driver_qp_is_listed_when_asked_for),
	{}
};

static struct kunit_suite driver_details_suite = {
	.name = "restrack_c_driver_details",
	.test_cases = driver_details_cases,
};
kunit_test_suite(driver_details_suite);
