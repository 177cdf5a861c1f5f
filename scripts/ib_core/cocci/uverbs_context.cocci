// SPDX-License-Identifier: GPL-2.0
//
// A context that could not be set up, because the file has one already or the
// driver refused it, was freed together with the reference to its owner.
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
