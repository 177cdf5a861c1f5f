// SPDX-License-Identifier: GPL-2.0
/*
 * A client of the RDMA core's netlink, see netlink.h.
 */

#include <linux/file.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>
#include "faults.h"
#include "netlink.h"
#include "registered_device.h"

/* At once: the network namespace may go with the test. */
static void close_socket(void *file)
{
	__fput_sync(file);
}

static struct socket *open_socket(struct kunit *test, struct net *net)
{
	struct socket *sock;
	struct file *file;

	KUNIT_ASSERT_EQ(test, 0, sock_create_kern(net, AF_NETLINK, SOCK_RAW, NETLINK_RDMA,
						  &sock));
	/* a file, as the credentials of its opener are checked too */
	file = sock_alloc_file(sock, O_CLOEXEC, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, close_socket, file));
	return sock;
}

static void put_given(struct sk_buff *skb, const struct given *given)
{
	struct nlattr *nest;

	if (given->text) {
		nla_put_string(skb, given->type, given->text);
		return;
	}
	switch (given->type) {
	case RDMA_NLDEV_ATTR_STAT_HWCOUNTERS:
		nest = nla_nest_start(skb, given->type);
		nla_put_u32(skb, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_INDEX, given->value);
		nla_nest_end(skb, nest);
		break;
	case RDMA_NLDEV_SYS_ATTR_NETNS_MODE:
	case RDMA_NLDEV_ATTR_DRIVER_DETAILS:
		nla_put_u8(skb, given->type, given->value);
		break;
	default:
		nla_put_u32(skb, given->type, given->value);
	}
}

static int read_answer(struct socket *sock, struct inquiry *inquiry, void *buffer, int size)
{
	struct nlmsghdr *nlh;
	struct nlattr *found;
	int len;

	for (;;) {
		struct kvec vec = { .iov_base = buffer, .iov_len = size };
		struct msghdr msg = { };

		len = kernel_recvmsg(sock, &msg, &vec, 1, size, MSG_DONTWAIT);
		if (len <= 0)
			return -ENOMSG;
		for (nlh = buffer; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)nlmsg_data(nlh))->error;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			found = nlmsg_find_attr(nlh, 0, inquiry->wanted);
			if (found && inquiry->into)
				nla_memcpy(inquiry->into, found, inquiry->room);
		}
	}
}

/* Sends a request. *@len is the number of bytes sent, or an error. */
static struct socket *send_inquiry(struct kunit *test, struct inquiry *inquiry, int *len)
{
	struct net *net = inquiry->dev ? read_pnet(&inquiry->dev->ib.coredev.rdma_net) : &init_net;
	struct socket *sock = open_socket(test, net);
	struct sk_buff *skb = nlmsg_new(1024, GFP_KERNEL);
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct nlmsghdr *nlh;
	struct kvec vec;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	nlh = nlmsg_put(skb, 0, 1, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, inquiry->op), 0,
			NLM_F_REQUEST | NLM_F_ACK | inquiry->flags);
	for (i = 0; i < inquiry->nr; i++)
		put_given(skb, &inquiry->attr[i]);
	nlmsg_end(skb, nlh);
	vec.iov_base = skb->data;
	vec.iov_len = skb->len;
	fail_nth(inquiry->nth);
	*len = kernel_sendmsg(sock, &msg, &vec, 1, skb->len);
	if (inquiry->nth)
		inquiry->hit = failed();
	kfree_skb(skb);
	return sock;
}

int inquire(struct kunit *test, struct inquiry *inquiry)
{
	int size = 8192, len;
	void *buffer = kunit_kzalloc(test, size, GFP_KERNEL);
	struct socket *sock;

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	sock = send_inquiry(test, inquiry, &len);
	return len > 0 ? read_answer(sock, inquiry, buffer, size) : len;
}

struct nest *ask_nest(struct kunit *test, struct verbs_device *dev, int op,
		      const struct given *attr, int nr, u16 wanted)
{
	struct nest *nest = kunit_kzalloc(test, sizeof(*nest), GFP_KERNEL);
	struct inquiry inquiry = {
		.dev = dev,
		.op = op,
		.attr = attr,
		.nr = nr,
		.wanted = wanted,
		.into = nest,
		.room = sizeof(*nest),
	};

	KUNIT_ASSERT_NOT_NULL(test, nest);
	KUNIT_EXPECT_EQ(test, inquire(test, &inquiry), 0);
	return nest;
}

