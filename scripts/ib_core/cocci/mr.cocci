// SPDX-License-Identifier: GPL-2.0
//
// A driver may refuse to deregister a memory region, which must then be listed as
// before. If it does not refuse it frees the region, with the entry in it, so the
// entry must not be touched afterwards. Another entry stands in for it while the
// driver works.
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
