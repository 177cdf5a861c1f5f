// SPDX-License-Identifier: GPL-2.0
/*
 * Counters that QPs are bound to, and the requests of netlink that do so. The
 * device is registered with ib_core, and has one port and three counters; the
 * requests go through a socket, as those of rdma(8) do.
 */

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_counter.h>
#include <rdma/rdma_netlink.h>
#include <rdma/uverbs_ioctl.h>
#include "core_priv.h"
#include "faults.h"
#include "mock_owner.h"
#include "verbs_device.h"

#define NAME	"mock_ulp"
#define PORT	1

/* The driver */

static const struct rdma_stat_desc descs[] = {
	{ .name = "packets" },
	{ .name = "errors" },
	{ .name = "optional", .flags = IB_STAT_FLAG_OPTIONAL },
};

static int get_port_immutable(struct ib_device *ib, u32 port,
			      struct ib_port_immutable *immutable)
{
	immutable->core_cap_flags = RDMA_CORE_PORT_RAW_PACKET;
	return 0;
}

static int query_device(struct ib_device *ib, struct ib_device_attr *attr,
			struct ib_udata *udata)
{
	attr->kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
	return 0;
}

static int query_port(struct ib_device *ib, u32 port, struct ib_port_attr *attr)
{
	attr->state = IB_PORT_ACTIVE;
	return 0;
}

static int modify_qp(struct ib_qp *qp, struct ib_qp_attr *attr, int mask,
		     struct ib_udata *udata)
{
	return 0;
}

static struct rdma_hw_stats *alloc_port_stats(struct ib_device *ib, u32 port)
{
	return rdma_alloc_hw_stats_struct(descs, ARRAY_SIZE(descs), 0);
}

static int get_stats(struct ib_device *ib, struct rdma_hw_stats *stats, u32 port, int index)
{
	return ARRAY_SIZE(descs);
}

static int modify_stat(struct ib_device *ib, u32 port, unsigned int index, bool enable)
{
	return 0;
}

static void counter_init(struct rdma_counter *counter)
{
}

static struct rdma_hw_stats *counter_alloc_stats(struct rdma_counter *counter)
{
	return rdma_alloc_hw_stats_struct(descs, ARRAY_SIZE(descs), 0);
}

static int counter_bind_qp(struct rdma_counter *counter, struct ib_qp *qp, u32 port)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	dev->binds++;
	if (dev->bind_error)
		return dev->bind_error;
	if (!counter->id)
		counter->id = ++dev->last_counter;
	qp->counter = counter;
	return 0;
}

static int counter_unbind_qp(struct ib_qp *qp, u32 port)
{
	struct verbs_device *dev = to_verbs_device(qp->device);

	if (dev->unbind_error)
		return dev->unbind_error;
	qp->counter = NULL;
	return 0;
}

static int counter_dealloc(struct rdma_counter *counter)
{
	return 0;
}

static int counter_update_stats(struct rdma_counter *counter)
{
	return 0;
}

static int query_qp(struct ib_qp *qp, struct ib_qp_attr *attr, int mask,
		    struct ib_qp_init_attr *init)
{
	memset(attr, 0, sizeof(*attr));
	return 0;
}

static const struct ib_device_ops counter_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_UNKNOWN,
	.get_port_immutable = get_port_immutable,
	.query_device = query_device,
	.query_port = query_port,
	.modify_qp = modify_qp,
	.query_qp = query_qp,
	.alloc_hw_port_stats = alloc_port_stats,
	.get_hw_stats = get_stats,
	.modify_hw_stat = modify_stat,
	.counter_init = counter_init,
	.counter_alloc_stats = counter_alloc_stats,
	.counter_bind_qp = counter_bind_qp,
	.counter_unbind_qp = counter_unbind_qp,
	.counter_dealloc = counter_dealloc,
	.counter_update_stats = counter_update_stats,
	.size_rdma_counter = sizeof(struct rdma_counter),
};

static void unregister(void *data)
{
	ib_unregister_device(data);
}

static struct verbs_device *counter_device(struct kunit *test)
{
	struct verbs_device *dev = verbs_device(test);

