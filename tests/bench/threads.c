// SPDX-License-Identifier: GPL-2.0
/*
 * How many objects threads can add and delete in a second, each thread on a
 * processor of its own with objects of its own, all on one device.
 */

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "bench.h"

/* Objects that live all the time, and those that each thread adds and deletes. */
#define LIVE		10000
#define OWN		16
#define DURATION	(2 * HZ)

struct race {
	struct bench_objects	objects;
	struct completion	start;
	struct completion	end;
};

struct worker {
	struct task_struct	*task;
	struct race		*race;
	u32			first;
	u64			pairs;
	u64			ns;
};

static int work(void *data)
{
	struct worker *worker = data;
	struct bench_objects *objects = &worker->race->objects;
	u32 first = worker->first;
	unsigned long end;
	u64 start;

	wait_for_completion(&worker->race->start);
	start = ktime_get_ns();
	end = jiffies + DURATION;
	while (time_before(jiffies, end)) {
		bench_objects_add(objects, first, first + OWN);
		bench_objects_del(objects, first, first + OWN);
		worker->pairs += OWN;
		cond_resched();
	}
	worker->ns = ktime_get_ns() - start;
	complete(&worker->race->end);
	return 0;
}

/* One thread on each processor; returns how many there are. */
static unsigned int start(struct race *race, struct worker *workers,
			  unsigned int threads)
{
	unsigned int i, cpu = cpumask_first(cpu_online_mask);

	for (i = 0; i < threads; i++) {
		struct worker *worker = &workers[i];

		worker->race = race;
		worker->first = LIVE + i * OWN;
		worker->task = kthread_create(work, worker, "bench/%u", i);
		if (IS_ERR(worker->task))
			break;
		/* it ends by itself, and is asked for afterwards */
		get_task_struct(worker->task);
		kthread_bind(worker->task, cpu);
		wake_up_process(worker->task);
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	complete_all(&race->start);
	return i;
}

/* Waits for all of them; returns how many pairs they did in a second. */
static u64 finish(struct race *race, struct worker *workers,
		  unsigned int threads)
{
	unsigned int i;
	u64 rate = 0;

	for (i = 0; i < threads; i++)
		wait_for_completion(&race->end);
	for (i = 0; i < threads; i++) {
		kthread_stop_put(workers[i].task);
		rate += div64_u64(workers[i].pairs * NSEC_PER_SEC,
				  workers[i].ns);
	}
	return rate;
}

int bench_threads(struct seq_file *result, unsigned int threads)
{
	struct worker *workers;
	unsigned int started;
	struct race race;
	u64 rate;
	int err;

	if (threads > num_online_cpus())
		return -EINVAL;
	workers = kcalloc(threads, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	err = bench_pds_new(&race.objects, LIVE + threads * OWN);
	if (err)
		goto out;
	init_completion(&race.start);
	init_completion(&race.end);
	bench_objects_add(&race.objects, 0, LIVE);

	started = start(&race, workers, threads);
	rate = finish(&race, workers, started);
	if (started == threads)
		seq_printf(result, "threads_%u %u %llu\n", threads, LIVE, rate);
	else
		err = -EAGAIN;

	bench_objects_del(&race.objects, 0, LIVE);
	bench_objects_free(&race.objects);
out:
	kfree(workers);
	return err;
}
