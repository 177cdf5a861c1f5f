/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads: the C types and functions that the Rust side uses. */

#include <linux/hash.h>
#include <linux/rbtree.h>
#include <rdma/restrack.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>
#include <rdma/rdma_counter.h>
#include "cma_priv.h"

#include "../helpers.h"
