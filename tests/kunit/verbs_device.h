/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device of the real ib_core, not registered unless a test does that. The
 * test decides whether its verbs succeed.
 */

#ifndef _RESTRACK_KUNIT_VERBS_DEVICE_H_
#define _RESTRACK_KUNIT_VERBS_DEVICE_H_

#include <kunit/test.h>
#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>
#include "found.h"

struct verbs_device {
	struct ib_device ib;
	/* what verbs that create return, and verbs that destroy */
	int create_error;
	int destroy_error;
	/* what making the memory region of a PD returns */
	int mr_error;
	/* the number of the next QP, and whether it is not to be tracked */
	u32 qp_num;
	bool hide_qps;
	/* ib_query_qp() of the QP with this number returns this */
	u32 bad_qp;
	int query_error;
	/* the last memory region that a process registered */
	struct ib_mr *mr;
	/* true: re-registering makes a new memory region */
	bool another_mr;
	/* how many objects of its type were tracked during the last verb */
	int seen;
	/* what binding a QP to a counter and unbinding it return; how many binds were tried */
	int bind_error;
	int unbind_error;
	int binds;
	/* the last numbers that were given out */
	u32 last_counter;
	u32 last_qp;
};

static inline struct verbs_device *to_verbs_device(struct ib_device *ib)
{
	return container_of(ib, struct verbs_device, ib);
}

struct verbs_device *verbs_device(struct kunit *test);

static inline int verbs_count(struct verbs_device *dev, enum rdma_restrack_type type)
{
	return rdma_restrack_count_details(&dev->ib.res, type, NULL, true);
}

#endif /* _RESTRACK_KUNIT_VERBS_DEVICE_H_ */
