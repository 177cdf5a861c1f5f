// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that run during a test, see user_process.h.
 */

#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/umh.h>
#include "user_process.h"

struct user_process {
	struct task_struct *task;
};

/* Runs in the new process before exec. */
static int note_process(struct subprocess_info *info, struct cred *new)
{
	struct user_process *process = info->data;

	process->task = get_task_struct(current);
	return 0;
}

static void end_process(void *data)
{
	struct user_process *process = data;

	if (process->task) {
		send_sig(SIGKILL, process->task, 1);
		put_task_struct(process->task);
	}
}

struct task_struct *user_process(struct kunit *test, char **argv)
{
	static char *envp[2] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	struct user_process *process = kunit_kzalloc(test, sizeof(*process), GFP_KERNEL);
	struct subprocess_info *info;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, process);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_process, process));
	info = call_usermodehelper_setup(argv[0], argv, envp, GFP_KERNEL, note_process,
					 NULL, process);
	KUNIT_ASSERT_NOT_NULL(test, info);
	ret = call_usermodehelper_exec(info, UMH_WAIT_EXEC);
	if (ret)
		kunit_skip(test, "cannot run %s: %d", argv[0], ret);
	return process->task;
}
