// SPDX-License-Identifier: GPL-2.0
//
// The structures that ib_core shares with drivers and with users of RDMA in the
// kernel are laid out differently with this tracker. A kernel without
// MODVERSIONS does not notice when a module that was built for its own ib_core
// is loaded on top of this one, and memory would be overwritten. So the two
// functions that each such module needs one of, to register a device or to use
// one, are exported under other names: the loader refuses that module, with
// "Unknown symbol". Sources do not see the difference.
//
// File: include/rdma/ib_verbs.h
// Rule drivers: 1 place, +2 -0
// Rule users: 1 place, +2 -0

@drivers@
symbol _ib_alloc_device;
@@
+/* Drivers built for another layout of struct ib_device must not link */
+#define _ib_alloc_device _ib_alloc_device_restrack
 struct ib_device *_ib_alloc_device(...);

@users@
symbol __ib_alloc_pd;
@@
+/* Nor must users of the device that were */
+#define __ib_alloc_pd __ib_alloc_pd_restrack
 struct ib_pd *__ib_alloc_pd(...);
