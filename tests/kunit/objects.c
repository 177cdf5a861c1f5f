// SPDX-License-Identifier: GPL-2.0
/*
 * An object of each type that a driver may describe, see objects.h.
 */

#include "objects.h"
#include "registered_device.h"

static void destroy_objects(void *data)
{
	struct objects *objects = data;

	ib_destroy_srq(objects->srq);
	ib_dereg_mr(objects->mr);
}

struct objects *new_objects(struct kunit *test)
{
	struct objects *objects = kunit_kzalloc(test, sizeof(*objects), GFP_KERNEL);
	struct ib_srq_init_attr attr = { .srq_type = IB_SRQT_BASIC };

	KUNIT_ASSERT_NOT_NULL(test, objects);
	objects->dev = registered_device(test);
	objects->c = new_qp(test, objects->dev, NULL, IB_QPT_RC, false);
	init_qp(test, objects->c, NULL);
	objects->mr = ib_alloc_mr(objects->c->pd, IB_MR_TYPE_MEM_REG, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(objects->mr));
	objects->srq = ib_create_srq_user(objects->c->pd, &attr, NULL, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(objects->srq));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy_objects, objects));
	return objects;
}
