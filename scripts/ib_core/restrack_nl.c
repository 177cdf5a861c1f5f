// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink messages about tracked objects: dumps of all objects of one type, one
 * object by its number, and the lists of QPs of an SRQ or a counter.
 *
 * A dump first collects the keys of all objects and sorts them by number. Then it
 * looks up one object after the other by its key. So it is a snapshot: an object
 * that went meanwhile is left out, and one that came later is not in it.
 *
 * No lock is held while objects are filled in. Nothing here allocates memory that
 * may wait for a disk while it holds a reference to an object: the disk may wait
 * for a connection, and that for the reference to its QP.
 */

#include <linux/capability.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/netlink.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_counter.h>
#include <rdma/rdma_netlink.h>

#include "restrack.h"

/* How many keys are collected between two calls of cond_resched() */
#define KEYS_AT_ONCE 1024

/**
 * struct restrack_dump_ctx - where a dump stands between two messages
 * @keys: keys of the objects to show, in ascending order; NULL if there was no
 *	memory for them
 * @num: number of keys
 * @next: index of the next key
 * @cursor: without @keys: cursor for rdma_restrack_keys()
 * @restores: rdma_restrack_restores() when the dump began
 * @tried: size of the largest message that was too small for the next object
 * @largest: size of the largest message of this dump
 * @begun: the keys have been collected
 * @passed: an object was left out because it was being deleted
 * @missed: an object was left out because of rdma_restrack_sync()
 */
struct restrack_dump_ctx {
	u64 *keys;
	u64 cursor;
	u32 num;
	u32 next;
	u32 restores;
	u32 tried;
	u32 largest;
	bool begun;
	bool passed;
	bool missed;
};

/**
 * struct restrack_qpns - numbers of QPs
 * @list: the numbers
 * @num: number of entries in @list
 * @max: size of @list
 */
struct restrack_qpns {
	u32 *list;
	u32 num;
	u32 max;
};

/**
 * struct restrack_query - a request
 * @root: root of the device
 * @type: type of the objects
 * @fill: adds the attributes of one object
 * @has_cap_net_admin: for @fill
 * @port: for @fill
 * @has_qpns: the answer has a list of QPs for each object
 * @qpns: that list
 */
struct restrack_query {
	struct rdma_restrack_root *root;
	enum rdma_restrack_type type;
	restrack_fill_t fill;
	bool has_cap_net_admin;
	u32 port;
	bool has_qpns;
	struct restrack_qpns qpns;
};

static int cmp_key(const void *a, const void *b)
{
	return cmp_int(*(const u64 *)a, *(const u64 *)b);
}

/*
 * Collect the keys of all objects of a type, in ascending order. The memory is
 * charged to the reader, without the OOM killer.
 *
 * Return: the keys, *@num of them, to be freed with kvfree(), or NULL.
 */
static u64 *restrack_sorted_keys(struct rdma_restrack_root *root,
				 enum rdma_restrack_type type,
				 bool show_details, u32 *num)
{
	u64 *keys = NULL, *more, cursor = 0;
	u32 max, got, want;

	/* with room for some that come meanwhile or are being deleted */
	max = rdma_restrack_count_details(root, type, NULL, show_details) + 64;
	*num = 0;
	for (;;) {
		more = kvrealloc(keys, array_size(max, sizeof(*keys)),
				 GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
				 __GFP_NOWARN);
		if (!more)
			goto err;
		keys = more;

		while (*num < max) {
			want = min(max - *num, KEYS_AT_ONCE);
			got = rdma_restrack_keys(root, type, &cursor,
						 show_details, keys + *num,
						 want);
			*num += got;
			if (got < want) {
				sort_nonatomic(keys, *num, sizeof(*keys),
					       cmp_key, NULL);
				return keys;
			}
			cond_resched();
		}
		if (check_add_overflow(max, max, &max))
			goto err;
	}

err:
	kvfree(keys);
	return NULL;
}

