// SPDX-License-Identifier: GPL-2.0
/*
 * How many objects threads add and delete in a second, on one device, each thread
 * with its own objects; and the worst single add and del. More threads may count
 * or look up meanwhile.
 *
 * Threads are not bound to processors, and may be more than there are.
 */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "bench.h"

static unsigned int threads = 1;
module_param(threads, uint, 0600);
MODULE_PARM_DESC(threads, "How many threads add and delete");

static unsigned int counting;
module_param(counting, uint, 0600);
MODULE_PARM_DESC(counting, "How many threads count the objects meanwhile");

static unsigned int looking;
module_param(looking, uint, 0600);
MODULE_PARM_DESC(looking, "How many threads look objects up meanwhile");

static unsigned int milliseconds = 200;
module_param(milliseconds, uint, 0600);
MODULE_PARM_DESC(milliseconds, "How long the threads run");

/* How many objects each thread has. */
#define OWN		64

struct race {
	struct bench_objects	objects;
	struct completion	start;
	struct completion	end;
};

struct worker {
	struct race		*race;
	struct task_struct	*task;
	/* what it does in a loop */
	void			(*turn)(struct worker *worker);
	/* index of its first object */
	u32			first;
	/* pairs of add and del, counts or lookups */
	u64			done;
	u64			worst_add;
	u64			worst_del;
	u64			ns;
};

static void add_and_del(struct worker *worker)
{
	struct bench_objects *objects = &worker->race->objects;
	u32 i, first = worker->first;

	for (i = first; i < first + OWN; i++)
		bench_add(bench_entry(objects, i), objects->type, "x");
	for (i = first; i < first + OWN; i++)
		rdma_restrack_del(bench_entry(objects, i));
	worker->done += OWN;
}

/* The same with a clock, which takes as long as the tracker. */
static void timed_add_and_del(struct worker *worker)
{
	struct bench_objects *objects = &worker->race->objects;
	u32 i, first = worker->first;
	u64 start;

	for (i = first; i < first + OWN; i++) {
		start = ktime_get_ns();
		bench_add(bench_entry(objects, i), objects->type, "x");
		worker->worst_add = max(worker->worst_add,
					ktime_get_ns() - start);
	}
	for (i = first; i < first + OWN; i++) {
		start = ktime_get_ns();
		rdma_restrack_del(bench_entry(objects, i));
		worker->worst_del = max(worker->worst_del,
					ktime_get_ns() - start);
	}
}

static void count(struct worker *worker)
{
	struct bench_objects *objects = &worker->race->objects;

	tracker_count(&objects->dev->ib, objects->type);
	worker->done++;
}

/* Looks up each object by the number that it has, or had. */
static void look_up(struct worker *worker)
{
	struct bench_objects *objects = &worker->race->objects;
	struct rdma_restrack_entry *entry;
	u32 i, id;

	for (i = 0; i < objects->count; i++) {
		id = READ_ONCE(bench_entry(objects, i)->id);
		entry = rdma_restrack_get_byid(&objects->dev->ib,
					       objects->type, id);
		if (!IS_ERR(entry))
			rdma_restrack_put(entry);
	}
	worker->done += objects->count;
}

static int work(void *data)
{
	struct worker *worker = data;
	unsigned long end;
	u64 start;

	wait_for_completion(&worker->race->start);
	start = ktime_get_ns();
	end = jiffies + msecs_to_jiffies(milliseconds);
	while (time_before(jiffies, end)) {
		worker->turn(worker);
		cond_resched();
	}
	worker->ns = ktime_get_ns() - start;
	complete(&worker->race->end);
	return 0;
}

/* Runs all workers at the same time. */
static int run(struct race *race, struct worker *workers, unsigned int nr)
{
	unsigned int i, started;

	init_completion(&race->start);
	init_completion(&race->end);
	for (i = 0; i < nr; i++) {
		struct worker *worker = &workers[i];

		worker->race = race;
		worker->task = kthread_create(work, worker, "bench/%u", i);
		if (IS_ERR(worker->task))
			break;
		/* it ends by itself, before kthread_stop_put() */
		get_task_struct(worker->task);
		wake_up_process(worker->task);
	}
	started = i;
	complete_all(&race->start);
	for (i = 0; i < started; i++)
		wait_for_completion(&race->end);
	for (i = 0; i < started; i++)
		kthread_stop_put(workers[i].task);
	return started == nr ? 0 : -EAGAIN;
}

/* Returns what these workers did in a second. */
static u64 rate(const struct worker *workers, unsigned int nr)
{
	u64 done = 0, ns = 1;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		done += workers[i].done;
		ns = max(ns, workers[i].ns);
	}
	return div64_u64(done * NSEC_PER_SEC, ns);
}

static int measure(struct seq_file *result, struct race *race,
		   struct worker *workers, unsigned int nr)
{
	u64 worst_add = 0, worst_del = 0;
	unsigned int i;
	int err;

	for (i = 0; i < threads; i++) {
		workers[i].turn = add_and_del;
		workers[i].first = i * OWN;
	}
	for (; i < threads + counting; i++)
		workers[i].turn = count;
	for (; i < nr; i++)
		workers[i].turn = look_up;
	err = run(race, workers, nr);
	if (err)
		return err;
	seq_printf(result, "threads %u %llu\n", threads,
		   rate(workers, threads));
	seq_printf(result, "load %u %llu\n", threads,
		   rate(workers + threads, nr - threads));

	for (i = 0; i < threads; i++)
		workers[i].turn = timed_add_and_del;
	err = run(race, workers, nr);
	if (err)
		return err;
	for (i = 0; i < threads; i++) {
		worst_add = max(worst_add, workers[i].worst_add);
		worst_del = max(worst_del, workers[i].worst_del);
	}
	seq_printf(result, "worst_add %u %llu\n", threads, worst_add);
	seq_printf(result, "worst_del %u %llu\n", threads, worst_del);
	return 0;
}

int bench_threads(struct seq_file *result)
{
	unsigned int nr = threads + counting + looking;
	struct worker *workers;
	struct race race;
	int err;

	workers = kcalloc(nr, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	err = bench_pds_new(&race.objects, threads * OWN);
	if (!err) {
		err = measure(result, &race, workers, nr);
		bench_objects_free(&race.objects);
	}
	kfree(workers);
	return err;
}
