// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of QPs, and the netlink requests that bind QPs to them.
 */

#include <linux/cred.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_counter.h>
#include "counted_qp.h"
#include "faults.h"
#include "netlink.h"
#include "registered_device.h"

static void expect_counter_unreferenced(struct kunit *test, struct counted_qp *c)
{
	KUNIT_ASSERT_NOT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, kref_read(&c->qp->counter->res.kref), 1);
}

/* Automatic mode by process: each process has a counter of its own. */
static void processes_do_not_share_a_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct counted_qp *a1 = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *a2 = new_qp(test, dev, a, IB_QPT_UD, false);
	struct counted_qp *b1 = new_qp(test, dev, b, IB_QPT_RC, false);

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	init_qp(test, a1, a);
	init_qp(test, a2, a);
	init_qp(test, b1, b);
	KUNIT_EXPECT_NOT_NULL(test, a1->qp->counter);
	KUNIT_EXPECT_PTR_EQ(test, a1->qp->counter, a2->qp->counter);
	KUNIT_EXPECT_NOT_NULL(test, b1->qp->counter);
	KUNIT_EXPECT_PTR_NE(test, a1->qp->counter, b1->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 2);
	expect_counter_unreferenced(test, a1);
	expect_counter_unreferenced(test, b1);
	/* two QPs and the counter, which also belongs to the process */
	MOCK_EXPECT_HELD(test, a, 3);
	MOCK_EXPECT_HELD(test, b, 2);
	kunit_release_action(test, destroy_qp, a1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 2);
	kunit_release_action(test, destroy_qp, a2);
	kunit_release_action(test, destroy_qp, b1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	MOCK_EXPECT_HELD(test, a, 0);
	MOCK_EXPECT_HELD(test, b, 0);
}

/* A QP of a thread belongs to the process. With the C tracker each thread has a counter. */
static void threads_of_a_process_share_a_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct task_struct *leader = b->task->group_leader;
	struct counted_qp *a1, *b1, *b2;

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	a1 = new_qp(test, dev, a, IB_QPT_RC, false);
	/* as if it were a thread of the other process; nobody else looks at these tasks */
	b->task->group_leader = a->task;
	b1 = new_qp(test, dev, b, IB_QPT_RC, false);
	init_qp(test, b1, b);
	b->task->group_leader = leader;
	b2 = new_qp(test, dev, b, IB_QPT_RC, false);
	init_qp(test, a1, a);
	init_qp(test, b2, b);
	KUNIT_EXPECT_PTR_EQ(test, b1->qp->res.task, a->task);
	KUNIT_EXPECT_NOT_NULL(test, a1->qp->counter);
	KUNIT_EXPECT_PTR_EQ(test, a1->qp->counter, b1->qp->counter);
	KUNIT_EXPECT_PTR_NE(test, a1->qp->counter, b2->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 2);
}

/* The pid of a process that has ended is used again: that is another process. */
static void process_with_a_reused_pid_gets_its_own_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct counted_qp *a1 = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *a2 = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *b1 = new_qp(test, dev, b, IB_QPT_RC, false);

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	mock_end(test, a);
	mock_end(test, b);
	/* as if the pid had been reused; nobody else looks at these tasks */
	b->task->pid = a->task->pid;
	b->task->tgid = a->task->tgid;
	/* another process uses the files now */
	init_qp(test, a1, NULL);
	init_qp(test, b1, NULL);
	init_qp(test, a2, NULL);
	KUNIT_EXPECT_NOT_NULL(test, a1->qp->counter);
	KUNIT_EXPECT_PTR_EQ(test, a1->qp->counter, a2->qp->counter);
	KUNIT_EXPECT_NOT_NULL(test, b1->qp->counter);
	KUNIT_EXPECT_PTR_NE(test, a1->qp->counter, b1->qp->counter);
}

/* Automatic mode by type: QPs of one type share a counter. */
static void qp_types_do_not_share_a_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct counted_qp *a1 = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *a2 = new_qp(test, dev, a, IB_QPT_UD, false);
	struct counted_qp *b1 = new_qp(test, dev, b, IB_QPT_RC, false);

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_QP_TYPE), 0);
	init_qp(test, a1, a);
	init_qp(test, a2, a);
	init_qp(test, b1, b);
	KUNIT_EXPECT_NOT_NULL(test, a1->qp->counter);
	KUNIT_EXPECT_PTR_EQ(test, a1->qp->counter, b1->qp->counter);
	KUNIT_EXPECT_NOT_NULL(test, a2->qp->counter);
	KUNIT_EXPECT_PTR_NE(test, a1->qp->counter, a2->qp->counter);
}

