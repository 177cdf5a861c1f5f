#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
#
# Who owns what: objects of processes, by their pid and name, objects of the
# kernel, and that all of it is gone when its owner is.

. ./lib.sh

# The QP for management datagrams and what it needs belong to ib_core.
kernel_has_its_own()
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

# One on each device, at the same time.
processes_have_just_what_they_made()
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

# Nobody closes anything then.
processes_are_killed()
{
	stop KILL $on_rxe0
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
	expect_owned rxe0 $on_rxe0 ctx 0 pd 0 cq 0 mr 0 srq 0 qp 0
	# which is nothing to the other one
	expect_owned siw0 $on_siw0 ctx 1 pd 2 cq 3 mr 4 srq 1 qp 5
	stop TERM $on_siw0
	await 10 idle siw0 || fail "left behind: $(all siw0)"
}

process_exits_without_a_word()
{
	start verbs "$HERE/verbs.py" siw0 pd=2 cq=2 mr=2 qp=2 exit
	wait $pid || fail "$(cat "$TMPDIR/verbs")"
	await 10 idle siw0 || fail "left behind: $(all siw0)"
}

several_processes_at_once()
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
	# one goes, the others keep what they have
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

# A process is meant by its pid, also where a thread made the object that has
# ended since.
threads_are_one_process()
{
	start verbs "$HERE/verbs.py" rxe0 pd=1 cq=1 mr=1 qp=1 thread
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned rxe0 $pid ctx 1 pd 1 cq 1 mr 1 qp 1
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# Regression 20: each MR left a reference behind, and something of its process
# with it. What can be seen from here is that the objects do not add up.
history_20_registered_in_a_loop()
{
	start verbs "$HERE/verbs.py" rxe0 pd=1 cq=1 mr=10 qp=2 rounds=20
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned rxe0 $pid pd 1 cq 1 mr 10 qp 2
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

run devices_are_there \
	kernel_has_its_own \
	processes_have_just_what_they_made \
	processes_are_killed \
	process_exits_without_a_word \
	several_processes_at_once \
	threads_are_one_process \
	history_20_registered_in_a_loop
