/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The private members of a root and of an entry, which are opaque bytes in the
 * header, for tests that set or read them.
 */

#ifndef RESTRACK_KUNIT_OPAQUE_H
#define RESTRACK_KUNIT_OPAQUE_H

#include <linux/atomic.h>
#include <rdma/restrack.h>

/* As in rust/root.rs, rust/table.rs and rust/counts.rs. */
struct opaque_root {
	struct {
		u64	size;
		void	*first;
		u32	first_count;
		void	*trunk;
		u32	grow_above;
		u32	shrink_below;
	} table[RDMA_RESTRACK_MAX];
	u64 apart[8];
	struct {
		atomic64_t	tickets;
		atomic64_t	objects;
		atomic_t	details;
		atomic_t	restored;
		u64		apart[5];
	} counts[RDMA_RESTRACK_MAX];
};

static_assert(sizeof(struct opaque_root) ==
	      sizeof_field(struct rdma_restrack_root, opaque));

static inline struct opaque_root *opaque_root(struct rdma_restrack_root *root)
{
	return (void *)root->opaque;
}

/* As the end of an entry in rust/entry.rs. */
struct opaque_entry {
	enum rdma_restrack_type		type;
	u32				id;
	bool				no_track;
	bool				user;
	u8				flags;
	u8				state;
	u32				since;
	u64				key;
	struct rdma_restrack_root	*root;
};

static_assert(offsetof(struct rdma_restrack_entry, type) +
	      sizeof(struct opaque_entry) == sizeof(struct rdma_restrack_entry));

static inline struct opaque_entry *opaque_entry(struct rdma_restrack_entry *res)
{
	return (void *)&res->type;
}

#endif /* RESTRACK_KUNIT_OPAQUE_H */