static void kernel_and_process_do_not_share_a_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *user = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *kernel = new_qp(test, dev, NULL, IB_QPT_RC, false);
	u32 of_user = 0, of_kernel = 0;

	init_qp(test, user, a);
	init_qp(test, kernel, NULL);
	KUNIT_ASSERT_EQ(test, bind_new(test, dev, user->number, &of_user), 0);
	KUNIT_EXPECT_EQ(test, bind_to(test, dev, kernel->number, of_user), -EINVAL);
	KUNIT_EXPECT_NULL(test, kernel->qp->counter);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, kernel->number, &of_kernel), 0);
	KUNIT_EXPECT_NE(test, of_user, of_kernel);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, user->number, of_user), 0);
	KUNIT_EXPECT_EQ(test, bind_to(test, dev, user->number, of_kernel), -EINVAL);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 1);
	expect_unreferenced(test, user);
	expect_unreferenced(test, kernel);
}

/* The QPs that are bound to a counter, as it lists them. */
static int bound_qps(struct kunit *test, struct verbs_device *dev, u32 counter, u32 *qpn,
		     int room)
{
	struct nest *nest = ASK_NEST(test, dev, STAT_GET, RDMA_NLDEV_ATTR_RES_QP, ON_PORT(PORT),
				     FOR_QPS, COUNTER(counter));
	struct nlattr *entry, *found;
	int rest, nr = 0;

	for_each_in(entry, nest, rest) {
		found = nla_find_nested(entry, RDMA_NLDEV_ATTR_RES_LQPN);
		if (found && nr < room)
			qpn[nr] = nla_get_u32(found);
		nr++;
	}
	return nr;
}

/* The value of a counter of the port: its own and those of its QPs. */
static u64 counted(struct kunit *test, struct verbs_device *dev, int index)
{
	struct nest *nest = ASK_NEST(test, dev, STAT_GET, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS,
				     ON_PORT(PORT));
	struct nlattr *entry, *found;
	int rest;

	for_each_in(entry, nest, rest) {
		found = nla_find_nested(entry, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE);
		if (found && !index--)
			return nla_get_u64(found);
	}
	return U64_MAX;
}

static void port_adds_up_its_counters(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct counted_qp *a1 = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *b1 = new_qp(test, dev, b, IB_QPT_RC, false);

	KUNIT_EXPECT_EQ(test, counted(test, dev, 0), 0);
	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	init_qp(test, a1, a);
	KUNIT_EXPECT_EQ(test, counted(test, dev, 0), 100);
	init_qp(test, b1, b);
	KUNIT_EXPECT_EQ(test, counted(test, dev, 0), 300);
	KUNIT_EXPECT_EQ(test, counted(test, dev, 1), 302);
	expect_counter_unreferenced(test, a1);
	expect_counter_unreferenced(test, b1);
	/* the value of a destroyed counter still counts */
	kunit_release_action(test, destroy_qp, a1);
	KUNIT_EXPECT_EQ(test, counted(test, dev, 0), 300);
}

static void counter_lists_its_qps(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test), *b = mock_owner(test);
	struct counted_qp *others = new_qp(test, dev, b, IB_QPT_RC, false);
	struct counted_qp *unbound = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *c[20];
	u32 qpn[ARRAY_SIZE(c)] = {};
	int i;

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	init_qp(test, others, b);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = new_qp(test, dev, a, IB_QPT_RC, false);
		init_qp(test, c[i], a);
	}
	KUNIT_ASSERT_NOT_NULL(test, c[0]->qp->counter);
	KUNIT_EXPECT_EQ(test, bound_qps(test, dev, c[0]->qp->counter->id, qpn, ARRAY_SIZE(qpn)),
			ARRAY_SIZE(c));
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		KUNIT_EXPECT_EQ(test, qpn[i], c[i]->number);
		expect_unreferenced(test, c[i]);
	}
	expect_unreferenced(test, others);
	expect_unreferenced(test, unbound);
	expect_counter_unreferenced(test, c[0]);
}