	ib_set_device_ops(&dev->ib, &counter_ops);
	dev->ib.phys_port_cnt = 1;
	KUNIT_ASSERT_EQ(test, 0, ib_register_device(&dev->ib, "mock%d", NULL));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unregister, &dev->ib));
	return dev;
}

/* Its objects */

struct counted_qp {
	struct verbs_device *dev;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct ib_qp *qp;
	enum ib_qp_type type;
	u32 number;
	bool hidden;
	bool kernel;
	/* what a process is known by to the uverbs layer */
	struct uverbs_attr_bundle attrs;
	int ret;
};

static void do_create(void *data)
{
	struct counted_qp *c = data;
	struct ib_qp_init_attr attr = {
		.qp_type = c->type,
		.send_cq = c->cq,
		.recv_cq = c->cq,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1 },
	};

	c->dev->qp_num = c->number;
	c->dev->hide_qps = c->hidden;
	if (c->kernel) {
		c->qp = ib_create_qp_kernel(c->pd, &attr, NAME);
		return;
	}
	c->qp = ib_create_qp_user(&c->dev->ib, c->pd, &attr, &c->attrs, NULL, NULL);
	if (!IS_ERR(c->qp))
		ib_qp_usecnt_inc(c->qp);
}

static void do_init(void *data)
{
	struct counted_qp *c = data;
	struct ib_qp_attr attr = { .qp_state = IB_QPS_INIT, .port_num = PORT };

	c->ret = ib_modify_qp(c->qp, &attr, IB_QP_STATE | IB_QP_PORT);
}

static void do_destroy(void *data)
{
	struct counted_qp *c = data;

	c->ret = ib_destroy_qp_user(c->qp, c->kernel ? NULL : &c->attrs.driver_udata);
}

static void destroy(void *data)
{
	struct counted_qp *c = data;

	c->dev->unbind_error = 0;
	do_destroy(c);
	ib_destroy_cq(c->cq);
	ib_dealloc_pd(c->pd);
}

/* A QP of a process, or of the kernel if there is none. */
static struct counted_qp *new_qp(struct kunit *test, struct verbs_device *dev,
				 struct mock_owner *process, enum ib_qp_type type, bool hidden)
{
	struct counted_qp *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct ib_cq_init_attr attr = { .cqe = 1 };

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->dev = dev;
	c->type = type;
	c->hidden = hidden;
	c->kernel = !process;
	c->number = ++dev->last_qp;
	c->pd = __ib_alloc_pd(&dev->ib, 0, NAME);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->pd);
	c->cq = __ib_create_cq(&dev->ib, NULL, NULL, NULL, &attr, NAME);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->cq);
	if (process)
		mock_run(test, process, do_create, c);
	else
		do_create(c);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->qp);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy, c));
	return c;
}

/* To be bound, if counters are given out automatically. */
static void init_qp(struct kunit *test, struct counted_qp *c, struct mock_owner *process)
{
	if (process)
		mock_run(test, process, do_init, c);
	else
		do_init(c);
	KUNIT_EXPECT_EQ(test, c->ret, 0);
}

/* Netlink */

struct given {
	u16 type;
	u32 value;
};

static void close_socket(void *file)
{
	fput(file);
}

static struct socket *open_socket(struct kunit *test)
{
	struct socket *sock;
	struct file *file;

	KUNIT_ASSERT_EQ(test, 0, sock_create_kern(&init_net, AF_NETLINK, SOCK_RAW, NETLINK_RDMA,
						  &sock));
	/* who sends is asked for his rights, and those of the file */
	file = sock_alloc_file(sock, O_CLOEXEC, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, close_socket, file));
	return sock;
}

/*
 * Send a request and read the answer: 0 or an error, and where there is one the
 * number of a counter. If @nth is not 0, that allocation fails that the kernel
 * makes for the request, and @hit says whether there was one.
 */
