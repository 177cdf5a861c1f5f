// SPDX-License-Identifier: GPL-2.0
//
// Both walks over the counters of a device held the spinlock of the C tracker.
// rdma_restrack_for_each() gives each counter with a reference, so it stays, and
// nobody has to wait.
//
// Automatic mode compares the owner of a counter with the owner of a QP, so it
// skips counters of the kernel, which have no task. It compares processes and not
// pids: exec by another thread changes the pid of the task, and the pid of a
// process that has ended is used again. The reference to the entry keeps the
// memory of the counter until a reference to the counter is taken. A counter
// that is being released does not end the search.
//
// File: drivers/infiniband/core/counters.c
// Options: --smpl-spacing
// Rule auto_mode: 1 place, +14 -17
// Rule signal_h: 1 place, +1 -0
// Rule owners: 1 place, +1 -2
// Rule hwstat_sum: 1 place, +5 -20

@auto_mode@
iterator name xa_for_each, rdma_restrack_for_each;
identifier qp, port, dev, counter, res, rt, id;
statement walk, get;
@@
 rdma_get_counter_auto_mode(struct ib_qp *qp, u32 port)
 {
 	...
-	struct rdma_counter *counter = NULL;
+	struct rdma_counter *counter;
 	...
-	struct rdma_restrack_root *rt;
-	unsigned long id = 0;
+	struct rdma_restrack_root *rt = &dev->res;
+	u64 cursor;
 	...
-	rt = &dev->res[RDMA_RESTRACK_COUNTER];
-	xa_lock(&rt->xa);
-	xa_for_each(&rt->xa, id, res) walk
-	if (counter && !kref_get_unless_zero(&counter->kref)) get
-	xa_unlock(&rt->xa);
-	return counter;
+	rdma_restrack_for_each(res, rt, RDMA_RESTRACK_COUNTER, cursor, true) {
+		counter = container_of(res, struct rdma_counter, res);
+		if (counter->port != port || rdma_is_kernel_res(res))
+			continue;
+		if (!auto_mode_match(qp, counter, port_counter->mode.mask))
+			continue;
+		if (!kref_get_unless_zero(&counter->kref))
+			continue;
+
+		rdma_restrack_put(res);
+		return counter;
+	}
+
+	return NULL;
 }

@hwstat_sum@
iterator name xa_for_each, rdma_restrack_for_each;
identifier dev, port, index, counter, res, rt, id, sum;
statement walk;
@@
 get_running_counters_hwstat_sum(struct ib_device *dev, u32 port, u32 index)
 {
 	...
-	struct rdma_restrack_root *rt;
+	struct rdma_restrack_root *rt = &dev->res;
 	struct rdma_counter *counter;
-	unsigned long id = 0;
 	u64 sum = 0;
+	u64 cursor;
 	...
-	rt = &dev->res[RDMA_RESTRACK_COUNTER];
-	xa_lock(&rt->xa);
-	xa_for_each(&rt->xa, id, res) walk
-	xa_unlock(&rt->xa);
+	rdma_restrack_for_each(res, rt, RDMA_RESTRACK_COUNTER, cursor, true) {
+		counter = container_of(res, struct rdma_counter, res);
+		if (counter->port == port && !rdma_counter_query_stats(counter))
+			sum += counter->stats->value[index];
+	}
+
 	return sum;
 }

@signal_h@
@@
 #include <rdma/rdma_counter.h>
+#include <linux/sched/signal.h>

@owners@
identifier qp, counter;
@@
 auto_mode_match(struct ib_qp *qp, struct rdma_counter *counter, ...)
 {
 	<+...
-	(task_pid_nr(counter->res.task) == task_pid_nr(qp->res.task))
+	same_thread_group(counter->res.task, qp->res.task)
 	...+>
 }
