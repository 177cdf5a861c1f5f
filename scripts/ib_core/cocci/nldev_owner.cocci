// SPDX-License-Identifier: GPL-2.0
//
// The owner of an object is a process, and the tracker keeps one of its threads.
// A thread may end before the process does, even the first one: when another
// thread calls exec, or when it just exits. So the pid to be shown is that of the
// process, which stays as long as one of its threads is alive.
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
