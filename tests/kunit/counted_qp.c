// SPDX-License-Identifier: GPL-2.0
/*
 * QPs that counters are bound to, see counted_qp.h.
 */

#include "core_priv.h"
#include "counted_qp.h"
#include "registered_device.h"

#define NAME	"mock_ulp"

static void do_create(void *data)
{
	struct counted_qp *c = data;
	struct ib_qp_init_attr attr = {
		.qp_type = c->type,
		.port_num = c->type == IB_QPT_GSI ? PORT : 0,
		.send_cq = c->cq,
		.recv_cq = c->cq,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1 },
	};

	c->dev->qp_num = c->number;
	c->dev->hide_qps = c->hidden;
	if (c->kernel) {
		c->qp = ib_create_qp_kernel(c->pd, &attr, NAME);
		return;
	}
	c->qp = ib_create_qp_user(&c->dev->ib, c->pd, &attr, &c->attrs, NULL, NULL);
	if (!IS_ERR(c->qp))
		ib_qp_usecnt_inc(c->qp);
}

static void do_init(void *data)
{
	struct counted_qp *c = data;
	struct ib_qp_attr attr = { .qp_state = IB_QPS_INIT, .port_num = PORT };

	c->ret = ib_modify_qp(c->qp, &attr, IB_QP_STATE | IB_QP_PORT);
}

static void do_destroy(void *data)
{
	struct counted_qp *c = data;

	c->ret = ib_destroy_qp_user(c->qp, c->kernel ? NULL : &c->attrs.driver_udata);
}

void destroy_qp(void *data)
{
	struct counted_qp *c = data;

	c->dev->unbind_error = 0;
	do_destroy(c);
	ib_destroy_cq(c->cq);
	ib_dealloc_pd(c->pd);
}

struct counted_qp *new_qp(struct kunit *test, struct verbs_device *dev,
			  struct mock_owner *process, enum ib_qp_type type, bool hidden)
{
	struct counted_qp *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct ib_cq_init_attr attr = { .cqe = 1 };

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->dev = dev;
	c->type = type;
	c->hidden = hidden;
	c->kernel = !process;
	c->number = ++dev->last_qp;
	c->pd = __ib_alloc_pd(&dev->ib, 0, NAME);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->pd);
	c->cq = __ib_create_cq(&dev->ib, NULL, NULL, NULL, &attr, NAME);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->cq);
	if (process)
		mock_run(test, process, do_create, c);
	else
		do_create(c);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->qp);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, destroy_qp, c));
	return c;
}

void init_qp(struct kunit *test, struct counted_qp *c, struct mock_owner *process)
{
	if (process)
		mock_run(test, process, do_init, c);
	else
		do_init(c);
	KUNIT_EXPECT_EQ(test, c->ret, 0);
}

void expect_unreferenced(struct kunit *test, struct counted_qp *c)
{
	KUNIT_EXPECT_EQ(test, kref_read(&c->qp->res.kref), 1);
}
