/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device and its objects without hardware and without ib_core: the real
 * structures in plain memory, with the tracker's root and entries embedded.
 *
 * When a test ends, what it left tracked is deleted before the memory is freed.
 */

#ifndef _RESTRACK_KUNIT_MOCK_DEVICE_H_
#define _RESTRACK_KUNIT_MOCK_DEVICE_H_

#include <kunit/test.h>
#include <rdma/ib_verbs.h>
#include <rdma/restrack.h>
#include "found.h"

#include "opaque.h"

/* The number of types that have objects; Linux 7.2 lacks the last one. */
#ifdef RESTRACK_COMP_CNTR
#define MOCK_TYPES RDMA_RESTRACK_MAX
#else
#define MOCK_TYPES RDMA_RESTRACK_COMP_CNTR
#endif

/* The owner of the kernel's objects in these tests. */
#define MOCK_NAME "mock_driver"

struct ib_device *mock_device(struct kunit *test);

/*
 * Makes an object of the device that is zeroed and not tracked; only the type of
 * its entry is set. Each QP and counter gets another number.
 */
struct rdma_restrack_entry *mock_object(struct kunit *test,
					struct ib_device *dev,
					enum rdma_restrack_type type);
struct ib_pd *mock_pd(struct kunit *test, struct ib_device *dev);
struct ib_qp *mock_qp(struct kunit *test, struct ib_device *dev,
		      enum ib_qp_type type, u32 qp_num);

/* Tracks such an object for MOCK_NAME, in the steps of ib_core. */
void mock_track(struct rdma_restrack_entry *res);

/* Makes and tracks one. */
struct rdma_restrack_entry *mock_tracked(struct kunit *test,
					 struct ib_device *dev,
					 enum rdma_restrack_type type);
struct ib_qp *mock_tracked_qp(struct kunit *test, struct ib_device *dev,
			      enum ib_qp_type type, u32 qp_num);

/*
 * Many QPs, zeroed but for device and type. The test gives them numbers and adds
 * them.
 */
struct mock_crowd {
	unsigned int nr;
	struct ib_qp *qp;
	/* for the test: how often each was visited */
	u8 *seen;
};

struct mock_crowd *mock_crowd(struct kunit *test, struct ib_device *dev,
			      unsigned int nr);
void mock_crowd_add(struct mock_crowd *crowd, unsigned int index, u32 qp_num);

/* Returns the index of an entry in the crowd, or -1 if it is not in it. */
int mock_crowd_index(struct mock_crowd *crowd,
		     const struct rdma_restrack_entry *res);

/* Returns how many objects of the type there are, without and with driver QPs. */
static inline int mock_count(struct ib_device *dev, enum rdma_restrack_type type)
{
	return rdma_restrack_count(&dev->res, type, NULL);
}

static inline int mock_count_details(struct ib_device *dev, enum rdma_restrack_type type)
{
	return rdma_restrack_count_details(&dev->res, type, NULL, true);
}

/* Returns how many entries of the type a walk visits. */
int mock_walk_length(struct ib_device *dev, enum rdma_restrack_type type);

#endif /* _RESTRACK_KUNIT_MOCK_DEVICE_H_ */
