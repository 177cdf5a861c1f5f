/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that owns objects: a thread that does what a test tells it to, and
 * whose usage count nobody but the tracker changes.
 */

#ifndef _RESTRACK_KUNIT_MOCK_OWNER_H_
#define _RESTRACK_KUNIT_MOCK_OWNER_H_

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <rdma/restrack.h>

struct mock_owner {
	struct kthread_worker *worker;
	struct task_struct *task;
	/* references to the task while it owns nothing */
	int idle;
};

struct mock_call {
	struct kthread_work work;
	struct completion done;
	void (*fn)(void *data);
	void *data;
};

struct mock_owner *mock_owner(struct kunit *test);

/* Ends the process before the test ends; what it owns keeps its task. */
void mock_end(struct kunit *test, struct mock_owner *owner);

/* Run a function in the owner's thread and wait for it, but not for ever. */
void mock_run(struct kunit *test, struct mock_owner *owner,
	      void (*fn)(void *data), void *data);

/* The two halves of mock_run(). */
struct mock_call *mock_start(struct kunit *test, struct mock_owner *owner,
			     void (*fn)(void *data), void *data);
void mock_finish(struct kunit *test, struct mock_call *call);

/*
 * Is the call still not done? That it waits can only be seen by waiting some
 * time for what must not happen.
 */
bool mock_blocked(struct mock_call *call);

/* Polls a condition for some seconds; true as soon as it holds. */
#define mock_await(condition)						\
({									\
	unsigned long __end = jiffies + 10 * HZ;			\
	bool __ok;							\
									\
	while (!(__ok = (condition)) && time_before(jiffies, __end))	\
		schedule_timeout_uninterruptible(1);			\
	__ok;								\
})

/*
 * How many references to the owner the tracker holds. Waking a thread up takes
 * one for a moment, so this waits a little for the number that the test wants
 * to see before it returns another one.
 */
int mock_held(struct mock_owner *owner, int want);

#define MOCK_EXPECT_HELD(test, owner, want)				\
	KUNIT_EXPECT_EQ(test, mock_held(owner, want), want)

/* The tracker's functions, to be passed to mock_run(); @data is the entry. */
void mock_set_name(void *data);
void mock_add(void *data);
void mock_del(void *data);
void mock_begin_del(void *data);
void mock_sync(void *data);

/* new, set_name and add, all in the owner's thread */
void mock_own(struct kunit *test, struct mock_owner *owner,
	      struct rdma_restrack_entry *res);

#endif /* _RESTRACK_KUNIT_MOCK_OWNER_H_ */
