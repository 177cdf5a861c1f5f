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
	/* how the uverbs layer knows the process */
	struct uverbs_attr_bundle attrs;
	int ret;
};

/* Makes a QP of a process, or of the kernel if @process is NULL, until the test ends. */
struct counted_qp *new_qp(struct kunit *test, struct verbs_device *dev,
			  struct mock_owner *process, enum ib_qp_type type, bool hidden);
void destroy_qp(void *data);

/* Moves the QP to INIT, which binds it in automatic mode. */
void init_qp(struct kunit *test, struct counted_qp *c, struct mock_owner *process);

/* Expects that nobody holds a reference to the QP, so it can be destroyed. */
void expect_unreferenced(struct kunit *test, struct counted_qp *c);

#endif /* _RESTRACK_KUNIT_COUNTED_QP_H_ */
