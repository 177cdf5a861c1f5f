/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RDMA resource tracker (restrack): the C interface of rdma_restrack.ko.
 *
 * An RDMA device embeds one &struct rdma_restrack_root, and each object of the
 * device one &struct rdma_restrack_entry. The tracker knows which entries are
 * alive and who owns them. A reader takes a reference to an entry. Whoever
 * destroys the object waits until all readers have put their references.
 *
 * The life of an entry:
 *
 *	rdma_restrack_new(res, type);
 *	rdma_restrack_set_name(res, name);	or rdma_restrack_parent_name()
 *	rdma_restrack_no_track(res);		only if the object is to be hidden
 *	rdma_restrack_add(res);
 *	...
 *	rdma_restrack_del(res);
 *
 * An entry in zeroed memory may go to rdma_restrack_add() at once, with its
 * &rdma_restrack_entry.type set, and &rdma_restrack_entry.kern_name if the
 * kernel is to own the object.
 *
 * Where rdma_restrack_del() is not enough:
 *
 *  - the driver may refuse to destroy the object: rdma_restrack_begin_del(),
 *    then rdma_restrack_commit_del() or rdma_restrack_abort_del();
 *  - the driver may refuse, and frees the memory of the entry if it does not:
 *    rdma_restrack_begin_free(), then rdma_restrack_commit_free() or
 *    rdma_restrack_abort_free().
 *
 * A deleted entry may be added again, in either way.
 *
 * Locking: whoever creates and destroys an object calls the functions that
 * change its entry (new, set_name, parent_name, no_track, add, sync, and all of
 * del and free) one at a time. Everything else may run in parallel, on any
 * entry and any root, except where a function says otherwise.
 *
 * Context: most functions need process context and may sleep. "Any context"
 * includes interrupt handlers.
 *
 * Misuse: a NULL pointer, a type that does not exist and the like give one
 * warning per kind of mistake and boot. It names the function, the type and the
 * number of the object. The call has no other effect, except that a queue pair
 * with a number of more than 24 bits, or a port of more than 8, is tracked. What
 * a function says that its caller must ensure is not checked.
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
 * struct rdma_restrack_root - all tracked objects of one device
 * @rwsem: held for writing to change the number of buckets, and to clean; each
 *	bucket has a lock of its own
 * @hash: the first buckets of each type; never read it, but walk with
 *	rdma_restrack_next()
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
	 * @valid: true from rdma_restrack_add() to rdma_restrack_del() or
	 * rdma_restrack_commit_del(), or until its root is cleaned
	 */
	bool			valid;
	/** @kref: holds back the destruction of the object */
	struct kref		kref;
	/** @comp: signals that the last reader has left */
	struct completion	comp;
	/**
	 * @task: thread-group leader of the process that owns the object, with
	 * a reference; NULL if the kernel owns it
	 */
	struct task_struct	*task;
	/** @kern_name: name of the owner, if the kernel owns the object */
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
	 * @id: number of the object as users see it: of a QP its own (with the
	 * port in the top byte for QP0 and QP1), of a counter its own, else
	 * one that rdma_restrack_add() chose
	 */
	u32			id;
	/** @no_track: do not link the entry; see rdma_restrack_no_track() */
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
 * rdma_restrack_init() - initialize a root
 * @res: root; all of its memory is zero
 *
 * Cannot fail. Nothing else may use the root before this returns.
 *
 * Context: Any context. Allocates nothing.
 */
void rdma_restrack_init(struct rdma_restrack_root *res);

