// SPDX-License-Identifier: GPL-2.0
/*
 * Raw packet QPs need CAP_NET_RAW in the user namespace that the device's network
 * namespace belongs to. That is the initial one as long as network namespaces
 * share the devices.
 */

#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/proc_fs.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include "counted_qp.h"
#include "netlink.h"
#include "registered_device.h"
#include "user_process.h"
#include "uverbs.h"

/* A process that is root in its own user namespace, and its network namespace. */
struct insider {
	const struct cred *cred;
	struct net *net;
};

static void put_insider(void *data)
{
	struct insider *insider = data;

	put_cred(insider->cred);
	put_net(insider->net);
}

static bool runs(struct task_struct *task, const char *program)
{
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, task);
	return !strcmp(comm, program);
}

static struct insider *new_insider(struct kunit *test)
{
	static char *argv[7] = {
		"/usr/bin/unshare", "--user", "--map-root-user", "--net",
		"/usr/bin/sleep", "600", NULL
	};
	struct insider *insider = kunit_kzalloc(test, sizeof(*insider), GFP_KERNEL);
	struct task_struct *task = user_process(test, argv);

	KUNIT_ASSERT_NOT_NULL(test, insider);
	KUNIT_ASSERT_TRUE(test, mock_await(runs(task, "sleep")));
	insider->net = get_net_ns_by_pid(task_pid_vnr(task));
	KUNIT_ASSERT_FALSE(test, IS_ERR(insider->net));
	insider->cred = get_task_cred(task);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_insider, insider));
	KUNIT_ASSERT_PTR_NE(test, insider->net, &init_net);
	KUNIT_ASSERT_PTR_EQ(test, insider->net->user_ns, insider->cred->user_ns);
	KUNIT_ASSERT_PTR_EQ(test, insider->cred->user_ns->parent, &init_user_ns);
	return insider;
}

static void put(void *cred)
{
	put_cred(cred);
}

/* Credentials in the initial user namespace, without CAP_NET_RAW. */
static const struct cred *without_raw(struct kunit *test, kuid_t uid)
{
	struct cred *cred = prepare_creds();

	KUNIT_ASSERT_NOT_NULL(test, cred);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put, cred));
	cred->euid = uid;
	cap_lower(cred->cap_effective, CAP_NET_RAW);
	return cred;
}

/* root owns the user namespaces that it made, and has every capability there. */
static const struct cred *root_without_raw(struct kunit *test)
{
	return without_raw(test, GLOBAL_ROOT_UID);
}

static const struct cred *stranger_without_raw(struct kunit *test)
{
	return without_raw(test, KUIDT_INIT(1000));
}

/* Shared mode: every network namespace sees all devices. */

static int set_shared(struct kunit *test, bool shared)
{
	const struct given attr = { RDMA_NLDEV_SYS_ATTR_NETNS_MODE, shared };

	return ask(test, NULL, RDMA_NLDEV_CMD_SYS_SET, 0, &attr, 1, NULL);
}

static void share_again(void *data)
{
	struct kunit *test = data;

	/* refused until the last other network namespace is gone */
	KUNIT_EXPECT_TRUE(test, mock_await(!set_shared(test, true)));
}

static void do_not_share(struct kunit *test)
{
	/* a namespace of the previous test may still be going away */
	KUNIT_ASSERT_TRUE(test, mock_await(!set_shared(test, false)));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, share_again, test));
}

static void move_device(struct kunit *test, struct verbs_device *dev, struct net *net)
{
	int fd = open_related_ns(&net->ns, get_net_ns);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_EQ(test, ASK(test, dev, SET, NULL, { RDMA_NLDEV_NET_NS_FD, fd }), 0);
	close_fd(fd);
	KUNIT_ASSERT_PTR_EQ(test, read_pnet(&dev->ib.coredev.rdma_net), net);
}

/* Netlink: binding a raw packet QP to a counter, and unbinding it. */

static int bind_as(struct kunit *test, const struct cred *cred, struct counted_qp *c)
{
	const struct cred *usual = override_creds(cred);
	u32 counter = 0, other = 0;
	int ret = bind_new(test, c->dev, c->number, &counter);

	if (!ret) {
		KUNIT_EXPECT_NOT_NULL(test, c->qp->counter);
		KUNIT_EXPECT_EQ(test, bind_to(test, c->dev, c->number, counter), -EINVAL);
		KUNIT_EXPECT_EQ(test, unbind(test, c->dev, c->number, counter), 0);
	} else {
		KUNIT_EXPECT_EQ(test, bind_to(test, c->dev, c->number, other), ret);
		KUNIT_EXPECT_EQ(test, unbind(test, c->dev, c->number, other), ret);
	}
	revert_creds(usual);
	KUNIT_EXPECT_NULL(test, c->qp->counter);
	KUNIT_EXPECT_EQ(test, verbs_count(c->dev, RDMA_RESTRACK_COUNTER), 0);
	expect_unreferenced(test, c);
	return ret;
}