/* netlink calls this at the end of a dump, or when its socket is closed */
static int dump_done(struct netlink_callback *cb)
{
	struct restrack_dump_ctx *ctx = (void *)cb->ctx;

	kvfree(ctx->keys);
	return 0;
}

/* Note which objects are there: only those will be shown */
static void dump_begin(struct restrack_dump_ctx *ctx,
		       struct netlink_callback *cb,
		       struct rdma_restrack_root *root,
		       enum rdma_restrack_type type, bool show_details)
{
	ctx->restores = rdma_restrack_restores(root, type);
	ctx->keys = restrack_sorted_keys(root, type, show_details, &ctx->num);
	ctx->begun = true;
	cb->done = dump_done;
}

/*
 * Find the key of the next object, and the cursor after it.
 *
 * Return: false if there is none.
 */
static bool dump_peek(const struct restrack_dump_ctx *ctx,
		      struct rdma_restrack_root *root,
		      enum rdma_restrack_type type, bool show_details,
		      u64 *key, u64 *cursor)
{
	if (ctx->keys) {
		if (ctx->next == ctx->num)
			return false;
		*key = ctx->keys[ctx->next];
		return true;
	}
	*cursor = ctx->cursor;
	return rdma_restrack_keys(root, type, cursor, show_details, key, 1);
}

/* Go on to the next object */
static void dump_advance(struct restrack_dump_ctx *ctx, u64 cursor)
{
	ctx->next++;
	ctx->cursor = cursor;
	ctx->tried = 0;
}

/*
 * If an object may be missing that was there all the time, the message that ends
 * the dump gets NLM_F_DUMP_INTR. No earlier one does: libmnl drops a message with
 * that flag, and all after it.
 */
static void dump_end(const struct restrack_dump_ctx *ctx,
		     struct netlink_callback *cb,
		     struct rdma_restrack_root *root,
		     enum rdma_restrack_type type)
{
	if (!ctx->missed &&
	    (!ctx->passed || ctx->restores == rdma_restrack_restores(root, type)))
		return;

	/* netlink sets the flag if these two differ */
	cb->prev_seq = 1;
	cb->seq = 2;
}

static bool qp_has_srq(const struct ib_qp *qp,
		       const struct rdma_restrack_entry *srq)
{
	return qp->srq && &qp->srq->res == srq;
}

static bool qp_has_counter(const struct ib_qp *qp,
			   const struct rdma_restrack_entry *counter)
{
	struct rdma_counter *bound = READ_ONCE(qp->counter);

	return bound && &bound->res == counter;
}

static int cmp_qpn(const void *a, const void *b)
{
	return cmp_int(*(const u32 *)a, *(const u32 *)b);
}

static int add_qpn(struct restrack_qpns *qpns, u32 qpn)
{
	u32 *more, max;

	if (qpns->num == qpns->max) {
		if (check_add_overflow(qpns->max, max(qpns->max, 64U), &max))
			return -ENOMEM;
		more = kvrealloc(qpns->list, array_size(max, sizeof(*more)),
				 GFP_KERNEL);
		if (!more)
			return -ENOMEM;
		qpns->list = more;
		qpns->max = max;
	}
	qpns->list[qpns->num++] = qpn;
	return 0;
}

/*
 * Collect the numbers of the QPs of an SRQ or a counter, in ascending order.
 * @owner is its entry, and only compared: the caller holds no reference to it.
 *
 * Return: 0 or -ENOMEM.
 */
