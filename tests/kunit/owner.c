// SPDX-License-Identifier: GPL-2.0
/*
 * The owner of an object. However an entry ends, its reference to a process is
 * dropped exactly once.
 */

#include <linux/pid.h>
#include "kernel_log.h"
#include "mock_device.h"
#include "mock_owner.h"
#include "user_process.h"

static void set_name_gives_the_object_to_the_kernel(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_PD);

	rdma_restrack_new(res, RDMA_RESTRACK_PD);
	rdma_restrack_set_name(res, MOCK_NAME);
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	rdma_restrack_add(res);
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	KUNIT_EXPECT_NULL(test, res->task);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
}

static void set_name_gives_the_object_to_the_process(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
	MOCK_EXPECT_HELD(test, owner, 1);

	/* another process adds it, but it has an owner */
	rdma_restrack_add(res);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	MOCK_EXPECT_HELD(test, owner, 1);

	rdma_restrack_del(res);
	KUNIT_EXPECT_NULL(test, res->task);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void add_in_one_call_takes_the_kernel_name(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	res->kern_name = MOCK_NAME;
	mock_run(test, owner, mock_add, res);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_NULL(test, res->task);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void add_in_one_call_takes_the_current_process(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CQ);
	struct mock_owner *owner = mock_owner(test);

	mock_run(test, owner, mock_add, res);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	MOCK_EXPECT_HELD(test, owner, 1);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void qp_inherits_the_kernel_name_of_its_pd(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_pd *pd = mock_pd(test, dev);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 5);
	struct mock_owner *owner = mock_owner(test);

	pd->res.kern_name = "mock_parent";
	rdma_restrack_add(&pd->res);
	qp->pd = pd;
	mock_run(test, owner, mock_add, &qp->res);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(&qp->res));
	KUNIT_EXPECT_STREQ(test, qp->res.kern_name, "mock_parent");
	KUNIT_EXPECT_NULL(test, qp->res.task);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void qp_keeps_its_own_name(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_pd *pd = mock_pd(test, dev);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 5);

	pd->res.kern_name = "mock_parent";
	rdma_restrack_add(&pd->res);
	qp->pd = pd;
	qp->res.kern_name = MOCK_NAME;
	rdma_restrack_add(&qp->res);
	KUNIT_EXPECT_STREQ(test, qp->res.kern_name, MOCK_NAME);
}

static void qp_does_not_inherit_the_process_of_its_pd(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_pd *pd = mock_pd(test, dev);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_RC, 5);
	struct mock_owner *pd_owner = mock_owner(test);
	struct mock_owner *qp_owner = mock_owner(test);

	mock_run(test, pd_owner, mock_add, &pd->res);
	qp->pd = pd;
	mock_run(test, qp_owner, mock_add, &qp->res);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(&qp->res));
	KUNIT_EXPECT_PTR_EQ(test, qp->res.task, qp_owner->task);
	MOCK_EXPECT_HELD(test, pd_owner, 1);
	MOCK_EXPECT_HELD(test, qp_owner, 1);

	rdma_restrack_del(&qp->res);
	rdma_restrack_del(&pd->res);
	MOCK_EXPECT_HELD(test, pd_owner, 0);
	MOCK_EXPECT_HELD(test, qp_owner, 0);
}

/* The target QP of an XRC domain has no PD. */
static void qp_without_a_pd_takes_the_current_process(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_XRC_TGT, 5);
	struct mock_owner *owner = mock_owner(test);

	mock_run(test, owner, mock_add, &qp->res);
	KUNIT_EXPECT_TRUE(test, qp->res.valid);
	KUNIT_EXPECT_PTR_EQ(test, qp->res.task, owner->task);
	rdma_restrack_del(&qp->res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void parent_name_takes_the_kernel_name(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *parent = mock_tracked(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);

	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_parent_name(res, parent);
	rdma_restrack_add(res);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	KUNIT_EXPECT_NULL(test, res->task);
}

static void parent_name_takes_the_process(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *parent = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, parent);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_parent_name(res, parent);
	rdma_restrack_add(res);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	MOCK_EXPECT_HELD(test, owner, 2);

	rdma_restrack_del(parent);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void parent_that_released_its_process_gives_none(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *parent = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, parent);
	rdma_restrack_del(parent);
	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_set_name(res, MOCK_NAME);
	rdma_restrack_parent_name(res, parent);
	KUNIT_EXPECT_TRUE(test, rdma_is_kernel_res(res));
	KUNIT_EXPECT_STREQ(test, res->kern_name, MOCK_NAME);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void replaced_owner_is_released(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *parent = mock_object(test, dev, RDMA_RESTRACK_PD);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_CM_ID);
	struct mock_owner *first = mock_owner(test);
	struct mock_owner *second = mock_owner(test);
	struct mock_owner *third = mock_owner(test);

	mock_own(test, third, parent);
	mock_new(test, first, res);
	mock_run(test, first, mock_set_name, res);
	MOCK_EXPECT_HELD(test, first, 1);
	mock_run(test, second, mock_set_name, res);
	MOCK_EXPECT_HELD(test, first, 0);
	MOCK_EXPECT_HELD(test, second, 1);
	rdma_restrack_parent_name(res, parent);
	MOCK_EXPECT_HELD(test, second, 0);
	MOCK_EXPECT_HELD(test, third, 2);
	rdma_restrack_add(res);
	rdma_restrack_del(res);
	rdma_restrack_del(parent);
	MOCK_EXPECT_HELD(test, third, 0);
}