/* A valid request. Each attribute is left out in turn, and each is out of range. */
struct request {
	const char *name;
	int op;
	/* the QP is bound to a counter before */
	bool bound;
	int nr;
	/*
	 * Attributes that may be missing, that may have any value, and that name something
	 * that may not be there (-ENOENT), one bit each. The rest is -EINVAL.
	 */
	u32 optional, any, names;
	struct given attr[6];
};

/* stand for numbers that are known only when the test runs */
#define OF_DEVICE	0xd0000000
#define OF_QP		0xd0000001
#define OF_COUNTER	0xd0000002

static const struct request requests[] = {
	{
		"bind to a new counter", RDMA_NLDEV_CMD_STAT_SET, false, 5, 0, BIT(3), BIT(4), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL, QP(OF_QP),
		}
	}, {
		"bind", RDMA_NLDEV_CMD_STAT_SET, false, 6, BIT(5), BIT(3), BIT(4) | BIT(5), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL, QP(OF_QP), COUNTER(OF_COUNTER),
		}
	}, {
		"automatic mode", RDMA_NLDEV_CMD_STAT_SET, false, 5, BIT(4), 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			{ RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_AUTO },
			{ RDMA_NLDEV_ATTR_STAT_AUTO_MODE_MASK, RDMA_COUNTER_MASK_PID },
		}
	}, {
		"optional counters", RDMA_NLDEV_CMD_STAT_SET, false, 3, 0, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
			{ RDMA_NLDEV_ATTR_STAT_HWCOUNTERS, 2 },
		}
	}, {
		"unbind", RDMA_NLDEV_CMD_STAT_DEL, true, 5, 0, 0, BIT(3), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			QP(OF_QP), COUNTER(OF_COUNTER),
		}
	}, {
		"mode", RDMA_NLDEV_CMD_STAT_GET, false, 4, BIT(2), BIT(3), 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL,
		}
	}, {
		"one counter", RDMA_NLDEV_CMD_STAT_GET, true, 4, BIT(2), 0, BIT(3), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			COUNTER(OF_COUNTER),
		}
	}, {
		"counters of the port", RDMA_NLDEV_CMD_STAT_GET, false, 2, 0, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
		}
	}, {
		"which counters there are", RDMA_NLDEV_CMD_STAT_GET_STATUS, false, 2, 0, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
		}
	},
};

static void request_describe(const struct request *request, char *desc)
{
	strscpy(desc, request->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(request, requests, request_describe);

static void request_with_a_bad_attribute_is_refused(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *qp = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *other = new_qp(test, dev, a, IB_QPT_RC, false);
	struct given good[6], bad[6];
	u32 counter = 0;
	int i, nr = request->nr;

	init_qp(test, qp, a);
	init_qp(test, other, a);
	memcpy(good, request->attr, sizeof(good));
	for (i = 0; i < nr; i++)
		if (good[i].value == OF_COUNTER) {
			/* bound to this QP, or to the other one */
			KUNIT_ASSERT_EQ(test, bind_new(test, dev, request->bound ? qp->number :
						       other->number, &counter), 0);
			good[i].value = counter;
		} else if (good[i].value == OF_DEVICE) {
			good[i].value = dev->ib.index;
		} else if (good[i].value == OF_QP) {
			good[i].value = qp->number;
		}

	for (i = 0; i < nr; i++) {
		memcpy(bad, good, sizeof(bad));
		memmove(&bad[i], &bad[i + 1], (nr - i - 1) * sizeof(*bad));
		if (!(request->optional & BIT(i)))
			KUNIT_EXPECT_EQ_MSG(test, ask(test, dev, request->op, 0, bad, nr - 1, NULL),
					    -EINVAL, "without attribute %d", i);
		memcpy(bad, good, sizeof(bad));
		bad[i].value = U32_MAX;
		if (!(request->any & BIT(i)))
			KUNIT_EXPECT_EQ_MSG(test, ask(test, dev, request->op, 0, bad, nr, NULL),
					    request->names & BIT(i) ? -ENOENT : -EINVAL,
					    "attribute %d too large", i);
		/* the same request as a dump: it must not crash */
		ask(test, dev, request->op, NLM_F_DUMP, bad, nr, NULL);
	}
	KUNIT_EXPECT_EQ(test, ask(test, dev, request->op, 0, NULL, 0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, ask(test, dev, request->op, 0, good, nr, NULL), 0);
	expect_unreferenced(test, qp);
	expect_unreferenced(test, other);
}

/* Untracked QPs, and raw packet QPs for a requester without CAP_NET_RAW. */
static void invisible_qp_is_not_found(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *raw = new_qp(test, dev, a, IB_QPT_RAW_PACKET, false);
	struct counted_qp *hidden = new_qp(test, dev, a, IB_QPT_RC, true);
	struct cred *weak = prepare_creds();
	const struct cred *usual;
	u32 counter = 0;

	KUNIT_ASSERT_NOT_NULL(test, weak);
	init_qp(test, raw, a);
	init_qp(test, hidden, a);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, hidden->number, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, hidden->number, 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, raw->number, &counter), 0);

	cap_lower(weak->cap_effective, CAP_NET_RAW);
	usual = override_creds(weak);
	KUNIT_EXPECT_EQ(test, bind_to(test, dev, raw->number, counter), -ENOENT);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, raw->number, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, raw->number, counter), -ENOENT);
	put_cred(revert_creds(usual));

	KUNIT_EXPECT_NOT_NULL(test, raw->qp->counter);
	expect_unreferenced(test, raw);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, raw->number, counter), 0);
	KUNIT_EXPECT_NULL(test, raw->qp->counter);
}

