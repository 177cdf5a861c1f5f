// SPDX-License-Identifier: GPL-2.0
//
// The root of the tracker is a member of the device and not an array somewhere
// else: nothing to allocate, nothing to free, and a lookup has one pointer less
// to follow. Its type is complete here because ib_verbs.h includes
// rdma/restrack.h, so the forward declaration goes.
//
// An XRC domain is an object with an owner like any other; give it the entry
// that the tracker needs.
//
// File: include/rdma/ib_verbs.h
// Rule forward: 1 place, +0 -2
// Rule root: 1 place, +2 -1
// Rule xrcd: 1 place, +3 -0

@forward@
@@
-struct rdma_restrack_root;

@root@
@@
+
 struct ib_device {
 	...
-	struct rdma_restrack_root *res;
+	struct rdma_restrack_root res;
 	...
 };

@xrcd@
@@
 struct ib_xrcd {
 	...
 	struct xarray tgt_qps;
+
+	/* private: for the RDMA core, not for drivers */
+	struct rdma_restrack_entry res;
 };
