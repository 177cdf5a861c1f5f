// SPDX-License-Identifier: GPL-2.0
//
// A driver may refuse to give up a memory region, which is alive then and has to
// be listed as before. And if it does not refuse, it has freed the region, with
// the tracker's entry in it: nothing of it may be touched then. So another entry
// stands in for it while the driver has it.
//
// File: drivers/infiniband/core/verbs.c
// Rule dereg: 1 place, +8 -1

@dereg@
identifier mr, ret;
@@
 ib_dereg_mr_user(struct ib_mr *mr, ...)
 {
 	...
+	struct rdma_restrack_stand_in stand_in;
 	int ret;
 	...
-	rdma_restrack_del(&mr->res);
+	rdma_restrack_begin_free(&mr->res, &stand_in);
 	ret = mr->device->ops.dereg_mr(...);
+	if (ret) {
+		rdma_restrack_abort_free(&mr->res, &stand_in);
+		return ret;
+	}
+
+	rdma_restrack_commit_free(&stand_in);
 	...
 }