int summary(struct kunit *test, struct verbs_device *dev, const char *name, bool details)
{
	struct nest *nest = ASK_NEST(test, dev, RES_GET, RDMA_NLDEV_ATTR_RES_SUMMARY,
				     { RDMA_NLDEV_ATTR_DRIVER_DETAILS, details });
	struct nlattr *entry, *found;
	int rest;

	for_each_in(entry, nest, rest) {
		found = nla_find_nested(entry, RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_NAME);
		if (!found || nla_strcmp(found, name))
			continue;
		found = nla_find_nested(entry, RDMA_NLDEV_ATTR_RES_SUMMARY_ENTRY_CURR);
		return found ? nla_get_u64(found) : -ENODATA;
	}
	return -ENOENT;
}

struct listing *begin_listing(struct kunit *test, struct verbs_device *dev, int op,
			      u16 table, u16 number, const struct given *attr, int nr, int nth)
{
	struct listing *listing = kunit_kzalloc(test, sizeof(*listing), GFP_KERNEL);
	struct inquiry inquiry = {
		.dev = dev,
		.op = op,
		.flags = NLM_F_DUMP,
		.attr = attr,
		.nr = nr,
		.nth = nth,
	};

	KUNIT_ASSERT_NOT_NULL(test, listing);
	listing->table = table;
	listing->number = number;
	listing->socket = send_inquiry(test, &inquiry, &listing->error);
	listing->hit = inquiry.hit;
	return listing;
}

/* Adds the numbers of the objects in one message to the listing. */
static void read_table(struct listing *listing, struct nlmsghdr *nlh)
{
	struct nlattr *table = nlmsg_find_attr(nlh, 0, listing->table), *entry, *number;
	int rest;

	if (!table)
		return;
	nla_for_each_nested(entry, table, rest) {
		listing->objects++;
		if (listing->look)
			listing->look(listing->data, entry);
		number = nla_find_nested(entry, listing->number);
		if (number && listing->nr < ARRAY_SIZE(listing->numbers))
			listing->numbers[listing->nr++] = nla_get_u32(number);
	}
}

void finish_listing(struct kunit *test, struct listing *listing)
{
	int size = 8192, len;
	void *buffer = kunit_kzalloc(test, size, GFP_KERNEL);
	struct nlmsghdr *nlh;

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	if (listing->error < 0)
		return;
	for (;;) {
		struct kvec vec = { .iov_base = buffer, .iov_len = size };
		struct msghdr msg = { };

		len = kernel_recvmsg(listing->socket, &msg, &vec, 1, size, MSG_DONTWAIT);
		if (len <= 0) {
			listing->error = -ENOMSG;
			return;
		}
		for (nlh = buffer; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
			bool marked = nlh->nlmsg_flags & NLM_F_DUMP_INTR;

			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				listing->interrupted = marked;
				listing->error = *(int *)nlmsg_data(nlh);
				return;
			}
			listing->marked_early |= marked;
			listing->messages++;
			read_table(listing, nlh);
		}
	}
}

int ask(struct kunit *test, struct verbs_device *dev, int op, int flags,
	const struct given *attr, int nr, u32 *counter)
{
	struct inquiry inquiry = {
		.dev = dev,
		.op = op,
		.flags = flags,
		.attr = attr,
		.nr = nr,
		.wanted = RDMA_NLDEV_ATTR_STAT_COUNTER_ID,
		.into = counter,
		.room = sizeof(*counter),
	};

	return inquire(test, &inquiry);
}

int set_automatic(struct kunit *test, struct verbs_device *dev, u32 mask)
{
	return ASK(test, dev, STAT_SET, NULL, ON_PORT(PORT), FOR_QPS,
		   { RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_AUTO },
		   { RDMA_NLDEV_ATTR_STAT_AUTO_MODE_MASK, mask });
}

int bind_new(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 *counter)
{
	return ASK(test, dev, STAT_SET, counter, ON_PORT(PORT), FOR_QPS, MANUAL, QP(qpn));
}

int bind_to(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter)
{
	return ASK(test, dev, STAT_SET, NULL, ON_PORT(PORT), FOR_QPS, MANUAL, QP(qpn),
		   COUNTER(counter));
}

int unbind(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter)
{
	return ASK(test, dev, STAT_DEL, NULL, ON_PORT(PORT), FOR_QPS, QP(qpn),
		   COUNTER(counter));
}
