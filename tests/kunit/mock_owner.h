/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that owns objects: a thread that runs what a test gives it. Only the
 * tracker changes its usage count.
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
	/* usage count of the task while it owns nothing */
	int idle;
};

struct mock_call {
	struct kthread_work work;
	struct completion done;
	void (*fn)(void *data);
	void *data;
};

struct mock_owner *mock_owner(struct kunit *test);

/* Ends the process before the test ends; its objects keep the task. */
void mock_end(struct kunit *test, struct mock_owner *owner);

/* Runs a function in the owner's thread and waits until it returns, for 10 s. */
void mock_run(struct kunit *test, struct mock_owner *owner,
	      void (*fn)(void *data), void *data);

/* The two halves of mock_run(). */
struct mock_call *mock_start(struct kunit *test, struct mock_owner *owner,
			     void (*fn)(void *data), void *data);
void mock_finish(struct kunit *test, struct mock_call *call);

/* Returns true if the call has not returned after 0.1 s: it waits. */
bool mock_blocked(struct mock_call *call);

/* Expects that a function of the tracker waits for a reader of the entry. */
void mock_expect_wait(struct kunit *test, struct mock_owner *owner,
		      void (*fn)(void *data), struct rdma_restrack_entry *res);

/* Waits for a condition, for 10 s; true as soon as it holds. */
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
 * Returns how many references to the owner the tracker holds. To wake a thread up
 * takes one for a moment, so this waits for @want for a second.
 */
int mock_held(struct mock_owner *owner, int want);

#define MOCK_EXPECT_HELD(test, owner, want)				\
	KUNIT_EXPECT_EQ(test, mock_held(owner, want), want)

/* Functions of the tracker for mock_run(); @data is the entry. */
void mock_set_name(void *data);
void mock_add(void *data);
void mock_del(void *data);
void mock_begin_del(void *data);
void mock_sync(void *data);

/* Gives an entry, with its type set, to the owner: new, then set_name in its thread. */
void mock_new(struct kunit *test, struct mock_owner *owner,
	      struct rdma_restrack_entry *res);

/* The same, and tracks it. */
void mock_own(struct kunit *test, struct mock_owner *owner,
	      struct rdma_restrack_entry *res);

#endif /* _RESTRACK_KUNIT_MOCK_OWNER_H_ */
