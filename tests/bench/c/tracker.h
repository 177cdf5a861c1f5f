/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracker inside ib_core, as the benchmark sees it.
 */

#ifndef BENCH_TRACKER_H
#define BENCH_TRACKER_H

#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>
/* of ib_core: declares the exported functions that add and delete */
#include "restrack.h"

static inline int tracker_count(struct ib_device *dev,
				enum rdma_restrack_type type)
{
	return rdma_restrack_count(dev, type, false);
}

#endif /* BENCH_TRACKER_H */
