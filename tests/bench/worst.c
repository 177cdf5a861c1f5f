// SPDX-License-Identifier: GPL-2.0
/*
 * The worst single add and del while a device gets a million objects and loses
 * them again.
 *
 * This is done several times, each time on a new device, and for each call the
 * least time counts. So a random delay, such as a timer interrupt, is left out,
 * and work that the tracker does at that call is not.
 */

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include "bench.h"

#define RUNS		3

static void note(u32 *least, u64 ns)
{
	*least = min_t(u64, *least, ns);
}

static u32 worst(const u32 *least, u32 count)
{
	u32 most = 0, i;

	for (i = 0; i < count; i++)
		most = max(most, least[i]);
	return most;
}

static int run(u32 *add, u32 *del, u32 count)
{
	struct bench_objects objects;
	u64 start;
	int err;
	u32 i;

	err = bench_pds_new(&objects, count);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		start = ktime_get_ns();
		bench_add(bench_entry(&objects, i), objects.type,
			  NULL);
		note(&add[i], ktime_get_ns() - start);
		cond_resched();
	}
	for (i = 0; i < count; i++) {
		start = ktime_get_ns();
		rdma_restrack_del(bench_entry(&objects, i));
		note(&del[i], ktime_get_ns() - start);
		cond_resched();
	}
	bench_objects_free(&objects);
	return 0;
}

int bench_worst(struct seq_file *result)
{
	const u32 count = BENCH_MOST;
	u32 *add, *del;
	int err = -ENOMEM, i;

	add = vmalloc_array(count, sizeof(*add));
	del = vmalloc_array(count, sizeof(*del));
	if (!add || !del)
		goto out;
	memset32(add, U32_MAX, count);
	memset32(del, U32_MAX, count);
	for (i = 0; i < RUNS; i++) {
		/* another distance from the last tick each time */
		udelay(333 * i);
		err = run(add, del, count);
		if (err)
			goto out;
	}
	seq_printf(result, "worst_add %u %u\n", count, worst(add, count));
	seq_printf(result, "worst_del %u %u\n", count, worst(del, count));
out:
	vfree(add);
	vfree(del);
	return err;
}
