#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 165
#
# Owners: objects of processes are shown with pid and name, objects of the kernel
# with a name; all objects of a process go with it.

. ./lib.sh

# The QP for management datagrams and what it needs belong to ib_core.
kernel_owns_its_objects()
{
	for type in pd cq qp; do
		expect "$type in the summary" 1 "$(summary rxe0 $type)"
		expect "$type of ib_core" 1 "$(count rxe0 $type "comm [ib_core]")"
		expect "$type with a pid" 0 "$(count rxe0 $type " pid ")"
	done
	expect "GSI QPs" 1 "$(count rxe0 qp "lqpn 1 type GSI")"
	for type in mr ctx cm_id srq; do
		expect "$type in the summary" 0 "$(summary rxe0 $type)"
		expect "$type listed" 0 "$(count rxe0 $type)"
	done
}

# One process on each device, at the same time.
processes_own_just_what_they_made()
{
	start on_rxe0 "$HERE/verbs.py" rxe0 pd=3 cq=4 mr=5 srq=2 qp=6
	on_rxe0=$pid
	start on_siw0 "$HERE/verbs.py" siw0 pd=2 cq=3 mr=4 srq=1 qp=5
	on_siw0=$pid
	await 60 prints on_rxe0 ready || fail "$(cat "$TMPDIR/on_rxe0")"
	await 60 prints on_siw0 ready || fail "$(cat "$TMPDIR/on_siw0")"
	expect_owned rxe0 $on_rxe0 ctx 1 pd 3 cq 4 mr 5 srq 2 qp 6
	expect_owned siw0 $on_siw0 ctx 1 pd 2 cq 3 mr 4 srq 1 qp 5
	for type in ctx pd cq mr srq qp; do
		expect "$type on the other device" 0 "$(owned siw0 $type $on_rxe0)"
		expect "$type by name" "$(owned rxe0 $type $on_rxe0)" \
			"$(count rxe0 $type " pid $on_rxe0 comm verbs.py")"
	done
	for type in ctx mr srq; do
		expect "$type in the summary" "$(owned rxe0 $type $on_rxe0)" \
			"$(summary rxe0 $type)"
	done
}

# A killed process closes nothing itself.
killed_process_leaves_nothing()
{
	stop KILL $on_rxe0
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
	expect_owned rxe0 $on_rxe0 ctx 0 pd 0 cq 0 mr 0 srq 0 qp 0
	# the other process keeps its objects
	expect_owned siw0 $on_siw0 ctx 1 pd 2 cq 3 mr 4 srq 1 qp 5
	stop TERM $on_siw0
	await 10 idle siw0 || fail "left behind: $(all siw0)"
}

exited_process_leaves_nothing()
{
	start verbs "$HERE/verbs.py" siw0 pd=2 cq=2 mr=2 qp=2 exit
	wait $pid || fail "$(cat "$TMPDIR/verbs")"
	await 10 idle siw0 || fail "left behind: $(all siw0)"
}

