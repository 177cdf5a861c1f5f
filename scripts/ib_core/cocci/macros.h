/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Macros of the kernel that make names of functions. Without these definitions
 * Coccinelle does not see the functions.
 */

#define UVERBS_HANDLER(id) id
