/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QPs of processes and of the kernel, on a registered device.
 */

#ifndef _RESTRACK_KUNIT_COUNTED_QP_H_
#define _RESTRACK_KUNIT_COUNTED_QP_H_

#include <rdma/uverbs_ioctl.h>
#include "mock_owner.h"
#include "verbs_device.h"

struct counted_qp {
	struct verbs_device *dev;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct ib_qp *qp;
	enum ib_qp_type type;
	u32 number;
	bool hidden;
	bool kernel;
	/* what a process is known by to the uverbs layer */
	struct uverbs_attr_bundle attrs;
	int ret;
};

/* A QP of a process, or of the kernel if there is none; destroyed when the test ends. */
struct counted_qp *new_qp(struct kunit *test, struct verbs_device *dev,
			  struct mock_owner *process, enum ib_qp_type type, bool hidden);
void destroy_qp(void *data);

/* To be bound, if counters are given out automatically. */
void init_qp(struct kunit *test, struct counted_qp *c, struct mock_owner *process);

/* Nobody but the tests has a reference to the QP: it can be destroyed. */
void expect_unreferenced(struct kunit *test, struct counted_qp *c);

#endif /* _RESTRACK_KUNIT_COUNTED_QP_H_ */
