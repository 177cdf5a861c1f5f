// SPDX-License-Identifier: GPL-2.0
/*
 * Counting for a PID namespace: the objects of processes that have a PID in it.
 * unshare(1) starts real processes in nested namespaces.
 */

#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include "mock_device.h"
#include "mock_owner.h"
#include "user_process.h"

/* A process in a PID namespace of its own. It sleeps until it is killed. */
struct resident {
	struct task_struct *task;
	struct pid_namespace *ns;
};

/* unshare(1) and the processes that it started, the innermost last. */
struct colony {
	struct task_struct *unshare;
	struct resident resident[2];
};

/* Finds the child of a process that is in another PID namespace. */
static struct task_struct *child_in_new_namespace(struct task_struct *parent)
{
	struct task_struct *p, *found = NULL;

	rcu_read_lock();
	for_each_process(p) {
		if (rcu_dereference(p->real_parent) == parent && pid_alive(p) &&
		    task_active_pid_ns(p) != task_active_pid_ns(parent)) {
			found = get_task_struct(p);
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

static void disband(void *data)
{
	struct colony *colony = data;
	int i;

	for (i = ARRAY_SIZE(colony->resident) - 1; i >= 0; i--)
		if (colony->resident[i].task) {
			send_sig(SIGKILL, colony->resident[i].task, 1);
			put_pid_ns(colony->resident[i].ns);
			put_task_struct(colony->resident[i].task);
		}
}

/* Makes two nested namespaces below the initial one, with a process in each. */
static struct colony *found_colony(struct kunit *test)
{
	static char *argv[11] = {
		"/usr/bin/unshare", "--pid", "--fork", "--kill-child",
		"/usr/bin/unshare", "--pid", "--fork", "--kill-child",
		"/usr/bin/sleep", "600", NULL
	};
	struct colony *colony = kunit_kzalloc(test, sizeof(*colony), GFP_KERNEL);
	struct task_struct *parent;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, colony);
	colony->unshare = user_process(test, argv);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, disband, colony));
	parent = colony->unshare;
	for (i = 0; i < ARRAY_SIZE(colony->resident); i++) {
		struct resident *r = &colony->resident[i];

		KUNIT_ASSERT_TRUE(test, mock_await((r->task = child_in_new_namespace(parent))));
		r->ns = get_pid_ns(task_active_pid_ns(r->task));
		parent = r->task;
	}
	KUNIT_ASSERT_EQ(test, colony->resident[0].ns->level, 1);
	KUNIT_ASSERT_EQ(test, colony->resident[1].ns->level, 2);
	return colony;
}

/* Tracks an object of another process. */
static struct rdma_restrack_entry *object_of(struct kunit *test, struct ib_device *dev,
					     enum rdma_restrack_type type,
					     struct task_struct *task)
{
	struct rdma_restrack_entry *res = mock_object(test, dev, type);
	/* as if that process had made it */
	struct rdma_restrack_entry parent = { .task = task, .user = true };

	rdma_restrack_new(res, type);
	rdma_restrack_parent_name(res, &parent);
	rdma_restrack_add(res);
	KUNIT_ASSERT_PTR_EQ(test, res->task, task);
	return res;
}

static int count(struct ib_device *dev, struct pid_namespace *ns)
{
	return rdma_restrack_count(&dev->res, RDMA_RESTRACK_MR, ns);
}

static void initial_namespace_counts_all(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct mock_owner *owner = mock_owner(test);
	struct rdma_restrack_entry *res;

	mock_tracked(test, dev, RDMA_RESTRACK_MR);
	res = mock_object(test, dev, RDMA_RESTRACK_MR);
	mock_own(test, owner, res);
	KUNIT_EXPECT_EQ(test, count(dev, NULL), 2);
	KUNIT_EXPECT_EQ(test, count(dev, &init_pid_ns), 2);
}

