// SPDX-License-Identifier: GPL-2.0
//
// The lists of the QPs of an SRQ and of a counter were made under the tracker's
// spinlock, and the second one without a reference to the QPs it looked at.
// restrack_nl.c has both now. An SRQ whose list cannot be made for want of
// memory says so, instead of claiming that the message is full.
//
// File: drivers/infiniband/core/nldev.c
// Rule srq_range: 1 place, +0 -29
// Rule srq_qps: 1 place, +0 -57
// Rule srq_caller: 1 place, +4 -2
// Rule counter_qp: 1 place, +0 -19
// Rule counter_qps: 1 place, +0 -36
// Rule counter_caller: 1 place, +7 -4

@srq_range@
@@
-fill_res_range_qp_entry(...) { ... }

@srq_qps@
@@
-fill_res_srq_qps(...) { ... }

@srq_caller@
identifier msg, srq, dev;
statement failed;
@@
 fill_res_srq_entry(struct sk_buff *msg, ...)
 {
 	...
 	struct ib_device *dev = ...;
+	int ret;
 	...
-	if (fill_res_srq_qps(msg, srq))
-		failed
+	ret = restrack_fill_srq_qps(msg, srq);
+	if (ret)
+		return ret;
 	...
 }

@counter_qp@
@@
-fill_stat_counter_qp_entry(...) { ... }

@counter_qps@
@@
-fill_stat_counter_qps(...) { ... }

@counter_caller@
identifier msg, counter;
expression done;
statement failed;
@@
 fill_res_counter_entry(struct sk_buff *msg, ...)
 {
 	struct rdma_counter *counter = ...;
+	int ret;
 	...
 	if (done
-	    || fill_stat_counter_qps(msg, counter)
-	    || fill_stat_counter_hwcounters(msg, counter)
 	   )
 		failed
+
+	ret = restrack_fill_counter_qps(msg, counter);
+	if (ret)
+		return ret;
-	return 0;
+	return fill_stat_counter_hwcounters(msg, counter);
 }
