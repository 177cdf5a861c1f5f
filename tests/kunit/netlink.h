/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to the RDMA core through a netlink socket, as rdma(8) makes them.
 */

#ifndef _RESTRACK_KUNIT_NETLINK_H_
#define _RESTRACK_KUNIT_NETLINK_H_

#include <rdma/rdma_netlink.h>
#include "verbs_device.h"

/* An attribute of a request: a string if there is one, else a number. */
struct given {
	u16 type;
	u32 value;
	const char *text;
};

struct inquiry {
	/* the socket is in the network namespace of this device, or in the initial one */
	struct verbs_device *dev;
	int op;
	int flags;
	const struct given *attr;
	int nr;
	/* the wanted attribute of the answer, its buffer, and the size of that */
	u16 wanted;
	void *into;
	int room;
	/* which allocation fails, 0 for none; set to true if it did */
	int nth;
	bool hit;
};

/* Sends a request and reads the answer. Returns 0 or an error. */
int inquire(struct kunit *test, struct inquiry *inquiry);

/* An attribute of an answer, with others in it. */
struct nest {
	struct nlattr first[256];
};

#define for_each_in(attr, nest, rest)					\
	nla_for_each_attr(attr, (nest)->first, sizeof(*(nest)), rest)

/* Sends a request that must succeed. Returns an attribute of the answer. */
struct nest *ask_nest(struct kunit *test, struct verbs_device *dev, int op,
		      const struct given *attr, int nr, u16 wanted);

#define ASK_NEST(test, dev, op, wanted, ...)						\
({											\
	const struct given __attr[] = { DEV(dev), __VA_ARGS__ };			\
											\
	ask_nest(test, dev, RDMA_NLDEV_CMD_##op, __attr, ARRAY_SIZE(__attr), wanted);	\
})

/* How many objects of this name the summary has; -ENOENT if it lacks the name. */
int summary(struct kunit *test, struct verbs_device *dev, const char *name, bool details);

/* A list of all objects of a type. */
struct listing {
	struct socket *socket;
	/* the attributes that hold the objects, and their numbers */
	u16 table;
	u16 number;
	/* the allocation that was to fail did */
	bool hit;
	/* 0 or an error */
	int error;
	/* the last message was marked as interrupted; one before it was */
	bool interrupted;
	bool marked_early;
	/* how many messages there were before the last, and objects in them */
	int messages;
	int objects;
	int nr;
	u32 numbers[300];
	/* what to do with each object, if there is something to do */
	void (*look)(void *data, struct nlattr *object);
	void *data;
};

/*
 * Asks for a list, of which netlink makes the first message. The nth allocation fails,
 * 0 for none.
 */
struct listing *begin_listing(struct kunit *test, struct verbs_device *dev, int op,
			      u16 table, u16 number, const struct given *attr, int nr, int nth);

#define LIST(test, dev, op, table, number, nth, ...)					\
({											\
	const struct given __attr[] = { DEV(dev), ##__VA_ARGS__ };			\
											\
	begin_listing(test, dev, RDMA_NLDEV_CMD_##op, RDMA_NLDEV_ATTR_##table,		\
		      RDMA_NLDEV_ATTR_##number, __attr, ARRAY_SIZE(__attr), nth);	\
})

#define BEGIN_LISTING(test, dev, TYPE, NUMBER, nth, ...)				\
	LIST(test, dev, RES_##TYPE##_GET, RES_##TYPE, RES_##NUMBER, nth, ##__VA_ARGS__)

/* Reads it to its end. */
void finish_listing(struct kunit *test, struct listing *listing);

/* As inquire(); *@counter gets the number of a counter, if the answer has one. */
int ask(struct kunit *test, struct verbs_device *dev, int op, int flags,
	const struct given *attr, int nr, u32 *counter);

#define ASK(test, dev, op, counter, ...)					\
({										\
	const struct given __attr[] = { DEV(dev), __VA_ARGS__ };		\
										\
	ask(test, dev, RDMA_NLDEV_CMD_##op, 0, __attr, ARRAY_SIZE(__attr), counter); \
})

#define DEV(dev)	{ RDMA_NLDEV_ATTR_DEV_INDEX, (dev)->ib.index }
#define ON_PORT(port)	{ RDMA_NLDEV_ATTR_PORT_INDEX, port }
#define FOR_QPS		{ RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_QP }
#define MANUAL		{ RDMA_NLDEV_ATTR_STAT_MODE, RDMA_COUNTER_MODE_MANUAL }
#define QP(number)	{ RDMA_NLDEV_ATTR_RES_LQPN, number }
#define COUNTER(id)	{ RDMA_NLDEV_ATTR_STAT_COUNTER_ID, id }
#define WITH_DETAILS	{ RDMA_NLDEV_ATTR_DRIVER_DETAILS, 1 }

/* Requests about the counters of QPs on the first port. */
int set_automatic(struct kunit *test, struct verbs_device *dev, u32 mask);
int bind_new(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 *counter);
int bind_to(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);
int unbind(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);

#endif /* _RESTRACK_KUNIT_NETLINK_H_ */