/* Once only processes that were started in the namespace were counted. */
static void namespace_counts_who_has_a_pid_there(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct colony *colony = found_colony(test);
	struct resident *outer = &colony->resident[0];
	struct resident *inner = &colony->resident[1];
	struct mock_owner *owner = mock_owner(test);
	struct rdma_restrack_entry *res;

	/* one of the kernel, two of processes outside, three outer, four inner */
	mock_tracked(test, dev, RDMA_RESTRACK_MR);
	res = mock_object(test, dev, RDMA_RESTRACK_MR);
	mock_own(test, owner, res);
	object_of(test, dev, RDMA_RESTRACK_MR, colony->unshare);
	object_of(test, dev, RDMA_RESTRACK_MR, outer->task);
	object_of(test, dev, RDMA_RESTRACK_MR, outer->task);
	object_of(test, dev, RDMA_RESTRACK_MR, outer->task);
	object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	res = object_of(test, dev, RDMA_RESTRACK_MR, inner->task);

	KUNIT_EXPECT_EQ(test, count(dev, NULL), 10);
	KUNIT_EXPECT_EQ(test, count(dev, outer->ns), 7);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 4);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count(&dev->res, RDMA_RESTRACK_PD, inner->ns), 0);

	rdma_restrack_del(res);
	KUNIT_EXPECT_EQ(test, count(dev, NULL), 9);
	KUNIT_EXPECT_EQ(test, count(dev, outer->ns), 6);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 3);
}

static void dying_object_is_not_counted(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct colony *colony = found_colony(test);
	struct resident *inner = &colony->resident[1];
	struct rdma_restrack_entry *res;

	object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	res = object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	rdma_restrack_begin_del(res);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 1);
	rdma_restrack_abort_del(res);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 2);
	rdma_restrack_begin_del(res);
	rdma_restrack_commit_del(res);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 1);
}

static void namespace_counts_driver_qps_when_asked_for(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct colony *colony = found_colony(test);
	struct resident *outer = &colony->resident[0];
	struct rdma_restrack_entry parent = { .task = outer->task, .user = true };
	struct ib_qp *qp = mock_qp(test, dev, IB_QPT_DRIVER, 1);

	object_of(test, dev, RDMA_RESTRACK_QP, outer->task);
	rdma_restrack_new(&qp->res, RDMA_RESTRACK_QP);
	rdma_restrack_parent_name(&qp->res, &parent);
	rdma_restrack_add(&qp->res);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count(&dev->res, RDMA_RESTRACK_QP, outer->ns), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count_details(&dev->res, RDMA_RESTRACK_QP,
							  outer->ns, false), 1);
	KUNIT_EXPECT_EQ(test, rdma_restrack_count_details(&dev->res, RDMA_RESTRACK_QP,
							  outer->ns, true), 2);
}

/* The objects are still tracked, but a dead process has no PID. */
static void objects_of_a_dead_process_are_not_counted(struct kunit *test)
{
	struct ib_device *dev = mock_device(test);
	struct colony *colony = found_colony(test);
	struct resident *outer = &colony->resident[0];
	struct resident *inner = &colony->resident[1];
	struct rdma_restrack_entry *res;

	res = object_of(test, dev, RDMA_RESTRACK_MR, inner->task);
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 1);
	send_sig(SIGKILL, inner->task, 1);
	KUNIT_EXPECT_TRUE(test, mock_await(!pid_alive(inner->task)));
	KUNIT_EXPECT_EQ(test, count(dev, inner->ns), 0);
	KUNIT_EXPECT_EQ(test, count(dev, outer->ns), 0);
	KUNIT_EXPECT_EQ(test, count(dev, NULL), 1);
	rdma_restrack_del(res);
	KUNIT_EXPECT_EQ(test, count(dev, NULL), 0);
}

static struct kunit_case namespaces_cases[] = {
	KUNIT_CASE(initial_namespace_counts_all),
	KUNIT_CASE(namespace_counts_who_has_a_pid_there),
	KUNIT_CASE(dying_object_is_not_counted),
	KUNIT_CASE(namespace_counts_driver_qps_when_asked_for),
	KUNIT_CASE(objects_of_a_dead_process_are_not_counted),
	{}
};

static struct kunit_suite namespaces_suite = {
	.name = "restrack_c_namespaces",
	.test_cases = namespaces_cases,
};
kunit_test_suite(namespaces_suite);
