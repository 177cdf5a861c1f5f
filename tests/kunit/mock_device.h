/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device and its objects, as a driver would have them, without hardware
 * and without ib_core: plain memory in which the tracker's root and entries lie
 * where they lie in reality.
 *
 * Whatever a test leaves tracked is taken out when it ends, pass or fail, before
 * the memory goes away.
 */

#ifndef _RESTRACK_KUNIT_MOCK_DEVICE_H_
#define _RESTRACK_KUNIT_MOCK_DEVICE_H_

#include <kunit/test.h>
#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>

#include "opaque.h"

/* How many types there are objects of; older kernels lack the last one. */
#ifdef RESTRACK_COMP_CNTR
#define MOCK_TYPES RDMA_RESTRACK_MAX
#else
#define MOCK_TYPES RDMA_RESTRACK_COMP_CNTR
#endif

/* The name under which kernel-owned objects of these tests go. */
#define MOCK_NAME "mock_driver"

struct ib_device *mock_device(struct kunit *test);

/*
 * A zeroed object of the given type that belongs to the device and is not
 * tracked yet; only the type of the entry is set. QPs and counters get numbers
 * of their own.
 */
struct rdma_restrack_entry *mock_object(struct kunit *test,
					struct ib_device *dev,
					enum rdma_restrack_type type);
struct ib_pd *mock_pd(struct kunit *test, struct ib_device *dev);
struct ib_qp *mock_qp(struct kunit *test, struct ib_device *dev,
		      enum ib_qp_type type, u32 qp_num);

/* The same, tracked, in the steps of ib_core, owned by MOCK_NAME. */
struct rdma_restrack_entry *mock_tracked(struct kunit *test,
					 struct ib_device *dev,
					 enum rdma_restrack_type type);
struct ib_qp *mock_tracked_qp(struct kunit *test, struct ib_device *dev,
			      enum ib_qp_type type, u32 qp_num);

/*
 * Many QPs at once. Zeroed but for device and type; the test gives them numbers
 * and adds them.
 */
struct mock_crowd {
	unsigned int nr;
	struct ib_qp *qp;
	/* scratch for the test: how often each was met */
	u8 *seen;
};

struct mock_crowd *mock_crowd(struct kunit *test, struct ib_device *dev,
			      unsigned int nr);
void mock_crowd_add(struct mock_crowd *crowd, unsigned int index, u32 qp_num);

/* The index in the crowd, or -1 for an entry that is not one of it. */
int mock_crowd_index(struct mock_crowd *crowd,
		     const struct rdma_restrack_entry *res);

/* Is @res what a lookup by its type and number finds? */
bool mock_found(struct ib_device *dev, struct rdma_restrack_entry *res);

/* How many entries of the type a whole walk visits. */
int mock_walk_length(struct ib_device *dev, enum rdma_restrack_type type);

#endif /* _RESTRACK_KUNIT_MOCK_DEVICE_H_ */