/* Lookups that fail after they have found the QP, or do not find it. */
static void failed_lookup_keeps_no_reference(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	int i;

	init_qp(test, c, a);
	for (i = 0; i < 100; i++) {
		/* no such QP, no such port, not the port of the QP */
		KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_QP_GET, NULL, ON_PORT(PORT),
					  QP(c->number + 1)), -ENOENT);
		KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_QP_GET, NULL, ON_PORT(2),
					  QP(c->number)), -EINVAL);
		c->qp->port = 2;
		KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_QP_GET, NULL, ON_PORT(PORT),
					  QP(c->number)), -EAGAIN);
		c->qp->port = PORT;
	}
	KUNIT_EXPECT_EQ(test, ASK(test, dev, RES_QP_GET, NULL, ON_PORT(PORT), QP(c->number)),
			0);
	expect_unreferenced(test, c);
	kunit_release_action(test, destroy_qp, c);
	KUNIT_EXPECT_EQ(test, c->ret, 0);
}

/* Each allocation of a lookup fails in turn, then each one of a bind. */
static void lookup_without_memory_keeps_no_reference(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	const struct given lookup[] = { DEV(dev), ON_PORT(PORT), QP(c->number) };
	const struct given bind[] = { DEV(dev), ON_PORT(PORT), FOR_QPS, MANUAL, QP(c->number) };
	struct inquiry inquiry = {
		.dev = dev,
		.op = RDMA_NLDEV_CMD_RES_QP_GET,
		.attr = lookup,
		.nr = ARRAY_SIZE(lookup),
		.hit = true,
	};
	int ret = 0;

	faults_needed(test);
	init_qp(test, c, a);
	for (inquiry.nth = 1; inquiry.hit && inquiry.nth < MANY_FAULTS; inquiry.nth++) {
		ret = inquire(test, &inquiry);
		expect_unreferenced(test, c);
	}
	KUNIT_EXPECT_GT(test, inquiry.nth, 3);
	KUNIT_EXPECT_EQ(test, ret, 0);

	inquiry.op = RDMA_NLDEV_CMD_STAT_SET;
	inquiry.attr = bind;
	inquiry.nr = ARRAY_SIZE(bind);
	inquiry.hit = true;
	for (inquiry.nth = 1; inquiry.hit && inquiry.nth < MANY_FAULTS; inquiry.nth++) {
		ret = inquire(test, &inquiry);
		expect_unreferenced(test, c);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), !!c->qp->counter);
		if (c->qp->counter)
			KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, c->qp->counter->id), 0);
		MOCK_EXPECT_HELD(test, a, 1);
	}
	KUNIT_EXPECT_GT(test, inquiry.nth, 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
}

