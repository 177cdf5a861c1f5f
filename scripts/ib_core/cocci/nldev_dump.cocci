// SPDX-License-Identifier: GPL-2.0
//
// A dump remembered between two messages how many objects it had passed. That took
// time in the square of their number, and skipped live objects when earlier ones
// went. It also never ended if an object did not fit a message. restrack_dump()
// collects the keys of all objects when the dump begins, and ends with an error if
// an object cannot fit.
//
// restrack_fill_byid() describes one object by its number. It allocates no memory
// while it holds a reference to the object.
//
// File: drivers/infiniband/core/nldev.c
// Rule walk: 1 place, +6 -52
// Rule locals: 1 place, +1 -8
// Rule doit: 1 place, +0 -5
// Rule doit_fill: 1 place, +2 -1
// Rule doit_put: 1 place, +0 -4

@walk@
iterator name xa_for_each;
identifier skb, cb, type, fill, fe, table, nlh, rt, idx, device, port, capable;
identifier id, res, details, filled, full;
symbol ret, false;
statement body, none;
@@
 res_get_common_dumpit(struct sk_buff *skb, struct netlink_callback *cb,
		       enum rdma_restrack_type type, res_fill_func_t fill)
 {
 	const struct nldev_fill_res_entry *fe = ...;
 	...
 	bool details = false;
 	...
 	u32 port = 0;
 	...
-	capable = netlink_capable(...);
-	rt = &device->res[type];
-	xa_lock(&rt->xa);
-	xa_for_each(&rt->xa, id, res) body
-	xa_unlock(&rt->xa);
-full:
+	ret = restrack_dump(skb, cb, device, type, fe->entry, fill, port, details);
+	if (ret < 0)
+		goto res_err;
+
 	nla_nest_end(skb, table);
 	nlmsg_end(skb, nlh);
-	cb->args[0] = idx;
-	if (!filled)
+	/* nothing left to dump: an empty message ends it */
+	if (!ret)
 		none
 	...
 }

@locals@
identifier cb, res, rt, start, capable, id, filled;
symbol idx, entry_attr, false;
@@
 res_get_common_dumpit(..., struct netlink_callback *cb, ...)
 {
 	...
-	struct rdma_restrack_entry *res;
-	struct rdma_restrack_root *rt;
-	int idx = 0;
 	...
-	struct nlattr *entry_attr;
 	...
-	int start = cb->args[0];
-	bool capable;
 	...
-	unsigned long id;
 	...
-	bool filled = false;
 	...
 }

@doit@
identifier device, type, id, res;
@@
 res_get_common_doit(...)
 {
 	<+...
-	res = rdma_restrack_get_byid(device, type, id);
-	if (IS_ERR(res)) {
-		...
-	}
 	...+>
 }

@doit_fill@
symbol device, id, ret;
identifier type, nlh, fill, capable, msg, res, port;
@@
 res_get_common_doit(struct sk_buff *skb, struct nlmsghdr *nlh,
		     struct netlink_ext_ack *extack,
		     enum rdma_restrack_type type, res_fill_func_t fill)
 {
 	<+...
-	ret = fill(msg, capable, res, port);
+	ret = restrack_fill_byid(msg, nlh, device, type, id, fill, capable, port);
 	...+>
 }

@doit_put@
identifier res;
@@
 res_get_common_doit(...)
 {
 	...
-	struct rdma_restrack_entry *res;
 	<+...
-	rdma_restrack_put(res);
 	...+>
 }
