/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rdma_restrack, as the benchmark sees it.
 */

#ifndef BENCH_TRACKER_H
#define BENCH_TRACKER_H

#include <linux/pid_namespace.h>
#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>

static inline int tracker_count(struct ib_device *dev,
				enum rdma_restrack_type type)
{
	return rdma_restrack_count(&dev->res, type, &init_pid_ns);
}

#endif /* BENCH_TRACKER_H */
