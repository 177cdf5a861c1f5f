/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An object of each type that a driver may describe.
 */

#ifndef _RESTRACK_KUNIT_OBJECTS_H_
#define _RESTRACK_KUNIT_OBJECTS_H_

#include "counted_qp.h"

struct objects {
	struct verbs_device *dev;
	/* with its PD and CQ */
	struct counted_qp *c;
	struct ib_mr *mr;
	struct ib_srq *srq;
};

/* Makes them on a registered device, for the kernel, until the test ends. */
struct objects *new_objects(struct kunit *test);

#endif /* _RESTRACK_KUNIT_OBJECTS_H_ */