/* Once a counter that could not be unbound was bound again. */
static void failed_unbind_keeps_the_binding(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	struct rdma_counter *counter;
	u32 id = 0;
	int i, binds;

	init_qp(test, c, a);
	KUNIT_ASSERT_EQ(test, bind_new(test, dev, c->number, &id), 0);
	counter = c->qp->counter;
	KUNIT_ASSERT_NOT_NULL(test, counter);
	binds = dev->binds;
	dev->unbind_error = -EIO;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), -EIO);
		KUNIT_EXPECT_PTR_EQ(test, c->qp->counter, counter);
		KUNIT_EXPECT_EQ(test, kref_read(&counter->kref), 1);
		KUNIT_EXPECT_EQ(test, dev->binds, binds);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 1);
	}
	/* the QP is not bound to a second counter: not to a new one, nor to its own again */
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, c->number, NULL), -ENOMEM);
	KUNIT_EXPECT_EQ(test, bind_to(test, dev, c->number, id), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, c->qp->counter, counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 1);
	dev->unbind_error = 0;
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), 0);
	KUNIT_EXPECT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	expect_unreferenced(test, c);
}

static void failed_bind_leaves_no_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);

	init_qp(test, c, a);
	dev->bind_error = -EIO;
	/* whatever the driver says */
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, c->number, NULL), -ENOMEM);
	KUNIT_EXPECT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	expect_unreferenced(test, c);
	MOCK_EXPECT_HELD(test, a, 1);
}

/* Automatic mode is not changed, and nothing bound by hand, while counters are in use. */
static void mode_is_kept_while_counters_are_in_use(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	u32 id = 0;

	init_qp(test, c, a);
	KUNIT_ASSERT_EQ(test, bind_new(test, dev, c->number, &id), 0);
	KUNIT_EXPECT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), -EBUSY);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), 0);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), 0);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, c->number, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, bind_to(test, dev, c->number, id), -EINVAL);
	init_qp(test, c, a);
	KUNIT_ASSERT_NOT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, c->qp->counter->id), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, c->qp->counter);
	expect_unreferenced(test, c);
	expect_counter_unreferenced(test, c);
}

/* Only the administrator changes counters. */
static void counters_need_cap_net_admin(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	struct cred *weak = prepare_creds();
	const struct cred *usual;

	KUNIT_ASSERT_NOT_NULL(test, weak);
	init_qp(test, c, a);
	cap_lower(weak->cap_effective, CAP_NET_ADMIN);
	usual = override_creds(weak);
	KUNIT_EXPECT_EQ(test, set_automatic(test, dev, RDMA_COUNTER_MASK_PID), -EPERM);
	KUNIT_EXPECT_EQ(test, bind_new(test, dev, c->number, NULL), -EPERM);
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, 1), -EPERM);
	KUNIT_EXPECT_EQ(test, ASK(test, dev, STAT_GET, NULL, ON_PORT(PORT)), 0);
	put_cred(revert_creds(usual));
	KUNIT_EXPECT_EQ(test, dev->binds, 0);
}

/* The driver cannot keep a counter. */
static void counter_goes_though_the_driver_refuses(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	u32 id = 0;

	init_qp(test, c, a);
	KUNIT_ASSERT_EQ(test, bind_new(test, dev, c->number, &id), 0);
	MOCK_EXPECT_HELD(test, a, 2);
	dev->destroy_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), 0);
	dev->destroy_error = 0;
	KUNIT_EXPECT_EQ(test, dev->seen, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	MOCK_EXPECT_HELD(test, a, 1);
}

static struct listing *list_counters(struct kunit *test, struct verbs_device *dev)
{
	struct listing *listing = LIST(test, dev, STAT_GET, STAT_COUNTER, STAT_COUNTER_ID, 0,
				       FOR_QPS);

	return listing;
}

static void sum_qps(void *data, struct nlattr *counter)
{
	struct nlattr *qps = nla_find_nested(counter, RDMA_NLDEV_ATTR_RES_QP), *qp, *found;
	int rest;

	if (!qps)
		return;
	nla_for_each_nested(qp, qps, rest) {
		found = nla_find_nested(qp, RDMA_NLDEV_ATTR_RES_LQPN);
		if (found)
			*(u32 *)data += nla_get_u32(found);
	}
}

