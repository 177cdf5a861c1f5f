/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RDMA resource tracker (restrack): the C interface of rdma_restrack.ko.
 *
 * An RDMA device keeps one &struct rdma_restrack_root; every object that the
 * device hands out carries one &struct rdma_restrack_entry. The tracker knows
 * which entries are alive and who owns them, and rdma_restrack_del() does not
 * return while anybody still holds a reference from rdma_restrack_get(),
 * rdma_restrack_get_byid() or rdma_restrack_next().
 *
 * Two ways to use an entry, on the same type:
 *
 *  - in one call: a zeroed entry, @type set (and @kern_name for a kernel
 *    owner, and rdma_restrack_no_track() for an object that nobody is to see),
 *    then rdma_restrack_add(), later rdma_restrack_del(). All of the entry has
 *    to be zero but for what is set, and what is set stays set;
 *  - in steps: rdma_restrack_new(), then rdma_restrack_set_name() or
 *    rdma_restrack_parent_name(), then rdma_restrack_add(), later
 *    rdma_restrack_del(), or rdma_restrack_begin_del() followed by
 *    rdma_restrack_commit_del() or rdma_restrack_abort_del(). The memory of the
 *    entry may hold anything before rdma_restrack_new(), which sets all of it;
 *    rdma_restrack_no_track() comes after that.
 *
 * An entry that was deleted is like one that was zeroed, but for what the caller
 * had set: it may be added again, in either way.
 *
 * Locking: the caller serialises the functions that change one entry (new,
 * set_name, parent_name, add, sync, begin_del, abort_del, commit_del, del)
 * against each other, as the creator and destroyer of an object does anyway.
 * While a root is initialized or cleaned, nothing else runs on it or on the
 * entries in it. Everything else may run at any time, in parallel, on any entry
 * or root. Functions that may sleep say so.
 *
 * Bad use (a NULL pointer, a type outside the enumeration, an entry added
 * twice, ...) is reported once per kind with a warning that names the function,
 * the type and the number of the object, and is otherwise without effect.
 * Some bad use cannot be noticed, and what is said to be the caller's to see to
 * is of that kind.
 */

#ifndef _RDMA_RESTRACK_H_
#define _RDMA_RESTRACK_H_

#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/typecheck.h>
#include <linux/types.h>
#include <uapi/rdma/rdma_netlink.h>

struct ib_device;
struct pid_namespace;
struct sk_buff;

/* log2 of the number of buckets in &rdma_restrack_root.hash */
#define RDMA_RESTRACK_HASH_BITS 8

/**
 * enum rdma_restrack_type - HW objects to track
 */
enum rdma_restrack_type {
	/** @RDMA_RESTRACK_PD: Protection domain (PD) */
	RDMA_RESTRACK_PD,
	/** @RDMA_RESTRACK_CQ: Completion queue (CQ) */
	RDMA_RESTRACK_CQ,
	/** @RDMA_RESTRACK_QP: Queue pair (QP) */
	RDMA_RESTRACK_QP,
	/** @RDMA_RESTRACK_XRCD: XRC domain (XRCD) */
	RDMA_RESTRACK_XRCD,
	/** @RDMA_RESTRACK_CM_ID: Connection manager identifier (CM_ID) */
	RDMA_RESTRACK_CM_ID,
	/** @RDMA_RESTRACK_MR: Memory region (MR) */
	RDMA_RESTRACK_MR,
	/** @RDMA_RESTRACK_CTX: Verbs context (CTX) */
	RDMA_RESTRACK_CTX,
	/** @RDMA_RESTRACK_COUNTER: Statistics counter */
	RDMA_RESTRACK_COUNTER,
	/** @RDMA_RESTRACK_SRQ: Shared receive queue (SRQ) */
	RDMA_RESTRACK_SRQ,
	/** @RDMA_RESTRACK_DMAH: DMA handle */
	RDMA_RESTRACK_DMAH,
	/** @RDMA_RESTRACK_COMP_CNTR: Completion counter */
	RDMA_RESTRACK_COMP_CNTR,
	/** @RDMA_RESTRACK_MAX: Number of types, for array declarations */
	RDMA_RESTRACK_MAX
};

/**
 * struct rdma_restrack_root - main resource tracking management entity,
 * one for each device
 * @rwsem: held for writing to change the number of buckets, and to clean. The
 *	buckets have locks of their own
 * @hash: global database of all resources of the device; each type has a run
 *	of buckets of its own. Walk it with rdma_restrack_next(), never directly
 */
