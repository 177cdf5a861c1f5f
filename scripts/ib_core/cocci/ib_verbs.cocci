// SPDX-License-Identifier: GPL-2.0
//
// The root of the tracker becomes a member of the device. It was an array that
// had to be allocated and freed, and a lookup had to follow one more pointer. The
// forward declaration goes, as ib_verbs.h includes rdma/restrack.h.
//
// An XRC domain gets an entry, like other objects.
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
