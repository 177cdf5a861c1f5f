// SPDX-License-Identifier: GPL-2.0
//
// The owner of an object is a process, and the tracker holds its leader. The leader
// may end before the process: when another thread calls exec, or when it exits. So
// the pid of the thread group is shown, which stays as long as one thread lives.
//
// File: drivers/infiniband/core/nldev.c
// Rule pid: 1 place, +1 -1

@pid@
identifier res;
expression pid;
@@
 fill_res_name_pid(...)
 {
 	<+...
-	pid = task_pid_vnr(res->task);
+	pid = task_tgid_vnr(res->task);
 	...+>
 }
