#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 180
#
# Who owns what: objects of processes, by their pid and name, objects of the
# kernel, and that all of it is gone when its owner is.

. ./lib.sh

devices_are_there()
{
	add_device rxe || fail "no rxe device"
	add_device siw || fail "no siw device"
	idle_rxe0=$(all rxe0)
	idle_siw0=$(all siw0)
}

idle()
{
	eval "is_summary $1 \"\$idle_$1\""
}

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

process_has_just_what_it_made()
{
	start verbs "$HERE/verbs.py" "$1" pd=3 cq=4 mr=5 srq=2 qp=6
	await 20 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned "$1" $pid ctx 1 pd 3 cq 4 mr 5 srq 2 qp 6
	for type in ctx pd cq mr srq qp; do
		expect "$type by name" "$(owned "$1" $type $pid)" \
			"$(count "$1" $type " pid $pid comm verbs.py")"
	done
	for type in ctx mr srq; do
		expect "$type in the summary" "$(owned "$1" $type $pid)" \
			"$(summary "$1" $type)"
	done
	stop TERM $pid
	await 10 idle "$1" || fail "left behind: $(all "$1")"
}

# Nobody closes anything then.
process_is_killed()
{
	start verbs "$HERE/verbs.py" "$1" pd=3 cq=4 mr=5 qp=6
	await 20 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned "$1" $pid ctx 1 pd 3 cq 4 mr 5 qp 6
	stop KILL $pid
	await 10 idle "$1" || fail "left behind: $(all "$1")"
	for type in ctx pd cq mr qp; do
		expect "$type of a dead process" 0 "$(owned "$1" $type $pid)"
	done
}

process_exits_without_a_word()
{
	start verbs "$HERE/verbs.py" "$1" pd=2 cq=2 mr=2 qp=2 exit
	wait $pid || fail "$(cat "$TMPDIR/verbs")"
	await 10 idle "$1" || fail "left behind: $(all "$1")"
}

several_processes_at_once()
{
	pids=
	for i in 1 2 3 4; do
		start verbs$i "$HERE/verbs.py" "$1" pd=1 cq=1 mr=$i qp=$((2 * i))
		pids="$pids $pid"
	done
	for i in 1 2 3 4; do
		await 30 prints verbs$i ready || fail "$(cat "$TMPDIR/verbs$i")"
	done
	expect "mr in the summary" 10 "$(summary "$1" mr)"
	i=1
	for pid in $pids; do
		expect_owned "$1" $pid ctx 1 pd 1 cq 1 mr $i qp $((2 * i))
		i=$((i + 1))
	done
	# one goes, the others keep what they have
	# shellcheck disable=SC2086 # words are what is wanted
	set -- "$1" $pids
	stop KILL "$3"
	expect_owned "$1" "$3" ctx 0 pd 0 cq 0 mr 0 qp 0
	expect_owned "$1" "$2" ctx 1 pd 1 cq 1 mr 1 qp 2
	expect_owned "$1" "$4" ctx 1 pd 1 cq 1 mr 3 qp 6
	expect "mr in the summary" 8 "$(summary "$1" mr)"
	stop KILL "$2" "$4" "$5"
	await 10 idle "$1" || fail "left behind: $(all "$1")"
}

# A process is meant by its pid, also where a thread made the object that has
# ended since.
threads_are_one_process()
{
	start verbs "$HERE/verbs.py" "$1" pd=1 cq=1 mr=1 qp=1 thread
	await 20 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned "$1" $pid ctx 1 pd 1 cq 1 mr 1 qp 1
	stop KILL $pid
	await 10 idle "$1" || fail "left behind: $(all "$1")"
}

# Regression 20: each MR left a reference behind, and something of its process
# with it. What can be seen from here is that the objects do not add up.
history_20_registered_in_a_loop()
{
	start verbs "$HERE/verbs.py" "$1" pd=1 cq=1 mr=10 qp=2 rounds=20
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned "$1" $pid pd 1 cq 1 mr 10 qp 2
	stop KILL $pid
	await 10 idle "$1" || fail "left behind: $(all "$1")"
}

run devices_are_there \
	kernel_has_its_own \
	"process_has_just_what_it_made rxe0" \
	"process_has_just_what_it_made siw0" \
	"process_is_killed rxe0" \
	"process_is_killed siw0" \
	"process_exits_without_a_word rxe0" \
	"process_exits_without_a_word siw0" \
	"several_processes_at_once rxe0" \
	"several_processes_at_once siw0" \
	"threads_are_one_process rxe0" \
	"threads_are_one_process siw0" \
	"history_20_registered_in_a_loop rxe0"
