// SPDX-License-Identifier: GPL-2.0
/*
 * Walks over tracked objects on behalf of netlink: dumps of all objects of one
 * type, and the lists of QPs that belong to an SRQ or a counter.
 *
 * rdma_restrack_next() returns each object with a reference and holds no lock
 * afterwards, so everything here may sleep and disturbs nobody.
 */

#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_counter.h>
#include <rdma/rdma_netlink.h>

#include "restrack.h"

/**
 * struct restrack_dump_ctx - where a dump stands between two messages
 * @cursor: before the object to go on with
 * @complete: the last message went to the end of the table
 */
struct restrack_dump_ctx {
	u64 cursor;
	bool complete;
};

/**
 * restrack_dump() - put the next objects of a dump into a message
 * @skb: the message
 * @cb: state of the dump
 * @dev: RDMA device
 * @type: type of the objects
 * @attrtype: netlink attribute that encloses one object
 * @fill: adds the attributes of one object; -EAGAIN leaves this object out,
 *	any other error but -EMSGSIZE ends the dump
 * @port: for @fill
 * @show_details: dump also QPs of driver-specific types
 *
 * The object that does not fit any more comes first in the next message. If it
 * does not fit when the message is still empty it never will, and the dump ends
 * with -EMSGSIZE.
 *
 * If the table changed between the first message and the end, NLM_F_DUMP_INTR
 * is set in the message that ends the dump. It is not set before, because
 * libmnl drops a message that has it, and everything after that. Objects that
 * come and go when all have been put into messages do not count.
 *
 * Return: 1 if there was an object left to dump, 0 if there was none, or an
 * error.
 */
int restrack_dump(struct sk_buff *skb, struct netlink_callback *cb,
		  struct ib_device *dev, enum rdma_restrack_type type,
		  int attrtype, restrack_fill_t fill, u32 port,
		  bool show_details)
{
	bool has_cap_net_admin = netlink_capable(cb->skb, CAP_NET_ADMIN);
	struct restrack_dump_ctx *ctx = (void *)cb->ctx;
	u64 cursor = ctx->cursor;
	struct rdma_restrack_entry *res;
	struct nlattr *entry_attr;
	bool empty = true;
	int found = 0;
	int ret;

	NL_ASSERT_CTX_FITS(struct restrack_dump_ctx);

	/* What changes from here on changes during the dump */
	if (!cb->prev_seq)
		cb->prev_seq = rdma_restrack_generation(&dev->res, type);

	while ((res = rdma_restrack_next(&dev->res, type, &cursor,
					 show_details))) {
		found = 1;

		ret = -EMSGSIZE;
		entry_attr = nla_nest_start_noflag(skb, attrtype);
		if (entry_attr) {
			ret = fill(skb, has_cap_net_admin, res, port);
			if (ret)
				nla_nest_cancel(skb, entry_attr);
			else
				nla_nest_end(skb, entry_attr);
		}
		rdma_restrack_put(res);

		if (ret == -EMSGSIZE && !empty)
			break;
		if (ret && ret != -EAGAIN) {
			/* The message with this error is not an interrupted one */
			found = ret;
			break;
		}
		if (!ret)
			empty = false;
		ctx->cursor = cursor;
	}

	/* netlink compares this with prev_seq when the dump ends */
	if (found || !ctx->complete)
		cb->seq = rdma_restrack_generation(&dev->res, type);
	ctx->complete = !res;
	return found;
}

static bool qp_has_srq(const struct ib_qp *qp, const void *srq)
{
	return qp->srq == srq;
}

static bool qp_has_counter(const struct ib_qp *qp, const void *counter)
{
	return READ_ONCE(qp->counter) == counter;
}

static int cmp_qpn(const void *a, const void *b)
{
	return cmp_int(*(const u32 *)a, *(const u32 *)b);
}

/*
 * Collect the numbers of the QPs that @match says belong to @owner, in
 * ascending order. The walk meets them in an order of its own.
 *
 * Return: how many there are in *@qpns, which the caller frees with kvfree(),
 * or -ENOMEM.
 */
