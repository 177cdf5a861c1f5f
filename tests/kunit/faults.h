/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail on purpose: the nth one that the current thread makes.
 * Needs a kernel with fault injection, and failslab told to fail also those
 * allocations that may wait; scripts/guest/kunit.sh does that.
 */

#ifndef _RESTRACK_KUNIT_FAULTS_H_
#define _RESTRACK_KUNIT_FAULTS_H_

#include <kunit/test.h>
#include <linux/sched.h>

#ifdef CONFIG_FAILSLAB

static inline void faults_needed(struct kunit *test)
{
}

static inline void fail_nth(unsigned int n)
{
	current->fail_nth = n;
}

/* Ends it. Was there an nth one? */
static inline bool failed(void)
{
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	return failed;
}

#else

static inline void faults_needed(struct kunit *test)
{
	kunit_skip(test, "the kernel has no fault injection (CONFIG_FAILSLAB); KERNEL=kasan has it");
}

static inline void fail_nth(unsigned int n)
{
}

static inline bool failed(void)
{
	return false;
}

#endif /* CONFIG_FAILSLAB */

/* More allocations than anything here makes. */
#define MANY_FAULTS	200

#endif /* _RESTRACK_KUNIT_FAULTS_H_ */
