// SPDX-License-Identifier: GPL-2.0
/* See helpers.h. */

#include <asm/barrier.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>

#include "helpers.h"

void restrack_helper_init_rwsem(struct rw_semaphore *sem)
{
	static struct lock_class_key key;

	__init_rwsem(sem, "rdma_restrack_root.rwsem", &key);
}

void restrack_helper_preempt_disable(void)
{
	preempt_disable();
}

void restrack_helper_preempt_enable(void)
{
	preempt_enable();
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC
/* A bit lock has no room for a map, so all buckets share this one. */
static struct lock_class_key bucket_key;
static struct lockdep_map bucket_map = {
	.name = "rdma_restrack_root.hash",
	.key = &bucket_key,
	.wait_type_inner = LD_WAIT_SPIN,
};

void restrack_helper_bucket_acquire(unsigned int depth)
{
	spin_acquire(&bucket_map, depth, 0, _RET_IP_);
}

void restrack_helper_bucket_release(void)
{
	spin_release(&bucket_map, _RET_IP_);
}
#endif

void restrack_helper_kvfree_rcu(void *memory)
{
	kvfree_rcu_mightsleep(memory);
}

void restrack_helper_init_completion(struct completion *x)
{
	init_completion(x);
}

bool restrack_helper_kref_get_unless_zero(struct kref *kref)
{
	return kref_get_unless_zero(kref);
}

void restrack_helper_smp_rmb(void)
{
	/* the caller says what it orders */
	smp_rmb();
}

struct task_struct *restrack_helper_get_current_process(void)
{
	return get_task_struct(current->group_leader);
}

u64 restrack_helper_jiffies_to_secs(u64 j)
{
	return div_u64(j, HZ);
}

void restrack_helper_dump_stack(void)
{
	dump_stack_lvl(KERN_WARNING);
}

/*
 * Copies a string whose memory may be gone: the module that owned a leaked object
 * may have been unloaded, with its name. Returns false if it is gone or too long.
 */
bool restrack_helper_copy_string(char *dst, size_t size, const char *src)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (copy_from_kernel_nofault(&dst[i], &src[i], 1))
			return false;
		if (!dst[i])
			return true;
	}
	return false;
}

/*
 * Copies the name of the process whose leader a task is or was: exec by another
 * thread makes that thread the leader. If the process is gone, the name of the
 * task.
 */
void restrack_helper_process_comm(char *comm, size_t size,
				  struct task_struct *task)
{
	struct task_struct *leader;

	rcu_read_lock();
	leader = pid_task(task_tgid(task), PIDTYPE_TGID);
	scnprintf(comm, size, "%s", leader ? leader->comm : task->comm);
	rcu_read_unlock();
}

#ifdef CONFIG_KUNIT
unsigned long long restrack_model_seed;
module_param_named(model_seed, restrack_model_seed, ullong, 0);
MODULE_PARM_DESC(model_seed,
		 "Seed of the random steps of the KUnit suite restrack_model (0: another each time)");

unsigned long long restrack_model_steps = 200000;
module_param_named(model_steps, restrack_model_steps, ullong, 0);
MODULE_PARM_DESC(model_steps, "Number of steps of that suite");
#endif

/* Has a WARN_ONCE() for each kind, so that one does not suppress another. */
void restrack_helper_warn(enum restrack_misuse what, const char *func,
			  u32 type, u32 id)
{
	switch (what) {
	case RESTRACK_MISUSE_NULL:
		WARN_ONCE(1, "%s: NULL pointer (type %u, id %u)\n", func, type,
			  id);
		break;
	case RESTRACK_MISUSE_TYPE:
		WARN_ONCE(1, "%s: no such type (type %u, id %u)\n", func, type,
			  id);
		break;
	case RESTRACK_MISUSE_NO_DEVICE:
		WARN_ONCE(1, "%s: object without a device (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_ADD_TWICE:
		WARN_ONCE(1, "%s: entry is tracked already (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_NOT_DYING:
		WARN_ONCE(1, "%s: entry is not being deleted (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_QP_NUMBER:
		WARN_ONCE(1, "%s: QP or port number out of range (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_PUT_TOO_OFTEN:
		WARN_ONCE(1, "%s: put more often than got (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_NAMED:
		WARN_ONCE(1, "%s: owner of a tracked entry (type %u, id %u)\n",
			  func, type, id);
		break;
	case RESTRACK_MISUSE_LEAKED:
		WARN_ONCE(1, "%s: objects were leaked (first: type %u, id %u)\n",
			  func, type, id);
		break;
	}
}
