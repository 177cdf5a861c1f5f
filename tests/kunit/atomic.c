// SPDX-License-Identifier: GPL-2.0
/*
 * What may be called in any context, is called with a spinlock held and interrupts
 * off, in an interrupt and in a softirq. Where one of the functions sleeps, or takes
 * a lock that sleeps, the debug kernels say so.
 */

#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>
#include "kernel_log.h"
#include "mock_device.h"
#include "mock_owner.h"

/* A function that runs in a context. It gives its results back: it cannot check them. */
struct errand {
	void (*fn)(void *data);
	void *data;
	/* where it was run */
	bool hardirq, softirq, irqs_off;
	struct irq_work irq;
	struct tasklet_struct tasklet;
};

static void do_errand(struct errand *errand)
{
	errand->hardirq = in_hardirq();
	errand->softirq = in_serving_softirq();
	errand->irqs_off = irqs_disabled();
	errand->fn(errand->data);
}

static void with_a_lock(struct errand *errand)
{
	static DEFINE_RAW_SPINLOCK(lock);
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	do_errand(errand);
	raw_spin_unlock_irqrestore(&lock, flags);
}

static void on_interrupt(struct irq_work *irq)
{
	do_errand(container_of(irq, struct errand, irq));
}

static void in_an_interrupt(struct errand *errand)
{
	errand->irq = IRQ_WORK_INIT_HARD(on_interrupt);
	irq_work_queue(&errand->irq);
	irq_work_sync(&errand->irq);
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	do_errand(container_of(tasklet, struct errand, tasklet));
}

static void in_a_softirq(struct errand *errand)
{
	tasklet_setup(&errand->tasklet, on_tasklet);
	tasklet_schedule(&errand->tasklet);
	tasklet_kill(&errand->tasklet);
}

static const struct context {
	const char *name;
	void (*run)(struct errand *errand);
} contexts[] = {
	{ "spinlock", with_a_lock },
	{ "interrupt", in_an_interrupt },
	{ "softirq", in_a_softirq },
};

