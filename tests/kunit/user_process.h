/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A real process that runs a program of the guest.
 */

#ifndef _RESTRACK_KUNIT_USER_PROCESS_H_
#define _RESTRACK_KUNIT_USER_PROCESS_H_

#include <kunit/test.h>

/*
 * Starts a program until the test ends. @argv begins with its full path. Skips the
 * test if the program cannot be run.
 */
struct task_struct *user_process(struct kunit *test, char **argv);

#endif /* _RESTRACK_KUNIT_USER_PROCESS_H_ */
