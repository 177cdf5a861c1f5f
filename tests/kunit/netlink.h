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

/* A list of all objects of a type. */
struct listing {
	struct socket *socket;
	/* the attributes that hold the objects, and their numbers */
	u16 table;
	u16 number;
	/* the allocation that was to fail did */
	bool hit;
	/* 0 or an error, and true if it was marked as interrupted */
	int error;
	bool interrupted;
	int nr;
	u32 numbers[300];
};

/* Asks for a list, of which netlink makes the first message. @nth as in an inquiry. */
struct listing *begin_listing(struct kunit *test, struct verbs_device *dev, int op,
			      u16 table, u16 number, int nth);

#define BEGIN_LISTING(test, dev, TYPE, NUMBER, nth)					\
	begin_listing(test, dev, RDMA_NLDEV_CMD_RES_##TYPE##_GET,			\
		      RDMA_NLDEV_ATTR_RES_##TYPE, RDMA_NLDEV_ATTR_RES_##NUMBER, nth)

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

/* Requests about the counters of QPs on the first port. */
int set_automatic(struct kunit *test, struct verbs_device *dev, u32 mask);
int bind_new(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 *counter);
int bind_to(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);
int unbind(struct kunit *test, struct verbs_device *dev, u32 qpn, u32 counter);

#endif /* _RESTRACK_KUNIT_NETLINK_H_ */