/**
 * rdma_restrack_clean() - report and unlink what is left in a root
 * @res: root
 *
 * To be called when the device goes away and its objects are gone. An entry
 * that is still linked is a leak: it is reported with its type, number, owner
 * and age, unlinked, and no longer valid. All functions still work on such an
 * entry, its readers are still waited for, and neither the root nor the device
 * is touched. So both may be freed before it.
 *
 * The caller must ensure that nothing else runs on the root, or on an entry
 * that is linked in it: memory that lookups read is freed here.
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_clean(struct rdma_restrack_root *res);

/**
 * rdma_restrack_count() - count the objects of one type
 * @res: root
 * @type: type of the objects
 * @ns: PID namespace to count for; NULL means the initial one
 *
 * The initial PID namespace counts all objects, in constant time. Any other one
 * counts the objects whose owner is a process that has a PID there, in time
 * linear in the number of all objects. Queue pairs of driver-specific types are
 * left out, see rdma_restrack_count_details(). While objects come and go, the
 * result may be off by those.
 *
 * Context: Any context, without a lock, for the initial PID namespace; else
 * process context, may sleep.
 * Return: the number of objects; 0 for a bad argument.
 */
int rdma_restrack_count(struct rdma_restrack_root *res,
			enum rdma_restrack_type type, struct pid_namespace *ns);

/*
 * Entries
 */

/**
 * rdma_restrack_new() - initialize an entry
 * @res: entry; its memory may hold anything
 * @type: type of the object
 *
 * Sets all members: @type, one reference, no owner, to be tracked. An object
 * that is given up before rdma_restrack_add() needs one rdma_restrack_put(),
 * which releases its owner.
 *
 * The caller must ensure that the entry is not tracked, and that no process is
 * set as its owner: that reference would be lost.
 *
 * Context: Any context.
 */
void rdma_restrack_new(struct rdma_restrack_entry *res,
		       enum rdma_restrack_type type);

/**
 * rdma_restrack_set_name() - set the owner of an object
 * @res: entry, new or zeroed
 * @caller: name of the kernel module that owns the object, which must stay as
 *	long as the object; NULL if the current process owns it
 *
 * Replaces an owner that was set before. The owner of an entry that was added
 * stays until rdma_restrack_del() has returned, for others may be reading it: a
 * call before that gives a warning.
 *
 * Context: Process context. Does not sleep.
 */
void rdma_restrack_set_name(struct rdma_restrack_entry *res,
			    const char *caller);

/**
 * rdma_restrack_parent_name() - set the owner of an object to that of another
 * @dst: entry, as for rdma_restrack_set_name()
 * @parent: entry whose owner is taken, tracked or not; the caller must ensure
 *	that it keeps that owner during the call
 *
 * Does nothing if @parent belonged to a process and has released it.
 *
 * Context: Process context. Does not sleep.
 */
void rdma_restrack_parent_name(struct rdma_restrack_entry *dst,
			       const struct rdma_restrack_entry *parent);

/**
 * rdma_restrack_add() - track an object
 * @res: entry, new or zeroed with its type set; embedded in an object whose
 *	device is set, and the type, number, port and PD of a queue pair, and
 *	the number of a counter
 *
 * Readers may find the object before this returns. An entry without an owner
 * gets one: its &rdma_restrack_entry.kern_name if that is set; else, for a
 * queue pair, the kernel name of its PD; else the current process.
 *
 * Cannot fail: it needs no memory, and objects of one type with equal numbers
 * are all tracked. The entry must stay where it is until it is deleted, or its
 * root is cleaned. An entry after rdma_restrack_no_track() is not linked; all
 * functions work on it, but nobody finds it.
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_add(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_del() - stop tracking an object
 * @res: entry
 *
 * Unlinks the entry, waits until the last reader has put its reference, and
 * releases the owner. If the entry is not tracked it only releases the owner,
 * so a second call does nothing.
 *
 * The wait ends only with the last put: a reference that nobody puts, or a
 * saturated count, means for ever. While it lasts, a message names the object
 * every 10 s (module parameter wait_report), with the stack of the waiting task
 * less and less often.
 *
 * Context: Process context. Sleeps. The caller must hold no reference to the
 * entry, and nothing that a reader needs before it can put its own.
 */
