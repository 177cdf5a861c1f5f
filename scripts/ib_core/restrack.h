/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of ib_core for netlink messages about tracked objects. The tracker is
 * rdma_restrack.ko, its interface <rdma/restrack.h>.
 */

#ifndef _RDMA_CORE_RESTRACK_H_
#define _RDMA_CORE_RESTRACK_H_

#include <rdma/restrack.h>

struct ib_device;
struct netlink_callback;
struct nlmsghdr;
struct sk_buff;

typedef int (*restrack_fill_t)(struct sk_buff *msg, bool has_cap_net_admin,
			       struct rdma_restrack_entry *res, u32 port);

int restrack_dump(struct sk_buff *skb, struct netlink_callback *cb,
		  struct ib_device *dev, enum rdma_restrack_type type,
		  int attrtype, restrack_fill_t fill, u32 port,
		  bool show_details);
int restrack_fill_byid(struct sk_buff *msg, const struct nlmsghdr *nlh,
		       struct ib_device *dev, enum rdma_restrack_type type,
		       u32 id, restrack_fill_t fill, bool has_cap_net_admin,
		       u32 port);

#endif /* _RDMA_CORE_RESTRACK_H_ */