struct rdma_restrack_root {
	struct rw_semaphore		rwsem;
	DECLARE_HASHTABLE(hash, RDMA_RESTRACK_HASH_BITS);
	/* private: the tracker's own; its build checks the size */
	u64				opaque[8 + 13 * RDMA_RESTRACK_MAX];
};

/**
 * struct rdma_restrack_entry - metadata of one tracked object
 */
struct rdma_restrack_entry {
	/**
	 * @valid: validity indicator
	 *
	 * True from a successful rdma_restrack_add() to rdma_restrack_del() or
	 * rdma_restrack_commit_del(). An entry whose device was cleaned first
	 * is no longer valid, and rdma_restrack_abort_del() does not make it
	 * valid again.
	 */
	bool			valid;
	/** @kref: holds back the destruction of the object */
	struct kref		kref;
	/** @comp: signals that the last reader has left */
	struct completion	comp;
	/**
	 * @task: owner of an object that was created by user space: the
	 * thread-group leader of the process, with a reference. NULL for an
	 * object that was created by the kernel.
	 */
	struct task_struct	*task;
	/** @kern_name: name of the owner of an object created by the kernel */
	const char		*kern_name;
	union {
		/** @node: link in &rdma_restrack_root.hash */
		struct hlist_node	node;
		/* private: the tracker's own; its build checks the size */
		void			*opaque_node[3];
	};
	/* public: */
	/** @type: what kind of object this is */
	enum rdma_restrack_type	type;
	/**
	 * @id: number of the object as users see it: the QP number (with the
	 * port in the top byte for QP0 and QP1), the counter number, else a
	 * number that rdma_restrack_add() chose
	 */
	u32			id;
	/**
	 * @no_track: keep this entry out of the database; set it with
	 * rdma_restrack_no_track(), after rdma_restrack_new() and before
	 * rdma_restrack_add()
	 */
	bool			no_track;
	/** @user: the object belongs to a process */
	bool			user;
	/* private: the tracker's own; its build checks the size */
	u8			opaque[22];
};

/*
 * Roots
 */

/**
 * rdma_restrack_init() - initialize resource tracking
 * @res: resource tracking root, zeroed
 *
 * Allocates nothing and cannot fail.
 */
void rdma_restrack_init(struct rdma_restrack_root *res);

/**
 * rdma_restrack_clean() - clean resource tracking
 * @res: resource tracking root
 *
 * Call it when the device goes away and its objects are gone. Entries that are
 * still there are a leak: each is reported with type, number, owner and age,
 * unlinked and marked invalid. All functions still work on such an entry, and
 * its readers are still waited for, but neither the root nor the device is
 * touched, so that they may be freed before it.
 *
 * It is the caller's to see to that nothing else runs on the root meanwhile, or
 * on an entry in it: no lookup, no walk, no count, and none of the functions
 * that change an entry. (One that has read where the entry is linked goes on to
 * take the lock that is there, or to count what is there, and nobody keeps the
 * memory of the root for it.) Even so a deletion that comes too late and finds
 * its entry unlinked may free it at once: the entry is not written to after it
 * was given up. May sleep.
 */
void rdma_restrack_clean(struct rdma_restrack_root *res);

/**
 * rdma_restrack_count() - the current usage of specific object
 * @res: resource tracking root
 * @type: actual type of object to count
 * @ns: PID namespace of the one who asks; NULL means the initial one
 *
 * In the initial PID namespace this counts all objects in constant time. In any
 * other namespace it counts those whose owner has a PID there, in time linear
 * in the number of objects; objects of the kernel are not seen from there.
 * Objects with driver details are not counted, see
 * rdma_restrack_count_details(). May sleep.
 *
 * Return: the number of objects, 0 for a type that does not exist.
 */
int rdma_restrack_count(struct rdma_restrack_root *res,
			enum rdma_restrack_type type, struct pid_namespace *ns);

/*
 * Entries
 */

/**
 * rdma_restrack_new() - initialize an entry
 * @res: resource entry
 * @type: type of the object
 *
 * Sets all members, whatever the memory holds: @type as given, one reference,
 * no owner, to be tracked. From then on rdma_restrack_put() may drop a half-built
 * object: the last put of an entry that was never added releases its owner.
 *
 * As it reads nothing, it is the caller's to see to that the entry is not in use:
 * not tracked, and without a process that was set as its owner and not released
 * by rdma_restrack_put() or rdma_restrack_del(). Does not sleep.
 */
void rdma_restrack_new(struct rdma_restrack_entry *res,
		       enum rdma_restrack_type type);

