// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log, see kernel_log.h.
 */

#include <linux/string.h>
#include "kernel_log.h"

struct log *log_from_here(struct kunit *test)
{
	struct log *log = kunit_kzalloc(test, sizeof(*log), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, log);
	kmsg_dump_rewind(&log->iter);
	log->iter.cur_seq = log->iter.next_seq;
	return log;
}

int log_lines(struct log *log, const char *a, const char *b, const char *c)
{
	struct kmsg_dump_iter iter = {};
	size_t len;
	int n = 0;

	kmsg_dump_rewind(&iter);
	iter.cur_seq = log->iter.cur_seq;
	while (kmsg_dump_get_line(&iter, false, log->line, sizeof(log->line) - 1, &len)) {
		log->line[len] = 0;
		n += strstr(log->line, a) && strstr(log->line, b) && strstr(log->line, c);
	}
	return n;
}
