// SPDX-License-Identifier: GPL-2.0
//
// The root of the tracker is a member of the device, and both functions take it
// instead of the device. rdma_restrack_init() allocates nothing, so it cannot
// fail.
//
// File: drivers/infiniband/core/device.c
// Rule init: 1 place, +1 -4
// Rule clean: 1 place, +1 -1

@init@
identifier device;
@@
-if (rdma_restrack_init(device)) {
-	...
-}
+rdma_restrack_init(&device->res);

@clean@
identifier device;
@@
-rdma_restrack_clean(device);
+rdma_restrack_clean(&device->res);
