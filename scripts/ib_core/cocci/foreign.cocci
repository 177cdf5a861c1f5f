// SPDX-License-Identifier: GPL-2.0
//
// With this tracker the structures that ib_core shares with drivers and other
// modules have another layout. A kernel without MODVERSIONS would load a module
// that was built for its own ib_core on top of this one, and memory would be
// overwritten. Each driver needs _ib_alloc_device(), and each user of a device
// __ib_alloc_pd(). Both are exported under other names, so the loader refuses
// such a module with "Unknown symbol". The source of a module stays the same.
//
// File: include/rdma/ib_verbs.h
// Rule drivers: 1 place, +2 -0
// Rule users: 1 place, +2 -0

@drivers@
symbol _ib_alloc_device;
@@
+/* Drivers built for another layout of struct ib_device must not load, */
+#define _ib_alloc_device _ib_alloc_device_restrack
 struct ib_device *_ib_alloc_device(...);

@users@
symbol __ib_alloc_pd;
@@
+/* nor must users of such a device */
+#define __ib_alloc_pd __ib_alloc_pd_restrack
 struct ib_pd *__ib_alloc_pd(...);