/**
 * rdma_restrack_set_name() - set the owner of an object
 * @res: resource entry
 * @caller: name of the kernel module that owns the object, valid as long as the
 *	entry is; NULL if the owner is the current process
 *
 * Replaces the owner that there was, as long as the entry is not added. That of
 * an entry that is, up to the end of rdma_restrack_del(), others may be reading:
 * it stays, and there is a warning.
 */
void rdma_restrack_set_name(struct rdma_restrack_entry *res,
			    const char *caller);

/**
 * rdma_restrack_parent_name() - let an object belong to the owner of another
 * @dst: resource entry that gets an owner
 * @parent: resource entry whose owner it is, tracked or not; it must stay, and
 *	keep its owner, during the call
 *
 * As rdma_restrack_set_name() otherwise. If the owner of @parent was a process
 * and has been released, nothing changes.
 */
void rdma_restrack_parent_name(struct rdma_restrack_entry *dst,
			       const struct rdma_restrack_entry *parent);

/**
 * rdma_restrack_add() - add object to the resource tracking database
 * @res: resource entry, with &rdma_restrack_entry.type set and embedded in an
 *	object whose device is set
 *
 * An entry that has not been through rdma_restrack_new() is initialized here,
 * and one without an owner gets one: its &rdma_restrack_entry.kern_name if that
 * is set; else, for a queue pair, the kernel name of its protection domain;
 * else the current process. Allocates nothing and cannot fail: objects of one
 * type that carry the same number are all tracked. May sleep.
 */