/* Once the initial user namespace was asked, whichever namespace had the device. */
static void raw_qp_binding_asks_the_devices_user_namespace(struct kunit *test)
{
	struct verbs_device *dev;
	struct insider *insider;
	struct mock_owner *a;
	struct counted_qp *raw, *rc;

	do_not_share(test);
	insider = new_insider(test);
	dev = registered_device(test);
	move_device(test, dev, insider->net);
	a = mock_owner(test);
	raw = new_qp(test, dev, a, IB_QPT_RAW_PACKET, false);
	rc = new_qp(test, dev, a, IB_QPT_RC, false);
	init_qp(test, raw, a);
	init_qp(test, rc, a);

	KUNIT_EXPECT_EQ(test, bind_as(test, current_cred(), raw), 0);
	KUNIT_EXPECT_EQ(test, bind_as(test, root_without_raw(test), raw), 0);
	KUNIT_EXPECT_EQ(test, bind_as(test, stranger_without_raw(test), raw), -ENOENT);
	KUNIT_EXPECT_EQ(test, bind_as(test, stranger_without_raw(test), rc), 0);
	/* for every QP, netlink needs CAP_NET_ADMIN in the initial user namespace */
	KUNIT_EXPECT_EQ(test, bind_as(test, insider->cred, raw), -EPERM);
	KUNIT_EXPECT_EQ(test, bind_as(test, insider->cred, rc), -EPERM);
	MOCK_EXPECT_HELD(test, a, 2);
}

/* A shared device belongs to the initial user namespace. */
static void raw_qp_binding_asks_the_initial_user_namespace_if_shared(struct kunit *test)
{
	struct insider *insider = new_insider(test);
	struct verbs_device *dev = registered_device(test);
	struct mock_owner *a = mock_owner(test);
	struct counted_qp *raw = new_qp(test, dev, a, IB_QPT_RAW_PACKET, false);

	init_qp(test, raw, a);
	KUNIT_EXPECT_EQ(test, bind_as(test, current_cred(), raw), 0);
	KUNIT_EXPECT_EQ(test, bind_as(test, root_without_raw(test), raw), -ENOENT);
	KUNIT_EXPECT_EQ(test, bind_as(test, insider->cred, raw), -EPERM);
	MOCK_EXPECT_HELD(test, a, 1);
}

/* The character device: creating a raw packet QP. */

static int create_qp_as(struct kunit *test, const struct cred *cred, struct verbs_device *dev,
			u8 type)
{
	struct mock_owner *owner = mock_owner(test);
	struct uverbs *u = uverbs_open(test, dev, owner, cred);
	struct ib_uverbs_create_cq new_cq = { .cqe = 1, .comp_channel = -1 };
	struct ib_uverbs_create_qp new_qp = {
		.qp_type = type,
		.max_send_wr = 1,
		.max_recv_wr = 1,
	};
	struct ib_uverbs_create_cq_resp cq;
	struct ib_uverbs_create_qp_resp qp;
	int ret;

	KUNIT_ASSERT_EQ(test, uverbs_get_context(u), 0);
	KUNIT_ASSERT_EQ(test, uverbs_alloc_pd(u, &new_qp.pd_handle), 0);
	KUNIT_ASSERT_EQ(test, UVERBS_WRITE(u, CREATE_CQ, new_cq, cq), 0);
	new_qp.send_cq_handle = cq.cq_handle;
	new_qp.recv_cq_handle = cq.cq_handle;
	ret = UVERBS_WRITE(u, CREATE_QP, new_qp, qp);
	/* context, PD and CQ, and the QP if it was made */
	MOCK_EXPECT_HELD(test, owner, ret ? 3 : 4);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), ret ? 0 : 1);
	kunit_release_action(test, uverbs_close, u);
	MOCK_EXPECT_HELD(test, owner, 0);
	KUNIT_EXPECT_EQ(test, verbs_count(dev, RDMA_RESTRACK_QP), 0);
	return ret;
}

static void raw_qp_creation_asks_the_devices_user_namespace(struct kunit *test)
{
	struct verbs_device *dev;
	struct insider *insider;
	u8 raw = IB_QPT_RAW_PACKET;

	do_not_share(test);
	insider = new_insider(test);
	dev = registered_device(test);
	move_device(test, dev, insider->net);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, NULL, dev, raw), 0);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, insider->cred, dev, raw), 0);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, root_without_raw(test), dev, raw), 0);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, stranger_without_raw(test), dev, raw), -EPERM);
}

static void raw_qp_creation_asks_the_initial_user_namespace_if_shared(struct kunit *test)
{
	struct insider *insider = new_insider(test);
	struct verbs_device *dev = registered_device(test);
	u8 raw = IB_QPT_RAW_PACKET;

	KUNIT_EXPECT_EQ(test, create_qp_as(test, NULL, dev, raw), 0);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, insider->cred, dev, raw), -EPERM);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, insider->cred, dev, IB_QPT_RC), 0);
	KUNIT_EXPECT_EQ(test, create_qp_as(test, root_without_raw(test), dev, raw), -EPERM);
}

static struct kunit_case capabilities_cases[] = {
	KUNIT_CASE(raw_qp_binding_asks_the_devices_user_namespace),
	KUNIT_CASE(raw_qp_binding_asks_the_initial_user_namespace_if_shared),
	KUNIT_CASE(raw_qp_creation_asks_the_devices_user_namespace),
	KUNIT_CASE(raw_qp_creation_asks_the_initial_user_namespace_if_shared),
	{}
};

static struct kunit_suite capabilities_suite = {
	.name = "restrack_c_capabilities",
	.test_cases = capabilities_cases,
};
kunit_test_suite(capabilities_suite);