static int collect_qpns(struct restrack_query *query,
			const struct rdma_restrack_entry *owner)
{
	struct restrack_qpns *qpns = &query->qpns;
	struct rdma_restrack_entry *res;
	u64 cursor = 0;
	bool found;
	int ret;
	u32 qpn;

	qpns->num = 0;
	while ((res = rdma_restrack_next(query->root, RDMA_RESTRACK_QP, &cursor,
					 true))) {
		struct ib_qp *qp = container_of(res, struct ib_qp, res);

		if (query->type == RDMA_RESTRACK_SRQ)
			found = qp_has_srq(qp, owner);
		else
			found = qp_has_counter(qp, owner);
		qpn = qp->qp_num;
		rdma_restrack_put(res);
		if (!found)
			continue;
		ret = add_qpn(qpns, qpn);
		if (ret)
			return ret;
	}

	sort(qpns->list, qpns->num, sizeof(*qpns->list), cmp_qpn, NULL);
	return 0;
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

/* List QPs one by one or, where their numbers follow each other, as ranges */
static int fill_qpns(struct sk_buff *msg, const struct restrack_qpns *qpns,
		     bool ranges)
{
	struct nlattr *table_attr;
	u32 first, i;
	int ret;

	table_attr = nla_nest_start(msg, RDMA_NLDEV_ATTR_RES_QP);
	if (!table_attr)
		return -EMSGSIZE;

	for (i = 0; i < qpns->num; i++) {
		first = qpns->list[i];
		while (ranges && i + 1 < qpns->num &&
		       qpns->list[i + 1] <= qpns->list[i] + 1)
			i++;
		ret = fill_qp_range(msg, first, qpns->list[i]);
		if (ret) {
			nla_nest_cancel(msg, table_attr);
			return ret;
		}
	}

	nla_nest_end(msg, table_attr);
	return 0;
}

/* Returns true if the answer to this request has a list of QPs for each object */
static bool wants_qpns(const struct nlmsghdr *nlh, enum rdma_restrack_type type)
{
	return type == RDMA_RESTRACK_COUNTER ||
	       RDMA_NL_GET_OP(nlh->nlmsg_type) == RDMA_NLDEV_CMD_RES_SRQ_GET;
}

/*
 * Put an object into a message, with the list of its QPs if there is one, and drop
 * the reference to it.
 */
static int fill_and_put(struct sk_buff *msg, const struct restrack_query *query,
			struct rdma_restrack_entry *res)
{
	unsigned int noio = memalloc_noio_save();
	int ret;

	/* drivers may allocate memory here, which must not wait for a disk */
	ret = query->fill(msg, query->has_cap_net_admin, res, query->port);
	if (!ret && query->has_qpns)
		ret = fill_qpns(msg, &query->qpns, query->type == RDMA_RESTRACK_SRQ);
	memalloc_noio_restore(noio);
	rdma_restrack_put(res);
	return ret;
}

/* Find an object of a dump, and note if it is there but cannot be referenced */
static struct rdma_restrack_entry *dump_get(struct restrack_dump_ctx *ctx,
					    const struct restrack_query *query,
					    u64 key)
{
	struct rdma_restrack_entry *res =
		rdma_restrack_get_bykey(query->root, query->type, key);

	ctx->missed |= res == ERR_PTR(-EBUSY);
	ctx->passed |= res == ERR_PTR(-EAGAIN);
	return res;
}

/* Put an object into a message of a dump, and drop the reference to it */
static int dump_and_put(struct sk_buff *skb, struct restrack_dump_ctx *ctx,
			struct restrack_query *query, int attrtype, u64 key,
			struct rdma_restrack_entry *res)
{
	struct nlattr *entry_attr;
	int ret;

	if (query->has_qpns) {
		rdma_restrack_put(res);
		ret = collect_qpns(query, res);
		if (ret)
			return ret;
		/* the key stands for the same object, or for none */
		res = dump_get(ctx, query, key);
		if (IS_ERR(res))
			return -EAGAIN;
	}

	entry_attr = nla_nest_start_noflag(skb, attrtype);
	if (!entry_attr) {
		rdma_restrack_put(res);
		return -EMSGSIZE;
	}
	ret = fill_and_put(skb, query, res);
	if (ret)
		nla_nest_cancel(skb, entry_attr);
	else
		nla_nest_end(skb, entry_attr);
	return ret;
}

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
 * An object that does not fit comes first in the next message. If it does not fit
 * an empty message, a message without objects is sent, for the next one may be
 * larger: the first one is made before netlink knows the reader's buffer. If the
 * object does not fit then either, the dump ends with -EMSGSIZE. Any other error
 * of an object ends the dump too, after the objects before it were sent.
 *
 * Return: 1 if there was an object left to dump, 0 if there was none, or an
 * error.
 */
int restrack_dump(struct sk_buff *skb, struct netlink_callback *cb,
		  struct ib_device *dev, enum rdma_restrack_type type,
		  int attrtype, restrack_fill_t fill, u32 port,
		  bool show_details)
{
	struct restrack_dump_ctx *ctx = (void *)cb->ctx;
	struct restrack_query query = {
		.root = &dev->res,
		.type = type,
		.fill = fill,
		.has_cap_net_admin = netlink_capable(cb->skb, CAP_NET_ADMIN),
		.port = port,
		.has_qpns = wants_qpns(cb->nlh, type),
	};
	u32 room = skb->len + skb_tailroom(skb);
	struct rdma_restrack_entry *res;
	u64 key, cursor = 0;
	bool empty = true;
	int found = 0;
	int ret;

	NL_ASSERT_CTX_FITS(struct restrack_dump_ctx);

	if (!ctx->begun)
		dump_begin(ctx, cb, &dev->res, type, show_details);
	ctx->largest = max(ctx->largest, room);

	while (dump_peek(ctx, &dev->res, type, show_details, &key, &cursor)) {
		res = dump_get(ctx, &query, key);
		if (IS_ERR(res)) {
			dump_advance(ctx, cursor);
			continue;
		}

		found = 1;
		ret = dump_and_put(skb, ctx, &query, attrtype, key, res);
		if (!ret || ret == -EAGAIN) {
			empty &= !!ret;
			dump_advance(ctx, cursor);
			continue;
		}

		if (!empty)
			break;
		if (ret == -EMSGSIZE &&
		    (room > ctx->tried || room < ctx->largest)) {
			ctx->tried = room;
			/* later messages are at least as large as the largest one */
			cb->min_dump_alloc = ctx->largest;
			break;
		}
		found = ret;
		break;
	}

	if (!found)
		dump_end(ctx, cb, &dev->res, type);
	kvfree(query.qpns.list);
	return found;
}

/**
 * restrack_fill_byid() - put one object into a message
 * @msg: the message
 * @nlh: header of the request or of the answer, for what is asked
 * @dev: RDMA device
 * @type: type of the object
 * @id: number of the object
 * @fill: adds the attributes of the object
 * @has_cap_net_admin: for @fill
 * @port: for @fill
 *
 * Return: 0, -ENOENT if there is no such object, or another error.
 */
int restrack_fill_byid(struct sk_buff *msg, const struct nlmsghdr *nlh,
		       struct ib_device *dev, enum rdma_restrack_type type,
		       u32 id, restrack_fill_t fill, bool has_cap_net_admin,
		       u32 port)
{
	struct restrack_query query = {
		.root = &dev->res,
		.type = type,
		.fill = fill,
		.has_cap_net_admin = has_cap_net_admin,
		.port = port,
		.has_qpns = wants_qpns(nlh, type),
	};
	struct rdma_restrack_entry *res;
	int ret = 0;

	res = rdma_restrack_get_byid(dev, type, id);
	if (!IS_ERR(res) && query.has_qpns) {
		rdma_restrack_put(res);
		ret = collect_qpns(&query, res);
		if (!ret)
			res = rdma_restrack_get_byid(dev, type, id);
	}
	if (!ret)
		ret = IS_ERR(res) ? PTR_ERR(res) : fill_and_put(msg, &query, res);

	kvfree(query.qpns.list);
	return ret;
}