void rdma_restrack_add(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_del() - delete object from the resource tracking database
 * @res: resource entry
 *
 * Takes the entry out, waits until the last reader has put its reference and
 * releases the owner. On an entry that is not tracked it only releases the
 * owner, so it may be called twice. May sleep.
 *
 * The wait has no end other than that: a reference that nobody puts, or so many
 * that they cannot be counted, is for ever. A message says so, with the stack of
 * the one who waits.
 */
void rdma_restrack_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_begin_del() - make an object unreachable, reversibly
 * @res: resource entry
 *
 * After this no lookup finds the entry and no reader holds it, but it keeps its
 * place until rdma_restrack_commit_del() or rdma_restrack_abort_del() decides,
 * one of which the caller has to call before the object goes, and before its
 * device does. A new object with the same number may be added meanwhile. Without
 * effect on an entry that is not tracked, or for which it was called already.
 * May sleep, as rdma_restrack_del() does.
 */
void rdma_restrack_begin_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_abort_del() - bring an object back after
 * rdma_restrack_begin_del(), because it could not be destroyed
 * @res: resource entry
 *
 * The object must be as readers may see it again, with the number that it had.
 * Without effect on an entry that was never added; a warning without
 * rdma_restrack_begin_del(). May sleep.
 */
void rdma_restrack_abort_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_commit_del() - finish what rdma_restrack_begin_del() began
 * @res: resource entry
 *
 * Takes the entry out and releases the owner. Without rdma_restrack_begin_del()
 * it is rdma_restrack_del(). May sleep.
 */
void rdma_restrack_commit_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_sync() - let readers of an old state of the object leave
 * @res: resource entry
 *
 * Waits until nobody holds a reference and makes the object available again: a
 * reader that comes afterwards sees what the caller changed before the call,
 * e.g. the PD of a re-registered MR. The change itself is the caller's to make so
 * that readers who are still there can bear it (WRITE_ONCE(), and what it was
 * stays until this returns). No lookup finds the entry meanwhile. Without effect
 * on an entry that is not tracked or is being deleted. Must not run in parallel
 * with rdma_restrack_del() or rdma_restrack_begin_del() of the same entry, nor be
 * called by one who holds a reference. May sleep, as rdma_restrack_del() does.
 */
void rdma_restrack_sync(struct rdma_restrack_entry *res);

/**
 * rdma_is_kernel_res() - check the owner of resource
 * @res: resource entry
 *
 * Return: true unless the object belongs to a process.
 */
bool rdma_is_kernel_res(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_get() - grab to protect resource from release
 * @res: resource entry; its memory must be safe to touch, which the tracker
 *	guarantees only to those who hold a reference or own the object
 *
 * Takes no lock and does not sleep.
 *
 * Return: 1 if there is a reference to put now, 0 if the object is going away.
 */
int __must_check rdma_restrack_get(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_put() - release resource
 * @res: resource entry
 *
 * Takes no lock and does not sleep, except for the last reference, which wakes
 * the one who waits in rdma_restrack_del(). To put more often than was got is for
 * the caller not to do: what is put may be the reference of a reader, which the
 * object then does not wait for. It is noticed when there is none left to put.
 *
 * Return: 1 if that was the last reference, else 0.
 */
int rdma_restrack_put(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_get_byid() - translate from ID to restrack object
 * @dev: RDMA device
 * @type: type of the object
 * @id: number of the object
 *
 * May sleep.
 *
 * Return: the entry with a reference that the caller has to put, or a pointer
 * error: %-ENOENT if there is none, %-EINVAL for a bad argument.
 */
struct rdma_restrack_entry *
rdma_restrack_get_byid(struct ib_device *dev, enum rdma_restrack_type type,
		       u32 id);

/**
 * rdma_restrack_no_track() - don't add resource to the DB
 * @res: resource entry that is not added yet, but has been through
 *	rdma_restrack_new() if it goes there at all
 *
 * For objects that nobody is to see. All other functions still work on them.
 */
static inline void rdma_restrack_no_track(struct rdma_restrack_entry *res)
{
	res->no_track = true;
}

/**
 * rdma_restrack_is_tracked() - is this a resource that goes to the DB
 * @res: resource entry
 *
 * Return: false after rdma_restrack_no_track(), else true.
 */
static inline bool rdma_restrack_is_tracked(struct rdma_restrack_entry *res)
{
	return !res->no_track;
}

/*
 * For drivers that fill netlink messages about their objects; ib_core has them.
 */

/**
 * rdma_nl_put_driver_u32() - add a driver attribute, a decimal number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u32(struct sk_buff *msg, const char *name, u32 value);

/**
 * rdma_nl_put_driver_u32_hex() - add a driver attribute, a hexadecimal number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u32_hex(struct sk_buff *msg, const char *name,
			       u32 value);

/**
 * rdma_nl_put_driver_u64() - add a driver attribute, a long decimal number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u64(struct sk_buff *msg, const char *name, u64 value);

/**
 * rdma_nl_put_driver_u64_hex() - add a driver attribute, a long hexadecimal
 * number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u64_hex(struct sk_buff *msg, const char *name,
			       u64 value);

/**
 * rdma_nl_put_driver_string() - add a driver attribute, a string
 * @msg: netlink message
 * @name: name of the attribute
 * @str: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_string(struct sk_buff *msg, const char *name,
			      const char *str);

/**
 * rdma_nl_stat_hwcounter_entry() - add a hardware counter
 * @msg: netlink message
 * @name: name of the counter
 * @value: its value
 *
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_stat_hwcounter_entry(struct sk_buff *msg, const char *name,
				 u64 value);

/*
 * Beyond the C tracker of the kernel
 */

/**
 * rdma_restrack_count_details() - count objects, with or without those that
 * have driver details
 * @res: resource tracking root
 * @type: actual type of object to count
 * @ns: PID namespace of the one who asks; NULL means the initial one
 * @show_details: count also queue pairs of driver-specific types
 *
 * As rdma_restrack_count() otherwise. May sleep.
 *
 * Return: the number of objects, 0 for a type that does not exist.
 */
int rdma_restrack_count_details(struct rdma_restrack_root *res,
				enum rdma_restrack_type type,
				struct pid_namespace *ns, bool show_details);

/**
 * rdma_restrack_next() - walk over the objects of one type
 * @res: resource tracking root
 * @type: type of the objects
 * @cursor: where the walk stands: 0 to start, then what the last call left
 * @show_details: visit also queue pairs of driver-specific types
 *
 * The walk needs no lock between calls and costs the same at each, and the
 * cursor may be kept for as long as one likes: an object that is there from the
 * first call to the last is visited exactly once, whatever else comes and goes
 * meanwhile. The one exception is an object whose turn comes while it is in
 * rdma_restrack_sync(), or whose deletion has begun and is taken back later
 * (rdma_restrack_abort_del(), rdma_restrack_abort_free()): it is passed over. May
 * sleep.
 *
 * Return: the next entry, with a reference that the caller has to put, or NULL
 * at the end.
 */
struct rdma_restrack_entry *
rdma_restrack_next(struct rdma_restrack_root *res,
		   enum rdma_restrack_type type, u64 *cursor,
		   bool show_details);

/**
 * rdma_restrack_for_each() - walk over the objects of one type
 * @entry: &struct rdma_restrack_entry pointer to use as a loop cursor; the loop
 *	holds a reference to it, which is the body's to put if it leaves the
 *	loop early
 * @res: resource tracking root
 * @type: type of the objects
 * @cursor: u64 variable for rdma_restrack_next()
 * @show_details: visit also queue pairs of driver-specific types
 */
#define rdma_restrack_for_each(entry, res, type, cursor, show_details)	\
	for ((cursor) = 0;							\
	     ((entry) = rdma_restrack_next(res, type, &(cursor), show_details)); \
	     rdma_restrack_put(entry))

/**
 * rdma_restrack_generation() - has the table changed
 * @res: resource tracking root
 * @type: type of the objects
 *
 * Takes no lock and does not sleep.
 *
 * Return: a number, never 0, that differs from the one before when objects of
 * this type came or went in between, if only out of sight for the time of an
 * rdma_restrack_sync(). What a call does counts when the call returns.
 */
u32 rdma_restrack_generation(struct rdma_restrack_root *res,
			     enum rdma_restrack_type type);

/**
 * rdma_restrack_keys() - collect the keys of the objects of one type
 * @res: resource tracking root
 * @type: type of the objects
 * @cursor: where to go on: 0 to start, then what the last call left
 * @show_details: include queue pairs of driver-specific types
 * @keys: where the keys go; need not be initialized
 * @max: how many there is room for
 *
 * A key stands for one object for as long as that is tracked, and for no other
 * one that comes later, even under the same number (until 4 billion others came
 * or went). Keys compare as the numbers of their objects do, and those of objects
 * with equal numbers as they were added; they do not come in this order. Keys of
 * objects that are being deleted or synchronized are among them.
 *
 * May sleep.
 *
 * Return: how many keys there are in @keys; less than @max at the end.
 */
u32 rdma_restrack_keys(struct rdma_restrack_root *res,
		       enum rdma_restrack_type type, u64 *cursor,
		       bool show_details, u64 *keys, u32 max);

/**
 * rdma_restrack_get_bykey() - find the object that a key stands for
 * @res: resource tracking root
 * @type: type of the object
 * @key: from rdma_restrack_keys()
 *
 * May sleep.
 *
 * Return: the entry with a reference that the caller has to put, or a pointer
 * error: %-ENOENT if the object is gone; %-EAGAIN if it is being deleted, which
 * may still be taken back; %-EBUSY if it is there, but in
 * rdma_restrack_sync(); %-EINVAL for a bad argument.
 */
struct rdma_restrack_entry *
rdma_restrack_get_bykey(struct rdma_restrack_root *res,
			enum rdma_restrack_type type, u64 key);

/**
 * rdma_restrack_restores() - how many deletions were taken back
 * @res: resource tracking root
 * @type: type of the objects
 *
 * One who was told %-EAGAIN by rdma_restrack_get_bykey() has missed an object
 * only if a deletion was taken back since. Takes no lock and does not sleep.
 *
 * Return: how often rdma_restrack_abort_del() or rdma_restrack_abort_free()
 * brought an object of this type back. It wraps.
 */
u32 rdma_restrack_restores(struct rdma_restrack_root *res,
			   enum rdma_restrack_type type);

/**
 * struct rdma_restrack_stand_in - what takes the place of an entry whose memory
 * may go
 */
struct rdma_restrack_stand_in {
	/* private: in the table instead of the object's entry */
	struct rdma_restrack_entry entry;
};

/**
 * rdma_restrack_begin_free() - make an object unreachable, reversibly, before
 * somebody else frees it
 * @res: resource entry
 * @stand_in: need not be initialized, and has to stay where it is until
 *	rdma_restrack_commit_free() or rdma_restrack_abort_free(), one of which
 *	has to follow
 *
 * For objects whose driver frees the memory that the entry is in, as it does
 * with MRs: nobody can call rdma_restrack_commit_del() after that. This is
 * rdma_restrack_begin_del(), but the place, the number and the owner of @res go
 * to @stand_in, and @res is in no table any more. May sleep.
 */
void rdma_restrack_begin_free(struct rdma_restrack_entry *res,
			      struct rdma_restrack_stand_in *stand_in);

/**
 * rdma_restrack_abort_free() - bring an object back after
 * rdma_restrack_begin_free(), because it was not freed
 * @res: resource entry, as rdma_restrack_begin_free() left it
 * @stand_in: what has stood in for it
 *
 * The object is as it was before, with its place, its number, its owner and its
 * age. May sleep.
 */
void rdma_restrack_abort_free(struct rdma_restrack_entry *res,
			      struct rdma_restrack_stand_in *stand_in);

/**
 * rdma_restrack_commit_free() - finish what rdma_restrack_begin_free() began
 * @stand_in: what has stood in for the entry, which is not needed and may be gone
 *
 * Takes the stand-in out and releases the owner. May sleep.
 */
void rdma_restrack_commit_free(struct rdma_restrack_stand_in *stand_in);

#endif /* _RDMA_RESTRACK_H_ */
