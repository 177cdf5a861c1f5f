// SPDX-License-Identifier: GPL-2.0
/*
 * The exported symbols. The functions are in Rust (abi.rs). They are exported here,
 * where the compiler sees their prototypes.
 */

#include <linux/export.h>
#include <rdma/restrack.h>

EXPORT_SYMBOL(rdma_restrack_init);
EXPORT_SYMBOL(rdma_restrack_clean);
EXPORT_SYMBOL(rdma_restrack_count);
EXPORT_SYMBOL(rdma_restrack_new);
EXPORT_SYMBOL(rdma_restrack_set_name);
EXPORT_SYMBOL(rdma_restrack_parent_name);
EXPORT_SYMBOL(rdma_restrack_add);
EXPORT_SYMBOL(rdma_restrack_del);
EXPORT_SYMBOL(rdma_restrack_begin_del);
EXPORT_SYMBOL(rdma_restrack_abort_del);
EXPORT_SYMBOL(rdma_restrack_commit_del);
EXPORT_SYMBOL(rdma_restrack_sync);
EXPORT_SYMBOL(rdma_is_kernel_res);
EXPORT_SYMBOL(rdma_restrack_get);
EXPORT_SYMBOL(rdma_restrack_put);
EXPORT_SYMBOL(rdma_restrack_get_byid);

EXPORT_SYMBOL(rdma_restrack_count_details);
EXPORT_SYMBOL(rdma_restrack_next);
EXPORT_SYMBOL(rdma_restrack_generation);
EXPORT_SYMBOL(rdma_restrack_keys);
EXPORT_SYMBOL(rdma_restrack_get_bykey);
EXPORT_SYMBOL(rdma_restrack_restores);
EXPORT_SYMBOL(rdma_restrack_begin_free);
EXPORT_SYMBOL(rdma_restrack_abort_free);
EXPORT_SYMBOL(rdma_restrack_commit_free);