void rdma_restrack_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_begin_del() - make an object unreachable, reversibly
 * @res: entry
 *
 * Waits as rdma_restrack_del() does. Then no lookup finds the entry and no
 * reader holds it, but it keeps its place, its number and its owner. The caller
 * must call rdma_restrack_commit_del() or rdma_restrack_abort_del() before the
 * object goes, and before its device does. Another object with the same number
 * may be added meanwhile. Does nothing for an entry that is not tracked, or the
 * second time.
 *
 * Context: As for rdma_restrack_del().
 */
void rdma_restrack_begin_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_abort_del() - make an object reachable again
 * @res: entry, after rdma_restrack_begin_del()
 *
 * For an object that could not be destroyed. It must be in a state that readers
 * may see. Does nothing for an entry that is not tracked; an entry that is
 * tracked, but not being deleted, gives a warning.
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_abort_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_commit_del() - finish a deletion
 * @res: entry, after rdma_restrack_begin_del()
 *
 * Unlinks the entry and releases the owner. Without rdma_restrack_begin_del()
 * this is rdma_restrack_del().
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_commit_del(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_sync() - wait until no reader sees the old state of an object
 * @res: entry
 *
 * Waits as rdma_restrack_del() does, then makes the object available again. A
 * reader that comes later sees what the caller changed before the call, e.g.
 * the PD of a re-registered MR. Readers that came earlier may see the change
 * too: make it with WRITE_ONCE(), and keep the old value alive until this
 * returns. No lookup finds the entry meanwhile. Does nothing for an entry that
 * is not tracked or is being deleted.
 *
 * Context: As for rdma_restrack_del().
 */
void rdma_restrack_sync(struct rdma_restrack_entry *res);

/**
 * rdma_is_kernel_res() - check whether the kernel owns an object
 * @res: entry
 *
 * Context: Any context.
 * Return: false if the object belongs to a process, else true.
 */
bool rdma_is_kernel_res(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_get() - take a reference to an entry
 * @res: entry; the caller must own the object, hold a reference already, or
 *	know otherwise that its memory stays during the call
 *
 * Context: Any context. Takes no lock.
 * Return: 1 if the caller has a reference now, which it must put with
 * rdma_restrack_put(); 0 if the object is going away.
 */
int __must_check rdma_restrack_get(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_put() - drop a reference to an entry
 * @res: entry
 *
 * The last put wakes the task that waits in rdma_restrack_del(), and the entry
 * may be freed at once. To put a reference that is not the caller's own lets an
 * object go under its reader; it is noticed only when no reference is left.
 *
 * Context: Any context.
 * Return: 1 if that was the last reference, else 0.
 */
int rdma_restrack_put(struct rdma_restrack_entry *res);

/**
 * rdma_restrack_get_byid() - find an object by its number
 * @dev: RDMA device
 * @type: type of the object
 * @id: number of the object
 *
 * Context: Process context. May sleep.
 * Return: the entry, with a reference that the caller must put; %-ENOENT if
 * there is none; %-EINVAL for a bad argument.
 */
struct rdma_restrack_entry *
rdma_restrack_get_byid(struct ib_device *dev, enum rdma_restrack_type type,
		       u32 id);

/**
 * rdma_restrack_no_track() - hide an object
 * @res: entry, new or zeroed; after rdma_restrack_new(), which would undo it
 *
 * rdma_restrack_add() will not link the entry.
 *
 * Context: Any context.
 */
static inline void rdma_restrack_no_track(struct rdma_restrack_entry *res)
{
	res->no_track = true;
}

/**
 * rdma_restrack_is_tracked() - check whether an object may be tracked
 * @res: entry
 *
 * Context: Any context.
 * Return: false after rdma_restrack_no_track(), else true.
 */
static inline bool rdma_restrack_is_tracked(struct rdma_restrack_entry *res)
{
	return !res->no_track;
}

/*
 * For drivers that add attributes of their own to a netlink message about their
 * objects. ib_core has these functions.
 */

/**
 * rdma_nl_put_driver_u32() - add a decimal number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: value of the attribute
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u32(struct sk_buff *msg, const char *name, u32 value);

/**
 * rdma_nl_put_driver_u32_hex() - add a hexadecimal number
 * @msg: netlink message
 * @name: name of the attribute
 * @value: value of the attribute
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u32_hex(struct sk_buff *msg, const char *name,
			       u32 value);

/**
 * rdma_nl_put_driver_u64() - add a decimal number of 64 bits
 * @msg: netlink message
 * @name: name of the attribute
 * @value: value of the attribute
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u64(struct sk_buff *msg, const char *name, u64 value);

/**
 * rdma_nl_put_driver_u64_hex() - add a hexadecimal number of 64 bits
 * @msg: netlink message
 * @name: name of the attribute
 * @value: value of the attribute
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_u64_hex(struct sk_buff *msg, const char *name,
			       u64 value);

/**
 * rdma_nl_put_driver_string() - add a string
 * @msg: netlink message
 * @name: name of the attribute
 * @str: value of the attribute
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_put_driver_string(struct sk_buff *msg, const char *name,
			      const char *str);

/**
 * rdma_nl_stat_hwcounter_entry() - add a hardware counter
 * @msg: netlink message
 * @name: name of the counter
 * @value: value of the counter
 *
 * Context: Any context.
 * Return: 0, or %-EMSGSIZE if the message is full.
 */
int rdma_nl_stat_hwcounter_entry(struct sk_buff *msg, const char *name,
				 u64 value);

/*
 * Beyond the C tracker of the kernel
 */

/**
 * rdma_restrack_count_details() - count the objects of one type
 * @res: root
 * @type: type of the objects
 * @ns: PID namespace to count for; NULL means the initial one
 * @show_details: also count queue pairs of driver-specific types
 *
 * As rdma_restrack_count() otherwise.
 *
 * Context: As for rdma_restrack_count().
 * Return: the number of objects; 0 for a bad argument.
 */
int rdma_restrack_count_details(struct rdma_restrack_root *res,
				enum rdma_restrack_type type,
				struct pid_namespace *ns, bool show_details);

/**
 * rdma_restrack_next() - find the next object of one type
 * @res: root
 * @type: type of the objects
 * @cursor: position of the walk: 0 to start, then what the last call left there
 * @show_details: also visit queue pairs of driver-specific types
 *
 * A walk holds no lock between its calls, and may be resumed at any time. It
 * visits each object that is there from its first call to its last exactly
 * once, whatever else comes and goes. One exception: it passes over an object
 * that is in rdma_restrack_sync() at that moment, or being deleted, even if
 * that is taken back later. The order is not that of the numbers.
 *
 * Context: Process context. May sleep.
 * Return: the entry, with a reference that the caller must put; NULL at the
 * end, or for a bad argument.
 */
struct rdma_restrack_entry *
rdma_restrack_next(struct rdma_restrack_root *res,
		   enum rdma_restrack_type type, u64 *cursor,
		   bool show_details);

/**
 * rdma_restrack_for_each() - walk over the objects of one type
 * @entry: &struct rdma_restrack_entry pointer, the loop variable; the loop
 *	holds a reference to it, which the body must put if it leaves the loop
 *	early
 * @res: root
 * @type: type of the objects
 * @cursor: u64 variable for rdma_restrack_next()
 * @show_details: also visit queue pairs of driver-specific types
 *
 * Context: Process context. May sleep.
 */
#define rdma_restrack_for_each(entry, res, type, cursor, show_details)	\
	for ((cursor) = 0;							\
	     ((entry) = rdma_restrack_next(res, type, &(cursor), show_details)); \
	     rdma_restrack_put(entry))

/**
 * rdma_restrack_generation() - tell whether objects came or went
 * @res: root
 * @type: type of the objects
 *
 * The number differs from an earlier one if, in between, an object of this type
 * was added, deleted or brought back, or was out of reach for the time of an
 * rdma_restrack_sync(). What a call does counts when the call returns.
 *
 * Context: Any context. Takes no lock.
 * Return: the number, never 0.
 */
u32 rdma_restrack_generation(struct rdma_restrack_root *res,
			     enum rdma_restrack_type type);

/**
 * rdma_restrack_keys() - collect the keys of the objects of one type
 * @res: root
 * @type: type of the objects
 * @cursor: position: 0 to start, then what the last call left there
 * @show_details: also collect queue pairs of driver-specific types
 * @keys: where the keys go; need not be initialized
 * @max: for how many keys there is room
 *
 * A key stands for one object as long as that is tracked, and for no later one,
 * even under the same number (until 4 billion others came or went). Sorted keys
 * are in the order of the numbers of their objects, and for equal numbers in
 * the order in which the objects were added; here they come unsorted. Objects
 * that are being deleted, or in rdma_restrack_sync(), have their keys here too.
 *
 * Context: Process context. May sleep.
 * Return: how many keys were written; less than @max at the end; 0 for a bad
 * argument.
 */
u32 rdma_restrack_keys(struct rdma_restrack_root *res,
		       enum rdma_restrack_type type, u64 *cursor,
		       bool show_details, u64 *keys, u32 max);

/**
 * rdma_restrack_get_bykey() - find an object by its key
 * @res: root
 * @type: type of the object
 * @key: key from rdma_restrack_keys()
 *
 * Context: Process context. May sleep.
 * Return: the entry, with a reference that the caller must put; %-ENOENT if the
 * object is gone; %-EAGAIN if it is being deleted, which may be taken back;
 * %-EBUSY if it is in rdma_restrack_sync(); %-EINVAL for a bad argument.
 */
struct rdma_restrack_entry *
rdma_restrack_get_bykey(struct rdma_restrack_root *res,
			enum rdma_restrack_type type, u64 key);

/**
 * rdma_restrack_restores() - count the deletions that were taken back
 * @res: root
 * @type: type of the objects
 *
 * A walk by keys that met %-EAGAIN has missed an object only if this number has
 * changed since.
 *
 * Context: Any context. Takes no lock.
 * Return: how often rdma_restrack_abort_del() and rdma_restrack_abort_free()
 * brought an object of this type back. It wraps. 0 for a bad argument.
 */
u32 rdma_restrack_restores(struct rdma_restrack_root *res,
			   enum rdma_restrack_type type);

/**
 * struct rdma_restrack_stand_in - place holder for an entry whose memory may go
 */
struct rdma_restrack_stand_in {
	/* private: linked instead of the object's entry */
	struct rdma_restrack_entry entry;
};

/**
 * rdma_restrack_begin_free() - make an object unreachable before its driver
 * frees it, reversibly
 * @res: entry
 * @stand_in: need not be initialized; must stay where it is until
 *	rdma_restrack_commit_free() or rdma_restrack_abort_free(), one of which
 *	the caller must call
 *
 * For objects whose driver frees the memory of the entry, e.g. MRs. As
 * rdma_restrack_begin_del(), but place, number and owner move from @res to
 * @stand_in, and @res is no longer linked.
 *
 * Context: As for rdma_restrack_del().
 */
void rdma_restrack_begin_free(struct rdma_restrack_entry *res,
			      struct rdma_restrack_stand_in *stand_in);

/**
 * rdma_restrack_abort_free() - make an object that was not freed reachable
 * again
 * @res: entry, as rdma_restrack_begin_free() left it
 * @stand_in: what stood in for it
 *
 * The object has its place, number, owner and age again.
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_abort_free(struct rdma_restrack_entry *res,
			      struct rdma_restrack_stand_in *stand_in);

/**
 * rdma_restrack_commit_free() - finish the deletion of an object that was freed
 * @stand_in: what stood in for its entry, which is not touched
 *
 * Unlinks the stand-in and releases the owner.
 *
 * Context: Process context. May sleep.
 */
void rdma_restrack_commit_free(struct rdma_restrack_stand_in *stand_in);

#endif /* _RDMA_RESTRACK_H_ */