several_processes_own_their_objects()
{
	start verbs "$HERE/verbs.py" rxe0 pd=1 cq=1 mr=1 qp=2 processes=4
	parent=$pid
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	# shellcheck disable=SC2046 # words are what is wanted
	set -- $(sed -n 's/^process //p' "$TMPDIR/verbs")
	expect "mr in the summary" 10 "$(summary rxe0 mr)"
	expect_owned rxe0 "$1" ctx 1 pd 1 cq 1 mr 1 qp 2
	expect_owned rxe0 "$2" ctx 1 pd 1 cq 1 mr 2 qp 4
	expect_owned rxe0 "$3" ctx 1 pd 1 cq 1 mr 3 qp 6
	expect_owned rxe0 "$4" ctx 1 pd 1 cq 1 mr 4 qp 8
	# one ends, the others keep their objects
	kill -KILL "$2"
	await 10 has_none rxe0 "$2" || fail "left behind: $(all rxe0)"
	expect_owned rxe0 "$2" ctx 0 pd 0 cq 0 mr 0 qp 0
	expect_owned rxe0 "$1" mr 1 qp 2
	expect_owned rxe0 "$3" mr 3 qp 6
	expect "mr in the summary" 8 "$(summary rxe0 mr)"
	stop KILL $parent
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

has_none()
{
	[ "$(owned "$1" ctx "$2")" = 0 ]
}

# The thread that made the objects has ended; its process is shown.
object_of_an_ended_thread_belongs_to_its_process()
{
	start verbs "$HERE/verbs.py" rxe0 pd=1 cq=1 mr=1 qp=1 thread
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned rxe0 $pid ctx 1 pd 1 cq 1 mr 1 qp 1
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# expect_shown DEVICE PID COMM: one object of each type is listed, and found by its pid
expect_shown()
{
	expect_owned "$1" "$2" ctx 1 pd 1 cq 1 mr 1 qp 1
	for type in ctx pd cq mr qp; do
		expect "$type by name" 1 "$(count "$1" $type " pid $2 comm $3")"
	done
	for type in ctx pd cq mr; do
		expect "$type asked for by pid" 1 \
			"$(rdma resource show $type dev "$1" pid "$2" | grep -c " comm $3")"
	done
}

is_called()
{
	[ "$(cat "/proc/$1/comm")" = "$2" ]
}

# exec does not change the owner, whichever thread made the objects and whichever
# thread calls exec.
owner_outlives_exec()
{
	start owner "$HERE/owner.py" rxe0 exec "$1" "$2"
	await 60 is_called $pid sleep || fail "$(cat "$TMPDIR/owner")"
	expect_shown rxe0 $pid sleep
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# The leader ends before the other threads of its process.
owner_outlives_its_leader()
{
	start owner "$HERE/owner.py" rxe0 exit "$1"
	await 60 prints owner ready || fail "$(cat "$TMPDIR/owner")"
	await 10 grep -q "^State:.Z" "/proc/$pid/status" || fail "the leader has not ended"
	expect_shown rxe0 $pid owner.py
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# The maker of an object owns it, even if another process can use it too. When the
# maker has ended the object has no owner.
heir_owns_what_it_makes()
{
	start owner "$HERE/owner.py" rxe0 "$1"
	maker=$pid
	await 60 prints owner ready || fail "$(cat "$TMPDIR/owner")"
	await 60 prints owner heir || fail "$(cat "$TMPDIR/owner")"
	heir=$(sed -n 's/^heir //p' "$TMPDIR/owner")
	started="$started $heir"
	expect_shown rxe0 "$maker" owner.py
	expect_owned rxe0 "$heir" ctx 0 pd 0 cq 0 mr 0 qp 0
	kill -USR1 "$heir"
	await 20 prints owner made || fail "$(cat "$TMPDIR/owner")"
	expect_owned rxe0 "$maker" ctx 1 pd 1 cq 1 mr 1 qp 1
	expect_owned rxe0 "$heir" ctx 0 pd 1 cq 1 mr 0 qp 0

	stop KILL "$maker"
	expect_owned rxe0 "$maker" ctx 0 pd 0 cq 0 mr 0 qp 0
	for type in ctx pd cq mr qp; do
		expect "$type without an owner" 1 "$(list rxe0 $type | grep -Evc " (pid|comm) ")"
		expect "$type in the summary" "$(count rxe0 $type)" "$(summary rxe0 $type)"
	done
	expect "pd of the heir by name" 1 "$(count rxe0 pd " pid $heir comm owner.py")"
	expect_owned rxe0 "$heir" pd 1 cq 1
	kill -KILL "$heir"
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# Each MR once left a reference to its process behind. From here it can only be
# seen that no objects remain.
mr_registered_in_a_loop_leaves_nothing()
{
	start verbs "$HERE/verbs.py" rxe0 pd=1 cq=1 mr=10 qp=2 rounds=20
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned rxe0 $pid pd 1 cq 1 mr 10 qp 2
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

run devices_are_there \
	kernel_owns_its_objects \
	processes_own_just_what_they_made \
	killed_process_leaves_nothing \
	exited_process_leaves_nothing \
	several_processes_own_their_objects \
	object_of_an_ended_thread_belongs_to_its_process \
	"owner_outlives_exec leader leader" \
	"owner_outlives_exec leader thread" \
	"owner_outlives_exec thread leader" \
	"owner_outlives_exec thread thread" \
	"owner_outlives_its_leader leader" \
	"owner_outlives_its_leader thread" \
	"heir_owns_what_it_makes fork" \
	"heir_owns_what_it_makes send" \
	mr_registered_in_a_loop_leaves_nothing