static void put_before_add_releases_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	KUNIT_EXPECT_NULL(test, res->task);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* A CM_ID that was destroyed before it was bound to a device once kept its owner. */
static void del_of_an_unbound_cm_id_releases_the_owner(struct kunit *test)
{
	struct rdma_restrack_entry *res = mock_object(test, NULL, RDMA_RESTRACK_CM_ID);
	struct mock_owner *owner = mock_owner(test);

	mock_new(test, owner, res);
	rdma_restrack_del(res);
	KUNIT_EXPECT_NULL(test, res->task);
	MOCK_EXPECT_HELD(test, owner, 0);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void commit_del_releases_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_begin_del(res);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_NULL(test, res->task);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void abort_del_keeps_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_QP);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_begin_del(res);
	rdma_restrack_abort_del(res);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	KUNIT_EXPECT_FALSE(test, rdma_is_kernel_res(res));
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void sync_keeps_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);

	mock_own(test, owner, res);
	rdma_restrack_sync(res);
	MOCK_EXPECT_HELD(test, owner, 1);
	KUNIT_EXPECT_PTR_EQ(test, res->task, owner->task);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

static void readers_take_no_reference_to_the_owner(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);
	int i;

	mock_own(test, owner, res);
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_TRUE(test, mock_found(dev, res));
		KUNIT_EXPECT_EQ(test, mock_walk_length(dev, RDMA_RESTRACK_MR), 1);
	}
	MOCK_EXPECT_HELD(test, owner, 1);
	rdma_restrack_del(res);
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* Each MR once left a reference to its process behind. */
static void mr_registered_in_a_loop_keeps_no_reference(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct mock_owner *owner = mock_owner(test);
	int i;

	for (i = 0; i < 50; i++) {
		mock_own(test, owner, res);
		mock_run(test, owner, mock_del, res);
	}
	MOCK_EXPECT_HELD(test, owner, 0);
}

/* Returns true if another task leads the process now, and runs this program. */
static bool has_new_leader(struct task_struct *task, const char *program)
{
	struct task_struct *leader;
	bool has;

	rcu_read_lock();
	leader = pid_task(task_tgid(task), PIDTYPE_TGID);
	has = leader && leader != task && !strcmp(leader->comm, program);
	rcu_read_unlock();
	return has;
}

/*
 * The leader made an object, then another thread called exec and became the
 * leader. Messages show the name of the new program.
 */
static void process_is_named_after_its_new_leader(struct kunit *test)
{
	static char *argv[4] = {
		"/usr/bin/python3", "-c",
		"import os, threading\n"
		"program = '/usr/bin/sleep'\n"
		"threading.Thread(target=os.execv, args=(program, [program, '600'])).start()\n"
		"threading.Event().wait()\n",
		NULL
	};
	struct ib_device *dev = mock_device(test);
	struct rdma_restrack_entry *res = mock_object(test, dev, RDMA_RESTRACK_MR);
	struct task_struct *task = user_process(test, argv);
	/* as if that process had made it */
	struct rdma_restrack_entry parent = { .task = task, .user = true };
	struct log *log;
	char who[48];

	rdma_restrack_new(res, RDMA_RESTRACK_MR);
	rdma_restrack_parent_name(res, &parent);
	rdma_restrack_add(res);
	/* twice, for Python starts slowly on an emulated machine */
	KUNIT_EXPECT_TRUE(test, mock_await(has_new_leader(task, "sleep")) ||
				mock_await(has_new_leader(task, "sleep")));
	KUNIT_EXPECT_STREQ(test, task->comm, "python3");
	snprintf(who, sizeof(who), "owned by sleep (pid %d)", task_tgid_nr(task));
	log = log_from_here(test);
	kunit_warning_suppress(test)
		rdma_restrack_clean(&dev->res);
	KUNIT_EXPECT_EQ(test, log_lines(log, "leaked: mr", who, ""), 1);
	rdma_restrack_del(res);
}

static struct kunit_case owner_cases[] = {
	KUNIT_CASE(set_name_gives_the_object_to_the_kernel),
	KUNIT_CASE(set_name_gives_the_object_to_the_process),
	KUNIT_CASE(add_in_one_call_takes_the_kernel_name),
	KUNIT_CASE(add_in_one_call_takes_the_current_process),
	KUNIT_CASE(qp_inherits_the_kernel_name_of_its_pd),
	KUNIT_CASE(qp_keeps_its_own_name),
	KUNIT_CASE(qp_does_not_inherit_the_process_of_its_pd),
	KUNIT_CASE(qp_without_a_pd_takes_the_current_process),
	KUNIT_CASE(parent_name_takes_the_kernel_name),
	KUNIT_CASE(parent_name_takes_the_process),
	KUNIT_CASE(parent_that_released_its_process_gives_none),
	KUNIT_CASE(replaced_owner_is_released),
	KUNIT_CASE(put_before_add_releases_the_owner),
	KUNIT_CASE(del_of_an_unbound_cm_id_releases_the_owner),
	KUNIT_CASE(commit_del_releases_the_owner),
	KUNIT_CASE(abort_del_keeps_the_owner),
	KUNIT_CASE(sync_keeps_the_owner),
	KUNIT_CASE(readers_take_no_reference_to_the_owner),
	KUNIT_CASE(mr_registered_in_a_loop_keeps_no_reference),
	KUNIT_CASE_SLOW(process_is_named_after_its_new_leader),
	{}
};

static struct kunit_suite owner_suite = {
	.name = "restrack_c_owner",
	.test_cases = owner_cases,
};
kunit_test_suite(owner_suite);
