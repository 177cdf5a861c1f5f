// SPDX-License-Identifier: GPL-2.0
//
// XRC domains are tracked from their creation by the driver to their destruction.
// A domain that a process opened belongs to that process. Callers in the kernel
// cannot give a name, and there are none in the tree: such a domain belongs to
// ib_core.
//
// The driver may refuse to destroy a domain, so it is deleted in two steps, as the
// other objects are.
//
// File: drivers/infiniband/core/verbs.c
// Rule alloc: 1 place, +5 -0
// Rule alloc_failed: 1 place, +1 -0
// Rule dealloc: 1 place, +6 -1

@alloc@
identifier dev, xrcd, udata, ret;
statement failed;
@@
 ib_alloc_xrcd_user(..., struct ib_udata *udata)
 {
 	...
+	rdma_restrack_new(&xrcd->res, RDMA_RESTRACK_XRCD);
+	rdma_restrack_set_name(&xrcd->res, udata ? NULL : KBUILD_MODNAME);
+
 	ret = dev->ops.alloc_xrcd(xrcd, udata);
 	if (ret)
 		failed
+
+	rdma_restrack_add(&xrcd->res);
 	return xrcd;
 	...
 }

@alloc_failed@
identifier xrcd;
@@
 ib_alloc_xrcd_user(...)
 {
 	<+...
+	rdma_restrack_put(&xrcd->res);
 	kfree(xrcd);
 	...+>
 }

@dealloc@
identifier xrcd, ret;
@@
 ib_dealloc_xrcd_user(struct ib_xrcd *xrcd, ...)
 {
 	...
+	rdma_restrack_begin_del(&xrcd->res);
 	ret = xrcd->device->ops.dealloc_xrcd(...);
-	if (ret)
+	if (ret) {
+		rdma_restrack_abort_del(&xrcd->res);
 		return ret;
+	}
+
+	rdma_restrack_commit_del(&xrcd->res);
 	kfree(xrcd);
 	...
 }
