/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether an object is found by its number.
 */

#ifndef _RESTRACK_KUNIT_FOUND_H_
#define _RESTRACK_KUNIT_FOUND_H_

#include <linux/err.h>
#include <rdma/restrack.h>

/* Returns true if a lookup by type and number finds @res. */
static inline bool mock_found(struct ib_device *dev, struct rdma_restrack_entry *res)
{
	struct rdma_restrack_entry *found;

	found = rdma_restrack_get_byid(dev, res->type, res->id);
	if (IS_ERR(found))
		return false;
	rdma_restrack_put(found);
	return found == res;
}

#endif /* _RESTRACK_KUNIT_FOUND_H_ */
