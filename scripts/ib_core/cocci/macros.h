/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Coccinelle is told about macros of the kernel: without that it takes the
 * functions whose names they make for none.
 */

#define UVERBS_HANDLER(id) id
