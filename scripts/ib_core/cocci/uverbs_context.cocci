// SPDX-License-Identifier: GPL-2.0
//
// A context is freed if the file has one already or the driver refuses it. Its
// reference to the owner was lost; rdma_restrack_put() drops it.
//
// File: drivers/infiniband/core/uverbs_std_types_device.c
// Rule failed: 1 place, +1 -0

@failed@
identifier attrs, ret;
@@
 ret = ib_init_ucontext(attrs);
 if (ret) {
+	rdma_restrack_put(&attrs->context->res);
 	kfree(attrs->context);
 	...
 }
