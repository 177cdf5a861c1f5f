/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of libibverbs that are used here. Its headers are not installed
 * where this is built.
 */

#ifndef BENCH_VERBS_H
#define BENCH_VERBS_H

#include <stddef.h>

void **ibv_get_device_list(int *count);
void *ibv_open_device(void *device);
void *ibv_alloc_pd(void *context);
void *ibv_reg_mr(void *pd, void *address, size_t length, int access);
int ibv_dereg_mr(void *mr);

#endif /* BENCH_VERBS_H */
