/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cost of a resource tracker, measured through functions that both the tracker
 * inside ib_core and rdma_restrack have.
 *
 * Each measurement is a file in /sys/kernel/debug/restrack_bench. Reading it runs
 * it, and gives one line for each result, "<operation> <objects> <value>". Times
 * are in nanoseconds and include the loop around the call. They are meant for a
 * guest whose clock counts instructions.
 */

#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>
#include "tracker.h"

struct seq_file;

/*
 * Devices
 */

#define BENCH_DEVICE_NAME	"bench0"

/**
 * struct bench_device - an RDMA device that does nothing
 * @ib: the device
 * @context: verbs context of all its objects
 * @uobject: user object of all its objects, which netlink dumps read
 */
struct bench_device {
	struct ib_device	ib;
	struct ib_ucontext	context;
	struct ib_uobject	uobject;
};

struct bench_device *bench_device_new(void);
void bench_device_free(struct bench_device *dev);

/*
 * Objects
 */

/**
 * struct bench_objects - objects of one type on one device
 * @dev: the device
 * @type: the type of the objects
 * @memory: the objects
 * @first: the entry of the first object
 * @size: from one entry to the next, in bytes
 * @count: how many objects there are
 */
struct bench_objects {
	struct bench_device	*dev;
	enum rdma_restrack_type	type;
	void			*memory;
	void			*first;
	size_t			size;
	u32			count;
};

/* Returns the number of the QP at an index; all are different. */
typedef u32 (*bench_number_t)(u32 index);

u32 bench_number_sequential(u32 index);
u32 bench_number_random(u32 index);

int bench_pds_new(struct bench_objects *objects, u32 count);
int bench_qps_new(struct bench_objects *objects, u32 count,
		  bench_number_t number);
void bench_objects_free(struct bench_objects *objects);

/* Tracks or deletes the objects from index @from to @to - 1. */
void bench_objects_add(struct bench_objects *objects, u32 from, u32 to);
void bench_objects_del(struct bench_objects *objects, u32 from, u32 to);

static inline struct rdma_restrack_entry *
bench_entry(const struct bench_objects *objects, u32 index)
{
	return objects->first + index * objects->size;
}

/* What ib_core does for an object of the kernel, or of a process if @name is NULL. */
static inline void bench_add(struct rdma_restrack_entry *entry,
			     enum rdma_restrack_type type, const char *name)
{
	rdma_restrack_new(entry, type);
	rdma_restrack_set_name(entry, name);
	rdma_restrack_add(entry);
}

/*
 * Measurements
 */

/* Numbers of live objects to measure at. */
static const u32 bench_sizes[] = { 0, 1000, 10000, 100000, 1000000 };

#define BENCH_MOST		1000000

int bench_cost(struct seq_file *result);
int bench_worst(struct seq_file *result);
int bench_memory(struct seq_file *result);
int bench_threads(struct seq_file *result);

#endif /* BENCH_H */
