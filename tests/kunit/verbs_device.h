/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device that the real ib_core allocated and works on. It is not
 * registered unless a test does so, so nobody else sees it; its verbs succeed or
 * fail as a test wants.
 */

#ifndef _RESTRACK_KUNIT_VERBS_DEVICE_H_
#define _RESTRACK_KUNIT_VERBS_DEVICE_H_

#include <kunit/test.h>
#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>

struct verbs_device {
	struct ib_device ib;
	/* what the verbs that create, and those that destroy, return */
	int create_error;
	int destroy_error;
	/* the number of the next QP, and whether nobody is to see it */
	u32 qp_num;
	bool hide_qps;
	/* what asking for the QP of this number returns */
	u32 bad_qp;
	int query_error;
	/* the last memory region that a process registered */
	struct ib_mr *mr;
	/* does a process that registers one again get another one? */
	bool another_mr;
	/* tracked objects at the time of the last verb, of the type it works on */
	int seen;
	/* what binding a QP to a counter, and the reverse, return; how often it was tried */
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
