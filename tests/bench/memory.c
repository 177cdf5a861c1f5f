// SPDX-License-Identifier: GPL-2.0
/*
 * The memory for each tracked object: its entry, and its share of what the tracker
 * allocates.
 */

#include <linux/delay.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include "bench.h"

/* Returns how many bytes the kernel has allocated, after the counters are up to date. */
static u64 allocated(void)
{
	/* the counters of each processor are added up once a second */
	msleep(2500);
	return (u64)PAGE_SIZE *
	       (global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		global_node_page_state(NR_VMALLOC));
}

int bench_memory(struct seq_file *result)
{
	const u32 sizes[] = { 10000, 100000, 1000000 };
	struct bench_objects pds;
	u32 live = 0, i;
	u64 before;
	int err;

	err = bench_pds_new(&pds, BENCH_MOST);
	if (err)
		return err;
	before = allocated();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bench_objects_add(&pds, live, sizes[i]);
		live = sizes[i];
		seq_printf(result, "bytes_per_pd %u %llu\n", live,
			   sizeof(struct rdma_restrack_entry) +
			   div_u64(allocated() - before + live / 2, live));
	}
	bench_objects_del(&pds, 0, live);
	bench_objects_free(&pds);
	return 0;
}
