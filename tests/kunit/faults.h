/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: the nth allocation of the current thread fails. Needs
 * CONFIG_FAILSLAB, and failslab must also fail allocations that may sleep, which
 * the script that runs the suites sets.
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

/* Ends the injection. Returns true if the nth allocation was made, and failed. */
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

/* More allocations than any test makes. */
#define MANY_FAULTS	200

#endif /* _RESTRACK_KUNIT_FAULTS_H_ */
