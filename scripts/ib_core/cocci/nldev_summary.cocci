// SPDX-License-Identifier: GPL-2.0
//
// The summary of a device gets XRC domains. It counts all objects, whoever asks,
// as the lists show all of them and leave out only the pids of owners that have
// none in the reader's PID namespace.
//
// File: drivers/infiniband/core/nldev.c
// Rule count: 1 place, +2 -1
// Rule names: 1 place, +1 -0

@count@
identifier device, type, show_details;
expression curr;
@@
 fill_res_info(..., struct ib_device *device, bool show_details)
 {
 	<+...
-	curr = rdma_restrack_count(device, type, show_details);
+	curr = rdma_restrack_count_details(&device->res, type, NULL, show_details);
 	...+>
 }

@names@
identifier names;
@@
 const char * const names[RDMA_RESTRACK_MAX] = {
 	...,
 	[RDMA_RESTRACK_QP] = "qp",
+	[RDMA_RESTRACK_XRCD] = "xrcd",
 	...,
 };
