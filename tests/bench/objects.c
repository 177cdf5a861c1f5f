// SPDX-License-Identifier: GPL-2.0
/*
 * Many objects of a device. Their memory is allocated before anything is measured.
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include "bench.h"

/* How many objects to track between two calls of cond_resched(). */
#define STRIDE		1000

u32 bench_number_sequential(u32 index)
{
	/* leave out QP0 and QP1 */
	return index + 2;
}

/* A permutation of the numbers of 24 bits, made of steps that are permutations. */
u32 bench_number_random(u32 index)
{
	const u32 mask = (1U << 24) - 1;
	u32 number = index & mask;

	number = (number * 0x9e3779) & mask;
	number ^= number >> 13;
	number = (number * 0x85ebcb) & mask;
	number ^= number >> 11;
	number = (number * 0xc2b2ad) & mask;
	return number ^ (number >> 14);
}

static int objects_new(struct bench_objects *objects, u32 count, size_t size,
		       size_t entry)
{
	objects->dev = bench_device_new();
	if (IS_ERR(objects->dev))
		return PTR_ERR(objects->dev);
	objects->memory = vzalloc(array_size(count, size));
	if (!objects->memory) {
		bench_device_free(objects->dev);
		return -ENOMEM;
	}
	objects->first = objects->memory + entry;
	objects->size = size;
	objects->count = count;
	return 0;
}

int bench_pds_new(struct bench_objects *objects, u32 count)
{
	struct ib_pd *pd;
	int err;
	u32 i;

	objects->type = RDMA_RESTRACK_PD;
	err = objects_new(objects, count, sizeof(*pd), offsetof(typeof(*pd), res));
	if (err)
		return err;
	for (i = 0, pd = objects->memory; i < count; i++, pd++) {
		pd->device = &objects->dev->ib;
		pd->uobject = &objects->dev->uobject;
	}
	return 0;
}

int bench_qps_new(struct bench_objects *objects, u32 count,
		  bench_number_t number)
{
	struct ib_qp *qp;
	int err;
	u32 i;

	objects->type = RDMA_RESTRACK_QP;
	err = objects_new(objects, count, sizeof(*qp), offsetof(typeof(*qp), res));
	if (err)
		return err;
	for (i = 0, qp = objects->memory; i < count; i++, qp++) {
		qp->device = &objects->dev->ib;
		qp->qp_type = IB_QPT_RC;
		qp->qp_num = number(i);
	}
	return 0;
}

void bench_objects_free(struct bench_objects *objects)
{
	bench_device_free(objects->dev);
	vfree(objects->memory);
}

void bench_objects_add(struct bench_objects *objects, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to; i++) {
		bench_add(bench_entry(objects, i), objects->type, NULL);
		if (i % STRIDE == 0)
			cond_resched();
	}
}

void bench_objects_del(struct bench_objects *objects, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to; i++) {
		rdma_restrack_del(bench_entry(objects, i));
		if (i % STRIDE == 0)
			cond_resched();
	}
}
