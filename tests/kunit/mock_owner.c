// SPDX-License-Identifier: GPL-2.0
/*
 * Mock owners of objects, see mock_owner.h.
 */

#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched/task.h>
#include "mock_owner.h"

static void mock_call_work(struct kthread_work *work)
{
	struct mock_call *call = container_of(work, struct mock_call, work);

	call->fn(call->data);
	complete(&call->done);
}

struct mock_call *mock_start(struct kunit *test, struct mock_owner *owner,
			     void (*fn)(void *data), void *data)
{
	struct mock_call *call = kunit_kzalloc(test, sizeof(*call), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, call);
	kthread_init_work(&call->work, mock_call_work);
	init_completion(&call->done);
	call->fn = fn;
	call->data = data;
	kthread_queue_work(owner->worker, &call->work);
	return call;
}

void mock_finish(struct kunit *test, struct mock_call *call)
{
	if (!wait_for_completion_timeout(&call->done, 10 * HZ))
		KUNIT_FAIL(test, "%ps() does not return", call->fn);
}

void mock_run(struct kunit *test, struct mock_owner *owner,
	      void (*fn)(void *data), void *data)
{
	mock_finish(test, mock_start(test, owner, fn, data));
}

bool mock_blocked(struct mock_call *call)
{
	if (wait_for_completion_timeout(&call->done, HZ / 10)) {
		/* for mock_finish() */
		complete(&call->done);
		return false;
	}
	return true;
}

void mock_expect_wait(struct kunit *test, struct mock_owner *owner,
		      void (*fn)(void *data), struct rdma_restrack_entry *res)
{
	struct mock_call *call;

	KUNIT_EXPECT_EQ(test, rdma_restrack_get(res), 1);
	call = mock_start(test, owner, fn, res);
	KUNIT_EXPECT_TRUE(test, mock_blocked(call));
	KUNIT_EXPECT_EQ(test, rdma_restrack_put(res), 1);
	mock_finish(test, call);
}

static void mock_owner_exit(void *data)
{
	struct mock_owner *owner = data;

	if (owner->worker)
		kthread_destroy_worker(owner->worker);
	put_task_struct(owner->task);
}

void mock_end(struct kunit *test, struct mock_owner *owner)
{
	kthread_destroy_worker(owner->worker);
	owner->worker = NULL;
	KUNIT_EXPECT_TRUE(test, mock_await(!pid_alive(owner->task)));
}

static void mock_nothing(void *data)
{
}

struct mock_owner *mock_owner(struct kunit *test)
{
	struct mock_owner *owner = kunit_kzalloc(test, sizeof(*owner), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, owner);
	owner->worker = kthread_run_worker(0, "mock_owner");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, owner->worker);
	owner->task = get_task_struct(owner->worker->task);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_owner_exit, owner));
	mock_run(test, owner, mock_nothing, NULL);
	owner->idle = refcount_read(&owner->task->usage);
	return owner;
}

int mock_held(struct mock_owner *owner, int want)
{
	unsigned long end = jiffies + HZ;
	int held;

	while ((held = refcount_read(&owner->task->usage) - owner->idle) != want &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	return held;
}

void mock_set_name(void *data)
{
	rdma_restrack_set_name(data, NULL);
}

void mock_add(void *data)
{
	rdma_restrack_add(data);
}

void mock_del(void *data)
{
	rdma_restrack_del(data);
}

void mock_begin_del(void *data)
{
	rdma_restrack_begin_del(data);
}

void mock_sync(void *data)
{
	rdma_restrack_sync(data);
}

void mock_new(struct kunit *test, struct mock_owner *owner,
	      struct rdma_restrack_entry *res)
{
	rdma_restrack_new(res, res->type);
	mock_run(test, owner, mock_set_name, res);
}

void mock_own(struct kunit *test, struct mock_owner *owner,
	      struct rdma_restrack_entry *res)
{
	mock_new(test, owner, res);
	mock_run(test, owner, mock_add, res);
	KUNIT_ASSERT_TRUE(test, res->valid);
}