static int restrack_qpns(struct ib_device *dev,
			 bool (*match)(const struct ib_qp *qp,
				       const void *owner),
			 const void *owner, u32 **qpns)
{
	struct rdma_restrack_entry *res;
	size_t num = 0, max = 0;
	u32 *list = NULL, *more;
	struct ib_qp *qp;
	u64 cursor;

	rdma_restrack_for_each(res, &dev->res, RDMA_RESTRACK_QP, cursor, true) {
		qp = container_of(res, struct ib_qp, res);
		if (!match(qp, owner))
			continue;

		if (num == max) {
			max = max ? 2 * max : 64;
			more = kvrealloc(list, array_size(max, sizeof(*list)),
					 GFP_KERNEL);
			if (!more) {
				rdma_restrack_put(res);
				kvfree(list);
				return -ENOMEM;
			}
			list = more;
		}
		list[num++] = qp->qp_num;
	}

	sort(list, num, sizeof(*list), cmp_qpn, NULL);
	*qpns = list;
	return num;
}

/* One QP, or a range of QPs whose numbers follow each other */
static int fill_qp_range(struct sk_buff *msg, u32 first, u32 last)
{
	struct nlattr *entry_attr;

	entry_attr = nla_nest_start(msg, RDMA_NLDEV_ATTR_RES_QP_ENTRY);
	if (!entry_attr)
		return -EMSGSIZE;

	if (first == last) {
		if (nla_put_u32(msg, RDMA_NLDEV_ATTR_RES_LQPN, first))
			goto err;
	} else {
		if (nla_put_u32(msg, RDMA_NLDEV_ATTR_MIN_RANGE, first) ||
		    nla_put_u32(msg, RDMA_NLDEV_ATTR_MAX_RANGE, last))
			goto err;
	}

	nla_nest_end(msg, entry_attr);
	return 0;

err:
	nla_nest_cancel(msg, entry_attr);
	return -EMSGSIZE;
}

/*
 * List the QPs that @match says belong to @owner, one by one or, where their
 * numbers follow each other, as @ranges.
 */
static int fill_qps(struct sk_buff *msg, struct ib_device *dev,
		    bool (*match)(const struct ib_qp *qp, const void *owner),
		    const void *owner, bool ranges)
{
	struct nlattr *table_attr;
	int num, i, ret = 0;
	u32 *qpns, first;

	num = restrack_qpns(dev, match, owner, &qpns);
	if (num < 0)
		return num;

	table_attr = nla_nest_start(msg, RDMA_NLDEV_ATTR_RES_QP);
	if (!table_attr) {
		ret = -EMSGSIZE;
		goto out;
	}

	for (i = 0; i < num && !ret; i++) {
		first = qpns[i];
		while (ranges && i + 1 < num && qpns[i + 1] <= qpns[i] + 1)
			i++;
		ret = fill_qp_range(msg, first, qpns[i]);
	}

	if (ret)
		nla_nest_cancel(msg, table_attr);
	else
		nla_nest_end(msg, table_attr);
out:
	kvfree(qpns);
	return ret;
}

/**
 * restrack_fill_srq_qps() - list the QPs that use an SRQ, as ranges
 * @msg: netlink message
 * @srq: the SRQ, which the caller holds a reference to
 *
 * Return: 0, -EMSGSIZE if the message is full, or -ENOMEM.
 */
int restrack_fill_srq_qps(struct sk_buff *msg, struct ib_srq *srq)
{
	return fill_qps(msg, srq->device, qp_has_srq, srq, true);
}

/**
 * restrack_fill_counter_qps() - list the QPs that are bound to a counter
 * @msg: netlink message
 * @counter: the counter, which the caller holds a reference to
 *
 * Return: 0, -EMSGSIZE if the message is full, or -ENOMEM.
 */
int restrack_fill_counter_qps(struct sk_buff *msg,
			      struct rdma_counter *counter)
{
	return fill_qps(msg, counter->device, qp_has_counter, counter, false);
}
