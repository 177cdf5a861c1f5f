/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to the RDMA core through a netlink socket, as those of rdma(8) are.
 */

#ifndef _RESTRACK_KUNIT_NETLINK_H_
#define _RESTRACK_KUNIT_NETLINK_H_

#include <rdma/rdma_netlink.h>
#include "verbs_device.h"

/* An attribute of a request: a text, or else a number. */
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
	/* the attribute of the answer that is wanted, where it goes, and the room there */
	u16 wanted;
	void *into;
	int room;
	/* the allocation for the request that fails; 0 is none. Was there one? */
	int nth;
	bool hit;
};

/* Send a request and read the answer: 0 or an error. */
int inquire(struct kunit *test, struct inquiry *inquiry);

/* A list of all objects of a type. */
struct listing {
	struct socket *socket;
	/* the attribute that encloses the objects, and the one that has their numbers */
	u16 table;
	u16 number;
	/* did an allocation fail that was to? */
	bool hit;
	/* how it ended: 0 or an error, and whether it was marked as interrupted */
	int error;
	bool interrupted;
	int nr;
	u32 numbers[300];
};

/* Ask for a list; its first message is made at once. @nth as for an inquiry. */
struct listing *begin_listing(struct kunit *test, struct verbs_device *dev, int op,
			      u16 table, u16 number, int nth);

#define BEGIN_LISTING(test, dev, TYPE, NUMBER, nth)					\
	begin_listing(test, dev, RDMA_NLDEV_CMD_RES_##TYPE##_GET,			\
		      RDMA_NLDEV_ATTR_RES_##TYPE, RDMA_NLDEV_ATTR_RES_##NUMBER, nth)

/* Read it to its end. */
void finish_listing(struct kunit *test, struct listing *listing);

/* The same, where the answer may have the number of a counter. */
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

/* Counters for QPs on the first port. */
int set_automatic(struct kunit *test, struct verbs_device *dev, u32 mask);
int bind_new(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 *counter);
int bind_to(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);
int unbind(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);

#endif /* _RESTRACK_KUNIT_NETLINK_H_ */
