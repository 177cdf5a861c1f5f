// SPDX-License-Identifier: GPL-2.0
/*
 * The files of the benchmark in debugfs.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include "bench.h"

/* One measurement at a time: all use the same device name. */
static DEFINE_MUTEX(lock);

/*
 * The results must fit into the first page of a seq_file: for a larger buffer it
 * would measure again.
 */
static int cost_show(struct seq_file *result, void *unused)
{
	guard(mutex)(&lock);
	return bench_cost(result);
}
DEFINE_SHOW_ATTRIBUTE(cost);

static int worst_show(struct seq_file *result, void *unused)
{
	guard(mutex)(&lock);
	return bench_worst(result);
}
DEFINE_SHOW_ATTRIBUTE(worst);

static int memory_show(struct seq_file *result, void *unused)
{
	guard(mutex)(&lock);
	return bench_memory(result);
}
DEFINE_SHOW_ATTRIBUTE(memory);

static int threads_show(struct seq_file *result, void *unused)
{
	guard(mutex)(&lock);
	return bench_threads(result);
}
DEFINE_SHOW_ATTRIBUTE(threads);

static struct dentry *folder;

static int __init bench_init(void)
{
	folder = debugfs_create_dir("restrack_bench", NULL);
	debugfs_create_file("cost", 0400, folder, NULL, &cost_fops);
	debugfs_create_file("worst", 0400, folder, NULL, &worst_fops);
	debugfs_create_file("memory", 0400, folder, NULL, &memory_fops);
	debugfs_create_file("threads", 0400, folder, NULL, &threads_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(folder);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Benchmark of the RDMA resource tracker");
MODULE_LICENSE("GPL");