/* As many as fill several messages: each once, in ascending order, with its QPs. */
static void list_of_counters_is_a_snapshot(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c[60], *late;
	struct listing *listing;
	u32 qps = 0, sum = 0;
	int i;

	listing = list_counters(test, dev);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_EQ(test, listing->objects, 0);

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = new_qp(test, dev, a, IB_QPT_RC, false);
		init_qp(test, c[i], a);
		KUNIT_ASSERT_EQ(test, bind_new(test, dev, c[i]->number, NULL), 0);
		sum += c[i]->number;
	}
	late = new_qp(test, dev, a, IB_QPT_RC, false);
	init_qp(test, late, a);
	listing = list_counters(test, dev);
	listing->look = sum_qps;
	listing->data = &qps;
	/* one comes, and the last one goes */
	KUNIT_ASSERT_EQ(test, bind_new(test, dev, late->number, NULL), 0);
	i = ARRAY_SIZE(c) - 1;
	KUNIT_ASSERT_EQ(test, unbind(test, dev, c[i]->number, c[i]->qp->counter->id), 0);
	sum -= c[i]->number;
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, 0);
	KUNIT_EXPECT_FALSE(test, listing->interrupted);
	KUNIT_EXPECT_GT(test, listing->messages, 1);
	KUNIT_EXPECT_EQ(test, listing->nr, ARRAY_SIZE(c) - 1);
	for (i = 0; i < listing->nr && i < ARRAY_SIZE(c) - 1; i++) {
		KUNIT_EXPECT_EQ(test, listing->numbers[i], c[i]->qp->counter->id);
		expect_unreferenced(test, c[i]);
		expect_counter_unreferenced(test, c[i]);
	}
	KUNIT_EXPECT_EQ(test, qps, sum);

	listing = LIST(test, dev, STAT_GET, STAT_COUNTER, STAT_COUNTER_ID, 0);
	finish_listing(test, listing);
	KUNIT_EXPECT_EQ(test, listing->error, -EINVAL);
}

/* Nor does an untracked QP. */
static void kernel_qp_gets_no_counter(struct kunit *test)
{
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *user = new_qp(test, dev, a, IB_QPT_RC, false);
	struct counted_qp *kernel = new_qp(test, dev, NULL, IB_QPT_RC, false);
	struct counted_qp *hidden = new_qp(test, dev, a, IB_QPT_RC, true);
	u32 mask = RDMA_COUNTER_MASK_QP_TYPE | RDMA_COUNTER_MASK_PID;

	KUNIT_ASSERT_EQ(test, set_automatic(test, dev, mask), 0);
	init_qp(test, kernel, NULL);
	init_qp(test, hidden, a);
	KUNIT_EXPECT_NULL(test, kernel->qp->counter);
	KUNIT_EXPECT_NULL(test, hidden->qp->counter);
	KUNIT_EXPECT_EQ(test, dev->binds, 0);
	init_qp(test, user, a);
	KUNIT_EXPECT_NOT_NULL(test, user->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 1);
}

static struct kunit_case counters_cases[] = {
	KUNIT_CASE(processes_do_not_share_a_counter),
	KUNIT_CASE(threads_of_a_process_share_a_counter),
	KUNIT_CASE(process_with_a_reused_pid_gets_its_own_counter),
	KUNIT_CASE(qp_types_do_not_share_a_counter),
	KUNIT_CASE(kernel_and_process_do_not_share_a_counter),
	KUNIT_CASE(port_adds_up_its_counters),
	KUNIT_CASE(counter_lists_its_qps),
	KUNIT_CASE_PARAM(request_with_a_bad_attribute_is_refused, request_gen_params),
	KUNIT_CASE(invisible_qp_is_not_found),
	KUNIT_CASE(failed_lookup_keeps_no_reference),
	KUNIT_CASE(lookup_without_memory_keeps_no_reference),
	KUNIT_CASE(failed_unbind_keeps_the_binding),
	KUNIT_CASE(failed_bind_leaves_no_counter),
	KUNIT_CASE(mode_is_kept_while_counters_are_in_use),
	KUNIT_CASE(counters_need_cap_net_admin),
	KUNIT_CASE(counter_goes_though_the_driver_refuses),
	KUNIT_CASE(list_of_counters_is_a_snapshot),
	KUNIT_CASE(kernel_qp_gets_no_counter),
	{}
};

static struct kunit_suite counters_suite = {
	.name = "restrack_c_counters",
	.test_cases = counters_cases,
};
kunit_test_suite(counters_suite);
