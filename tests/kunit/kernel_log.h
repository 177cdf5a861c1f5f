/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads what the kernel has logged since a point in time.
 */

#ifndef _RESTRACK_KUNIT_KERNEL_LOG_H_
#define _RESTRACK_KUNIT_KERNEL_LOG_H_

#include <kunit/test.h>
#include <linux/kmsg_dump.h>

struct log {
	struct kmsg_dump_iter iter;
	char line[512];
};

struct log *log_from_here(struct kunit *test);

/* Returns how many lines since then contain all three strings. */
int log_lines(struct log *log, const char *a, const char *b, const char *c);

#endif /* _RESTRACK_KUNIT_KERNEL_LOG_H_ */
