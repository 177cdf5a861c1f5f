// SPDX-License-Identifier: GPL-2.0
//
// The tracker's root is a part of the device and its initialisation allocates
// nothing, so there is no failure to handle any more. Both functions take the
// root instead of the device.
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
