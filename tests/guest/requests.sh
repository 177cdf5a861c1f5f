#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 55
#
# Requests that fail late: a create whose answer cannot be written, and an MR that
# the driver refuses to deregister.

. ./lib.sh

device_is_there()
{
	add_device rxe || fail "no device"
	idle_rxe0=$(all rxe0)
}

# Answers that cannot be written, to requests by write and by ioctl.
lost_answers_leave_nothing()
{
	start hold "$HERE/requests.py" rxe0 hold "$1"
	await 60 prints hold ready || fail "$(cat "$TMPDIR/hold")"
	! prints hold "not ready" || fail "$(cat "$TMPDIR/hold")"
	expect_owned rxe0 $pid ctx 1 pd 3 cq 1 mr 1 srq 1 qp 1
	for type in ctx mr srq; do
		expect "$type in the summary" "$(owned rxe0 $type $pid)" "$(summary rxe0 $type)"
	done
	stop KILL $pid
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

# A reference that is left keeps the task of an ended process for ever.
lost_answers_keep_no_task()
{
	processes=200
	"$HERE/requests.py" rxe0 answers $processes >"$TMPDIR/answers" 2>&1
	prints answers "^tasks .* ready" || fail "$(cat "$TMPDIR/answers")"
	tasks=$(sed -n 's/^tasks \([^ ]*\) ready$/\1/p' "$TMPDIR/answers")
	[ "$tasks" != unknown ] || skip "this kernel does not count its tasks (/proc/slabinfo)"
	[ "$tasks" = unknown ] || [ "$tasks" -lt $((processes / 2)) ] ||
		fail "$tasks tasks more after $processes processes"
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

step()
{
	kill -USR1 "$window"
	await 20 prints window "$1" || fail "not $1: $(cat "$TMPDIR/window")"
}

# rxe refuses to deregister an MR while a memory window is bound to it.
refused_mr_stays_listed()
{
	start window "$HERE/requests.py" rxe0 window "$(gid_index rxe0)"
	window=$pid
	await 60 prints window bound || fail "$(cat "$TMPDIR/window")"
	mrn=$(list rxe0 mr " pid $window " | field mrn)
	pdn=$(list rxe0 mr " pid $window " | field pdn)
	[ "$mrn" ] || fail "no MR: $(cat "$TMPDIR/window")"
	step refused
	expect_owned rxe0 $window mr 1
	expect "mr in the summary" 1 "$(summary rxe0 mr)"
	expect "number of the MR" "$mrn" "$(list rxe0 mr " pid $window " | field mrn)"
	expect "MR $mrn by its number" 1 \
		"$(rdma resource show mr dev rxe0 mrn "$mrn" | grep -c " pid $window comm requests.py")"
	step moved
	expect "number of the MR" "$mrn" "$(list rxe0 mr " pid $window " | field mrn)"
	[ "$(list rxe0 mr " pid $window " | field pdn)" != "$pdn" ] || fail "still in PD $pdn"
	step gone
	expect_owned rxe0 $window mr 0
	expect "mr in the summary" 0 "$(summary rxe0 mr)"
	stop KILL $window
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

run device_is_there \
	"lost_answers_leave_nothing ioctl" \
	"lost_answers_leave_nothing write" \
	lost_answers_keep_no_task \
	refused_mr_stays_listed