static int ask_with_fault(struct kunit *test, int op, int flags, const struct given *attr,
			  int nr, u32 *counter, int nth, bool *hit)
{
	int size = 8192, len, ret = -ENOMSG;
	struct socket *sock = open_socket(test);
	struct sk_buff *skb = nlmsg_new(1024, GFP_KERNEL);
	void *buffer = kunit_kzalloc(test, size, GFP_KERNEL);
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct nlmsghdr *nlh;
	struct nlattr *nest, *found;
	struct kvec vec;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, buffer);
	nlh = nlmsg_put(skb, 0, 1, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, op), 0,
			NLM_F_REQUEST | NLM_F_ACK | flags);
	for (i = 0; i < nr; i++) {
		if (attr[i].type == RDMA_NLDEV_ATTR_STAT_HWCOUNTERS) {
			nest = nla_nest_start(skb, attr[i].type);
			nla_put_u32(skb, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_INDEX, attr[i].value);
			nla_nest_end(skb, nest);
		} else {
			nla_put_u32(skb, attr[i].type, attr[i].value);
		}
	}
	nlmsg_end(skb, nlh);
	vec.iov_base = skb->data;
	vec.iov_len = skb->len;
	fail_nth(nth);
	len = kernel_sendmsg(sock, &msg, &vec, 1, skb->len);
	if (nth)
		*hit = failed();
	kfree_skb(skb);
	if (len <= 0)
		return len;

	for (;;) {
		vec.iov_base = buffer;
		vec.iov_len = size;
		msg = (struct msghdr){ };
		len = kernel_recvmsg(sock, &msg, &vec, 1, size, MSG_DONTWAIT);
		if (len <= 0)
			return ret;
		for (nlh = buffer; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)nlmsg_data(nlh))->error;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			found = nlmsg_find_attr(nlh, 0, RDMA_NLDEV_ATTR_STAT_COUNTER_ID);
			if (found && counter)
				*counter = nla_get_u32(found);
		}
	}
}

static int ask(struct kunit *test, int op, int flags, const struct given *attr, int nr,
	       u32 *counter)
{
	return ask_with_fault(test, op, flags, attr, nr, counter, 0, NULL);
}

