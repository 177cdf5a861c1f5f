// SPDX-License-Identifier: GPL-2.0
//
// A dump kept the ordinal of the object to go on with, which cost time in the
// square of their number and skipped live objects when earlier ones went away
// between two messages; and it tried for ever to put an object into a message
// that was too small for it. restrack_dump() walks with the tracker's cursor,
// which is exact, and gives up with an error when there is no hope.
//
// The end of the dump says whether the table changed meanwhile.
//
// File: drivers/infiniband/core/nldev.c
// Rule walk: 1 place, +6 -52
// Rule locals: 1 place, +1 -8

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
