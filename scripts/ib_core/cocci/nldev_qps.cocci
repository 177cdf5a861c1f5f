// SPDX-License-Identifier: GPL-2.0
//
// The lists of the QPs of an SRQ and of a counter were made with the spinlock of
// the C tracker held, the second one without a reference to the QPs. Now
// restrack_nl.c makes them, before it takes a reference to the SRQ or the counter,
// and adds them after the attributes of these functions.
//
// File: drivers/infiniband/core/nldev.c
// Rule srq_range: 1 place, +0 -29
// Rule srq_qps: 1 place, +0 -57
// Rule srq_caller: 1 place, +0 -3
// Rule counter_qp: 1 place, +0 -19
// Rule counter_qps: 1 place, +0 -36
// Rule counter_caller: 1 place, +1 -2

@srq_range@
@@
-fill_res_range_qp_entry(...) { ... }

@srq_qps@
@@
-fill_res_srq_qps(...) { ... }

@srq_caller@
identifier msg, srq;
statement failed;
@@
 fill_res_srq_entry(struct sk_buff *msg, ...)
 {
 	...
-	if (fill_res_srq_qps(msg, srq))
-		failed
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
expression before, behind;
@@
 fill_res_counter_entry(struct sk_buff *msg, ...)
 {
 	...
 	if (before
-	    || fill_stat_counter_qps(msg, counter)
 	    || behind)
 		return ...;
 	...
 }