#define ASK(test, op, counter, ...)						\
({										\
	const struct given __attr[] = { __VA_ARGS__ };			\
										\
	ask(test, RDMA_NLDEV_CMD_##op, 0, __attr, ARRAY_SIZE(__attr), counter);	\
})

#define DEV(dev)	{ RDMA_NLDEV_ATTR_DEV_INDEX, (dev)->ib.index }
#define ON_PORT(port)	{ RDMA_NLDEV_ATTR_PORT_INDEX, port }
#define FOR_QPS		{ RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_QP }
#define MANUAL		{ RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_MANUAL }
#define QP(number)	{ RDMA_NLDEV_ATTR_RES_LQPN, number }
#define COUNTER(id)	{ RDMA_NLDEV_ATTR_STAT_COUNTER_ID, id }

static int set_automatic(struct kunit *test, struct verbs_device *dev, u32 mask)
{
	return ASK(test, STAT_SET, NULL, DEV(dev), ON_PORT(PORT), FOR_QPS,
		   { RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_AUTO },
		   { RDMA_NLDEV_ATTR_STAT_AUTO_MODE_MASK, mask });
}

static int bind_new(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 *counter)
{
	return ASK(test, STAT_SET, counter, DEV(dev), ON_PORT(PORT), FOR_QPS, MANUAL, QP(qpn));
}

static int bind_to(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter)
{
	return ASK(test, STAT_SET, NULL, DEV(dev), ON_PORT(PORT), FOR_QPS, MANUAL, QP(qpn),
		   COUNTER(counter));
}

static int unbind(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter)
{
	return ASK(test, STAT_DEL, NULL, DEV(dev), ON_PORT(PORT), FOR_QPS, QP(qpn),
		   COUNTER(counter));
}

/* Nobody but the tests has a reference to the QPs: they can be destroyed. */
static void expect_unreferenced(struct kunit *test, struct counted_qp *c)
{
	KUNIT_EXPECT_EQ(test, kref_read(&c->qp->res.kref), 1);
}

/* Regression 5: counters that are given out for processes are not shared by two. */
static void history_05_a_counter_for_each_process(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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
	/* the counter belongs to the process, too: 2 QPs and the counter */
	MOCK_EXPECT_HELD(test, a, 3);
	MOCK_EXPECT_HELD(test, b, 2);
	kunit_release_action(test, destroy, a1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 2);
	kunit_release_action(test, destroy, a2);
	kunit_release_action(test, destroy, b1);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	MOCK_EXPECT_HELD(test, a, 0);
	MOCK_EXPECT_HELD(test, b, 0);
}

/* Those that are given out for types are shared by QPs of the type, and no others. */
static void history_05_a_counter_for_each_type(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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

/* A counter of a process is not for QPs of the kernel, and the other way round. */
static void history_05_kernel_and_process_do_not_share(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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

/*
 * Regressions 6 and 11 to 13: each attribute left out, and each with a number
 * that is too large. Only who sends all of them gets what he asked for.
 */
struct request {
	const char *name;
	int op;
	/* with a counter, and the QP bound to it already */
	bool bound;
	int nr;
	/* one bit for each attribute that may be missing, or be anything */
	u32 optional, any;
	struct given attr[6];
};

/* in the place of what is not known before the device is there */
#define OF_DEVICE	0xd0000000
#define OF_QP		0xd0000001
#define OF_COUNTER	0xd0000002

static const struct request requests[] = {
	{
		"bind to a new counter", RDMA_NLDEV_CMD_STAT_SET, false, 5, 0, BIT(3), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL, QP(OF_QP),
		}
	}, {
		"bind", RDMA_NLDEV_CMD_STAT_SET, false, 6, BIT(5), BIT(3), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL, QP(OF_QP), COUNTER(OF_COUNTER),
		}
	}, {
		"automatic mode", RDMA_NLDEV_CMD_STAT_SET, false, 5, BIT(4), 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			{ RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_AUTO },
			{ RDMA_NLDEV_ATTR_STAT_AUTO_MODE_MASK, RDMA_COUNTER_MASK_PID },
		}
	}, {
		"optional counters", RDMA_NLDEV_CMD_STAT_SET, false, 3, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
			{ RDMA_NLDEV_ATTR_STAT_HWCOUNTERS, 2 },
		}
	}, {
		"unbind", RDMA_NLDEV_CMD_STAT_DEL, true, 5, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			QP(OF_QP), COUNTER(OF_COUNTER),
		}
	}, {
		"mode", RDMA_NLDEV_CMD_STAT_GET, false, 4, BIT(2), BIT(3), {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			MANUAL,
		}
	}, {
		"one counter", RDMA_NLDEV_CMD_STAT_GET, true, 4, BIT(2), 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT), FOR_QPS,
			COUNTER(OF_COUNTER),
		}
	}, {
		"counters of the port", RDMA_NLDEV_CMD_STAT_GET, false, 2, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
		}
	}, {
		"which counters there are", RDMA_NLDEV_CMD_STAT_GET_STATUS, false, 2, 0, 0, {
			{ RDMA_NLDEV_ATTR_DEV_INDEX, OF_DEVICE }, ON_PORT(PORT),
		}
	},
};

