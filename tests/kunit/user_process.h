/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A real process: a program of the guest, with namespaces of its own if it is
 * unshare(1).
 */

#ifndef _RESTRACK_KUNIT_USER_PROCESS_H_
#define _RESTRACK_KUNIT_USER_PROCESS_H_

#include <kunit/test.h>

/*
 * Starts a program, whose whole path is the first of the arguments, and kills it
 * when the test ends. The test is skipped if it cannot be run.
 */
struct task_struct *user_process(struct kunit *test, char **argv);

#endif /* _RESTRACK_KUNIT_USER_PROCESS_H_ */
