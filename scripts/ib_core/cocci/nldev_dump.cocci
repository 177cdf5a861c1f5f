// SPDX-License-Identifier: GPL-2.0
//
// A dump kept the ordinal of the object to go on with, which cost time in the
// square of their number and skipped live objects when earlier ones went away
// between two messages; and it tried for ever to put an object into a message
// that was too small for it. restrack_dump() takes the keys of all objects when
// the dump begins, and gives up with an error when there is no hope.
//
// One object by its number comes from the same file, so that no memory is
// allocated while it is referenced.
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
+	/* Nothing was left to dump: an empty message is the end */
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