static void context_describe(const struct context *context, char *desc)
{
	strscpy(desc, context->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(context, contexts, context_describe);

/* Expects that the kernel has not said that something sleeps where it must not. */
static void expect_no_complaint(struct kunit *test, struct log *log)
{
	KUNIT_EXPECT_EQ(test, log_lines(log, "BUG: ", "", ""), 0);
	KUNIT_EXPECT_EQ(test, log_lines(log, "WARNING: ", "", ""), 0);
}

/* Runs a function in the context of the test's parameter. */
static void run_there(struct kunit *test, void (*fn)(void *data), void *data)
{
	const struct context *context = test->param_value;
	struct errand *errand = kunit_kzalloc(test, sizeof(*errand), GFP_KERNEL);
	struct log *log = log_from_here(test);

	KUNIT_ASSERT_NOT_NULL(test, errand);
	errand->fn = fn;
	errand->data = data;
	context->run(errand);
	expect_no_complaint(test, log);
	KUNIT_EXPECT_EQ(test, errand->hardirq, context->run == in_an_interrupt);
	KUNIT_EXPECT_EQ(test, errand->softirq, context->run == in_a_softirq);
	KUNIT_EXPECT_EQ(test, errand->irqs_off, context->run != in_a_softirq);
}

/* What is called, and what comes of it. */
struct calls {
	struct ib_device *dev;
	struct rdma_restrack_root *root;
	struct rdma_restrack_entry *res, *fresh;
	int got, put, count, details;
	u32 generation, restores;
	bool of_kernel, tracked;
};

static void call_all(void *data)
{
	struct calls *calls = data;
	struct rdma_restrack_root *root = &calls->dev->res;

	calls->got = rdma_restrack_get(calls->res);
	calls->put = rdma_restrack_put(calls->res);
	calls->count = rdma_restrack_count(root, RDMA_RESTRACK_QP, NULL);
	calls->details = rdma_restrack_count_details(root, RDMA_RESTRACK_QP, NULL, true);
	calls->generation = rdma_restrack_generation(root, RDMA_RESTRACK_QP);
	calls->restores = rdma_restrack_restores(root, RDMA_RESTRACK_QP);
	calls->of_kernel = rdma_is_kernel_res(calls->res);
	rdma_restrack_init(calls->root);
	rdma_restrack_new(calls->fresh, RDMA_RESTRACK_QP);
	rdma_restrack_no_track(calls->fresh);
	calls->tracked = rdma_restrack_is_tracked(calls->fresh);
}

static void functions_of_any_context_do_not_sleep(struct kunit *test)
{
	struct calls *calls = kunit_kzalloc(test, sizeof(*calls), GFP_KERNEL);
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_tracked_qp(test, dev, IB_QPT_RC, 7);

	KUNIT_ASSERT_NOT_NULL(test, calls);
	mock_tracked_qp(test, dev, IB_QPT_DRIVER, 8);
	rdma_restrack_begin_del(&qp->res);
	rdma_restrack_abort_del(&qp->res);
	calls->dev = dev;
	calls->res = &qp->res;
	calls->fresh = mock_object(test, dev, RDMA_RESTRACK_QP);
	calls->root = kunit_kzalloc(test, sizeof(*calls->root), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, calls->root);
	run_there(test, call_all, calls);

	KUNIT_EXPECT_EQ(test, calls->got, 1);
	KUNIT_EXPECT_EQ(test, calls->put, 0);
	KUNIT_EXPECT_EQ(test, calls->count, 1);
	KUNIT_EXPECT_EQ(test, calls->details, 2);
	KUNIT_EXPECT_EQ(test, calls->generation,
			rdma_restrack_generation(&dev->res, RDMA_RESTRACK_QP));
	KUNIT_EXPECT_EQ(test, calls->restores, 1);
	KUNIT_EXPECT_TRUE(test, calls->of_kernel);
	KUNIT_EXPECT_FALSE(test, calls->tracked);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count(calls->root, RDMA_RESTRACK_QP, NULL), 0);
	rdma_restrack_clean(calls->root);
	rdma_restrack_add(calls->fresh);
	KUNIT_EXPECT_TRUE(test, calls->fresh->valid);
	KUNIT_EXPECT_EQ(test, mock_count(dev, RDMA_RESTRACK_QP), 1);
}

/* For run_there(). */
struct put {
	struct rdma_restrack_entry *res;
	int last;
};

static void do_put(void *data)
{
	struct put *put = data;

	put->last = rdma_restrack_put(put->res);
}

static void last_put_wakes_the_deletion(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_owner *owner = mock_owner(test);
	struct put put = { .res = mock_tracked(test, dev, RDMA_RESTRACK_MR) };
	struct mock_call *call;

	KUNIT_EXPECT_EQ(test, rdma_restrack_get(put.res), 1);
	call = mock_start(test, owner, mock_del, put.res);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	run_there(test, do_put, &put);
	KUNIT_EXPECT_EQ(test, put.last, 1);
	mock_finish(test, call);
	KUNIT_EXPECT_FALSE(test, put.res->valid);
}

/* The object was never added. */
static void last_put_releases_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_owner *owner = mock_owner(test);
	struct put put = { .res = mock_object(test, dev, RDMA_RESTRACK_MR) };

	mock_new(test, owner, put.res);
	MOCK_EXPECT_HELD(test, owner, 1);
	run_there(test, do_put, &put);
	KUNIT_EXPECT_EQ(test, put.last, 1);
	MOCK_EXPECT_HELD(test, owner, 0);
}

struct naming {
	struct rdma_restrack_entry *res[2];
};

static void give_names(void *data)
{
	struct naming *naming = data;

	/* the second one replaces the first, the third one the second */
	rdma_restrack_set_name(naming->res[0], MOCK_NAME);
	rdma_restrack_set_name(naming->res[0], NULL);
	rdma_restrack_parent_name(naming->res[1], naming->res[0]);
	rdma_restrack_set_name(naming->res[0], MOCK_NAME);
}

static void give_names_with_a_lock(void *data)
{
	with_a_lock(&(struct errand) { .fn = give_names, .data = data });
}

static void owner_is_set_without_sleeping(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_owner *owner = mock_owner(test);
	struct log *log = log_from_here(test);
	struct naming naming;
	int i;

	for (i = 0; i < 2; i++) {
		naming.res[i] = mock_object(test, dev, RDMA_RESTRACK_MR);
		rdma_restrack_new(naming.res[i], RDMA_RESTRACK_MR);
	}
	mock_run(test, owner, give_names_with_a_lock, &naming);
	expect_no_complaint(test, log);
	KUNIT_EXPECT_STREQ(test, naming.res[0]->kern_name, MOCK_NAME);
	KUNIT_EXPECT_PTR_EQ(test, naming.res[1]->task, owner->task);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(naming.res[1]), 1);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static struct kunit_case atomic_cases[] = {
	KUNIT_CASE_PARAM(functions_of_any_context_do_not_sleep, context_gen_params),
	KUNIT_CASE_PARAM(last_put_wakes_the_deletion, context_gen_params),
	KUNIT_CASE_PARAM(last_put_releases_the_owner, context_gen_params),
	KUNIT_CASE(owner_is_set_without_sleeping),
	{}
};

static struct kunit_suite atomic_suite = {
	.name = "restrack_c_atomic",
	.test_cases = atomic_cases,
};
kunit_test_suite(atomic_suite);
