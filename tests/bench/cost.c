// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of each operation, by the number of live objects: the time of a batch
 * of calls, divided by their number. The median of several batches leaves out
 * those with a timer interrupt.
 */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sort.h>
#include "bench.h"

#define BATCH		1000
#define ROUNDS		9

/* A call shorter than this is measured in batches: the clock takes time too. */
#define ENOUGH_NS	(100 * NSEC_PER_USEC)

struct samples {
	u64 ns[ROUNDS];
};

static int compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(struct seq_file *result, const char *op, u32 live,
		   struct samples *samples, u32 calls)
{
	sort(samples->ns, ROUNDS, sizeof(samples->ns[0]), compare, NULL);
	seq_printf(result, "%s %u %llu\n", op, live,
		   DIV_ROUND_CLOSEST_ULL(samples->ns[ROUNDS / 2], calls));
}

static u64 time_add(struct bench_objects *objects, u32 live, const char *name)
{
	u64 start = ktime_get_ns();
	u32 i;

	for (i = live; i < live + BATCH; i++)
		bench_add(bench_entry(objects, i), objects->type, name);
	return ktime_get_ns() - start;
}

static u64 time_del(struct bench_objects *objects, u32 live)
{
	u64 start = ktime_get_ns();
	u32 i;

	for (i = live; i < live + BATCH; i++)
		rdma_restrack_del(bench_entry(objects, i));
	return ktime_get_ns() - start;
}

static u64 time_get_put(struct bench_objects *objects, u32 live)
{
	u64 start = ktime_get_ns();
	u32 i;

	for (i = live; i < live + BATCH; i++) {
		struct rdma_restrack_entry *entry = bench_entry(objects, i);

		if (rdma_restrack_get(entry))
			rdma_restrack_put(entry);
	}
	return ktime_get_ns() - start;
}

/* Looks up objects from all of the table. */
static u64 time_get_byid(struct bench_objects *objects, u32 live)
{
	u32 ids[64], step = (live + BATCH) / ARRAY_SIZE(ids), i;
	struct rdma_restrack_entry *entry;
	u64 start;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = bench_entry(objects, i * step)->id;
	start = ktime_get_ns();
	for (i = 0; i < BATCH; i++) {
		entry = rdma_restrack_get_byid(&objects->dev->ib, objects->type,
					       ids[i % ARRAY_SIZE(ids)]);
		if (!IS_ERR(entry))
			rdma_restrack_put(entry);
	}
	return ktime_get_ns() - start;
}

static u64 time_count(struct bench_objects *objects, u32 calls)
{
	u64 start = ktime_get_ns();
	u32 i;

	for (i = 0; i < calls; i++)
		tracker_count(&objects->dev->ib, objects->type);
	return ktime_get_ns() - start;
}

static void count(struct seq_file *result, struct bench_objects *objects,
		  u32 live)
{
	u32 calls = time_count(objects, 1) < ENOUGH_NS ? BATCH : 1, i;
	struct samples samples;

	for (i = 0; i < ROUNDS; i++) {
		cond_resched();
		samples.ns[i] = time_count(objects, calls);
	}
	report(result, "count", live, &samples, calls);
}

/* Measures each operation on a batch of objects, beside @live others. */
static void measure_pds(struct seq_file *result, struct bench_objects *objects,
			u32 live)
{
	struct samples add, del, get_put, get_byid, add_kernel, del_kernel;
	u32 i;

	for (i = 0; i < ROUNDS; i++) {
		/* begin just after a tick, to be done before the next one */
		schedule_timeout_uninterruptible(1);
		add.ns[i] = time_add(objects, live, NULL);
		get_put.ns[i] = time_get_put(objects, live);
		get_byid.ns[i] = time_get_byid(objects, live);
		del.ns[i] = time_del(objects, live);
		add_kernel.ns[i] = time_add(objects, live, "x");
		del_kernel.ns[i] = time_del(objects, live);
	}
	report(result, "add", live, &add, BATCH);
	report(result, "get_put", live, &get_put, BATCH);
	report(result, "get_byid_pd", live, &get_byid, BATCH);
	report(result, "del", live, &del, BATCH);
	report(result, "add_kernel", live, &add_kernel, BATCH);
	report(result, "del_kernel", live, &del_kernel, BATCH);
	count(result, objects, live);
}

static int pds(struct seq_file *result)
{
	struct bench_objects objects;
	u32 live = 0, i;
	int err;

	err = bench_pds_new(&objects, BENCH_MOST + BATCH);
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(bench_sizes); i++) {
		bench_objects_add(&objects, live, bench_sizes[i]);
		live = bench_sizes[i];
		measure_pds(result, &objects, live);
	}
	bench_objects_del(&objects, 0, live);
	bench_objects_free(&objects);
	return 0;
}

static int qps(struct seq_file *result, const char *op, bench_number_t number)
{
	struct bench_objects objects;
	struct samples samples;
	u32 live = 0, i, j;
	int err;

	err = bench_qps_new(&objects, BENCH_MOST + BATCH, number);
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(bench_sizes); i++) {
		bench_objects_add(&objects, live, bench_sizes[i] + BATCH);
		live = bench_sizes[i] + BATCH;
		for (j = 0; j < ROUNDS; j++) {
			schedule_timeout_uninterruptible(1);
			samples.ns[j] = time_get_byid(&objects, live - BATCH);
		}
		report(result, op, bench_sizes[i], &samples, BATCH);
	}
	bench_objects_del(&objects, 0, live);
	bench_objects_free(&objects);
	return 0;
}

int bench_cost(struct seq_file *result)
{
	int err;

	err = pds(result);
	if (err)
		return err;
	err = qps(result, "get_byid_qp_seq", bench_number_sequential);
	if (err)
		return err;
	return qps(result, "get_byid_qp_random", bench_number_random);
}
