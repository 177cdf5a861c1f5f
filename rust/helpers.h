/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that Rust code calls for what C offers only as a macro or as an inline
 * function. Most only call what they are named after.
 */

#ifndef RESTRACK_HELPERS_H
#define RESTRACK_HELPERS_H

#include <linux/types.h>

struct completion;
struct kref;
struct rw_semaphore;
struct task_struct;

void restrack_helper_init_rwsem(struct rw_semaphore *sem);

void restrack_helper_preempt_disable(void);
void restrack_helper_preempt_enable(void);

#ifdef CONFIG_DEBUG_LOCK_ALLOC
/* Tells lockdep of the lock of a bucket; depth 1 while another one is held. */
void restrack_helper_bucket_acquire(unsigned int depth);
void restrack_helper_bucket_release(void);
#endif

void restrack_helper_kvfree_rcu(void *memory);

void restrack_helper_init_completion(struct completion *x);

bool restrack_helper_kref_get_unless_zero(struct kref *kref);

void restrack_helper_smp_rmb(void);

/* Take a reference on the leader of the current process. */
struct task_struct *restrack_helper_get_current_process(void);

u64 restrack_helper_jiffies_to_secs(u64 j);
void restrack_helper_dump_stack(void);
bool restrack_helper_copy_string(char *dst, size_t size, const char *src);
void restrack_helper_process_comm(char *comm, size_t size,
				 struct task_struct *task);

/**
 * enum restrack_misuse - what a caller did wrong
 * @RESTRACK_MISUSE_NULL: a NULL pointer
 * @RESTRACK_MISUSE_TYPE: a type that does not exist
 * @RESTRACK_MISUSE_NO_DEVICE: an entry whose object has no device
 * @RESTRACK_MISUSE_ADD_TWICE: an entry that is tracked already
 * @RESTRACK_MISUSE_NOT_DYING: abort_del without begin_del
 * @RESTRACK_MISUSE_QP_NUMBER: a QP or port number that does not fit its field
 * @RESTRACK_MISUSE_PUT_TOO_OFTEN: more references put than taken
 * @RESTRACK_MISUSE_NAMED: another owner for an entry that is tracked
 * @RESTRACK_MISUSE_LEAKED: clean of a root that still has entries
 */
enum restrack_misuse {
	RESTRACK_MISUSE_NULL,
	RESTRACK_MISUSE_TYPE,
	RESTRACK_MISUSE_NO_DEVICE,
	RESTRACK_MISUSE_ADD_TWICE,
	RESTRACK_MISUSE_NOT_DYING,
	RESTRACK_MISUSE_QP_NUMBER,
	RESTRACK_MISUSE_PUT_TOO_OFTEN,
	RESTRACK_MISUSE_NAMED,
	RESTRACK_MISUSE_LEAKED,
};

#ifdef CONFIG_KUNIT
/* Module parameters of the KUnit suite restrack_model: module! knows no #ifdef. */
extern unsigned long long restrack_model_seed;
extern unsigned long long restrack_model_steps;
#endif

void restrack_helper_warn(enum restrack_misuse what, const char *func,
			  u32 type, u32 id);

#endif /* RESTRACK_HELPERS_H */