static void request_describe(const struct request *request, char *desc)
{
	strscpy(desc, request->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(request, requests, request_describe);

static void history_06_11_12_13_bad_requests(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct verbs_device *dev = counter_device(test);
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
			/* there is one, of this QP or of another of the process */
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
			KUNIT_EXPECT_LT_MSG(test, ask(test, request->op, 0, bad, nr - 1, NULL), 0,
					    "without attribute %d", i);
		memcpy(bad, good, sizeof(bad));
		bad[i].value = U32_MAX;
		if (!(request->any & BIT(i)))
			KUNIT_EXPECT_LT_MSG(test, ask(test, request->op, 0, bad, nr, NULL), 0,
					    "attribute %d too large", i);
		/* and as the first of a list */
		ask(test, request->op, NLM_F_DUMP, bad, nr, NULL);
	}
	KUNIT_EXPECT_LT(test, ask(test, request->op, 0, NULL, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, ask(test, request->op, 0, good, nr, NULL), 0);
	expect_unreferenced(test, qp);
	expect_unreferenced(test, other);
}

/* Regressions 11 to 13: a QP that the one who asks may not see. */
static void history_11_12_13_invisible_qp(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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

/* Regressions 7 and 8: a lookup that fails after it has found the QP. */
static void history_07_08_lookups_that_fail(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	int i;

	init_qp(test, c, a);
	for (i = 0; i < 100; i++) {
		/* not there, not a port, not its port */
		KUNIT_EXPECT_LT(test, ASK(test, RES_QP_GET, NULL, DEV(dev), ON_PORT(PORT),
					  QP(c->number + 1)), 0);
		KUNIT_EXPECT_LT(test, ASK(test, RES_QP_GET, NULL, DEV(dev), ON_PORT(2),
					  QP(c->number)), 0);
		c->qp->port = 2;
		KUNIT_EXPECT_LT(test, ASK(test, RES_QP_GET, NULL, DEV(dev), ON_PORT(PORT),
					  QP(c->number)), 0);
		c->qp->port = PORT;
	}
	KUNIT_EXPECT_EQ(test, ASK(test, RES_QP_GET, NULL, DEV(dev), ON_PORT(PORT), QP(c->number)),
			0);
	expect_unreferenced(test, c);
	kunit_release_action(test, destroy, c);
	KUNIT_EXPECT_EQ(test, c->ret, 0);
}

/* The same for want of memory, at each allocation in turn; and counters need some, too. */
static void history_07_08_lookups_without_memory(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);
	const struct given lookup[] = { DEV(dev), ON_PORT(PORT), QP(c->number) };
	const struct given bind[] = { DEV(dev), ON_PORT(PORT), FOR_QPS, MANUAL, QP(c->number) };
	bool hit = true;
	int n, ret = 0;

	faults_needed(test);
	init_qp(test, c, a);
	for (n = 1; hit && n < MANY_FAULTS; n++) {
		ret = ask_with_fault(test, RDMA_NLDEV_CMD_RES_QP_GET, 0, lookup,
				     ARRAY_SIZE(lookup), NULL, n, &hit);
		expect_unreferenced(test, c);
	}
	KUNIT_EXPECT_GT(test, n, 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
	for (n = 1, hit = true; hit && n < MANY_FAULTS; n++) {
		ret = ask_with_fault(test, RDMA_NLDEV_CMD_STAT_SET, 0, bind, ARRAY_SIZE(bind),
				     NULL, n, &hit);
		expect_unreferenced(test, c);
		KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), !!c->qp->counter);
		if (c->qp->counter)
			KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, c->qp->counter->id), 0);
		MOCK_EXPECT_HELD(test, a, 1);
	}
	KUNIT_EXPECT_GT(test, n, 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
}

/* Regression 9: what a counter that could not be unbound leaves is what there was. */
static void history_09_unbind_fails(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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
	/* a second one is not bound over the first */
	KUNIT_EXPECT_LT(test, bind_new(test, dev, c->number, NULL), 0);
	KUNIT_EXPECT_PTR_EQ(test, c->qp->counter, counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 1);
	dev->unbind_error = 0;
	KUNIT_EXPECT_EQ(test, unbind(test, dev, c->number, id), 0);
	KUNIT_EXPECT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	expect_unreferenced(test, c);
}

/* A counter that cannot be bound is not tracked. */
static void bind_fails(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *c = new_qp(test, dev, a, IB_QPT_RC, false);

	init_qp(test, c, a);
	dev->bind_error = -EIO;
	KUNIT_EXPECT_LT(test, bind_new(test, dev, c->number, NULL), 0);
	KUNIT_EXPECT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_COUNTER), 0);
	expect_unreferenced(test, c);
	MOCK_EXPECT_HELD(test, a, 1);
}

/* Regression 14: QPs of the kernel, and those that nobody sees, get no counter. */
static void history_14_no_counter_for_the_kernel(struct kunit *test)
{
	struct verbs_device *dev = counter_device(test);
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
	KUNIT_CASE(history_05_a_counter_for_each_process),
	KUNIT_CASE(history_05_a_counter_for_each_type),
	KUNIT_CASE(history_05_kernel_and_process_do_not_share),
	KUNIT_CASE_PARAM(history_06_11_12_13_bad_requests, request_gen_params),
	KUNIT_CASE(history_11_12_13_invisible_qp),
	KUNIT_CASE(history_07_08_lookups_that_fail),
	KUNIT_CASE(history_07_08_lookups_without_memory),
	KUNIT_CASE(history_09_unbind_fails),
	KUNIT_CASE(bind_fails),
	KUNIT_CASE(history_14_no_counter_for_the_kernel),
	{}
};

static struct kunit_suite counters_suite = {
	.name = "restrack_c_counters",
	.test_cases = counters_cases,
};
kunit_test_suite(counters_suite);
