#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 90
#
# Devices that are removed while they are in use: nothing hangs, nothing is left,
# and the kernel does not complain (which the last test checks).
#
# rxe can take a device away from processes that have it open. siw cannot, nor can
# rxe of Linux 7.2: there the removal waits until they have closed it.

. ./lib.sh

here()
{
	[ -e "/sys/class/infiniband/$1" ]
}

not_here()
{
	! here "$1"
}

can_take_away()
{
	case $1:$(uname -r) in
	siw*|rxe*:7.2.*) return 1 ;;
	esac
}

device_comes_and_goes()
{
	for i in 1 2 3; do
		add_device "$1" || fail "no device in round $i"
		here "$1"0 || fail "not there in round $i"
		expect "ctx" 0 "$(summary "$1"0 ctx)"
		remove_device "$1"0 || fail "cannot remove it in round $i"
		await 10 not_here "$1"0 || fail "still there in round $i"
	done
}

# remove_under DEVICE PID...: removes a device that these processes have open. They
# are killed while the removal waits for them, or after it if it does not wait.
remove_under()
{
	removed=$1
	shift
	if can_take_away "$removed"; then
		remove_device "$removed" || fail "cannot remove $removed"
		await 20 not_here "$removed" || fail "$removed is still there"
		rdma resource show qp >"$TMPDIR/qps" || fail "rdma does not list QPs"
		for end in "$@"; do
			kill -0 "$end" || fail "$end went with the device"
			expect "objects of $end" 0 "$(grep -c " pid $end " "$TMPDIR/qps")"
		done
		stop KILL "$@"
	else
		start removal rdma link delete "$removed"
		removal=$pid
		await 20 waits $removal || fail "the removal does not wait"
		stop KILL "$@"
		wait $removal || fail "cannot remove $removed"
		await 20 not_here "$removed" || fail "$removed is still there"
	fi
}

waits()
{
	grep -q "^State:.D" "/proc/$1/status" 2>/dev/null
}

# The same with programs that end by themselves when the connection manager tells
# them that the device goes. Some do not manage to: those are killed.
remove_under_programs()
{
	removed=$1
	shift
	start removal rdma link delete "$removed"
	removal=$pid
	if ! await 10 not_here "$removed"; then
		say "killed to let go of $removed"
		stop KILL "$@"
		await 20 not_here "$removed" || fail "$removed is still there"
	fi
	wait $removal || fail "cannot remove $removed"
	stop KILL "$@"
}

device_is_removed_under_a_process()
{
	add_device "$1" || fail "no device"
	start verbs "$HERE/verbs.py" "$1"0 pd=3 cq=3 mr=3 srq=2 qp=5
	user=$pid
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect_owned "$1"0 $user ctx 1 pd 3 cq 3 mr 3 srq 2 qp 5
	remove_under "$1"0 $user
	add_device "$1" || fail "no new device"
	expect "ctx of the new device" 0 "$(summary "$1"0 ctx)"
	remove_device "$1"0
}

rping_on()
{
	start_sender server rping -s -C 100000000 -a "$2"
	server=$pid
	await 20 has_cm_id "$1" $server || fail "$(cat "$TMPDIR/server")"
	start_sender client rping -c -C 100000000 -a "$(address_of "$1")"
	client=$pid
	await 20 has_cm_id "$1" $client || fail "$(cat "$TMPDIR/client")"
}

has_cm_id()
{
	[ "$(owned "$1" cm_id "$2")" -gt 0 ]
}

# With connections open, in a loop.
device_is_removed_under_a_connection()
{
	for i in 1 2 3; do
		add_device "$1" || fail "no device in round $i"
		rping_on "$1"0 "$(address_of "$1")"
		remove_under_programs "$1"0 $server $client
	done
}

# A listener on all devices has a CM_ID on each of them.
device_is_removed_under_a_listener_on_all()
{
	add_device siw || fail "no siw device"
	add_device rxe || fail "no rxe device"
	rping_on rxe0 0.0.0.0
	await 20 has_cm_id siw0 $server || fail "no listener on siw0"
	start removal rdma link delete siw0
	await 20 not_here siw0 || fail "siw0 is still there"
	has_cm_id rxe0 $server || fail "the listener on rxe0 went with it"
	remove_under_programs rxe0 $server $client
}

network_device_takes_its_rdma_device_along()
{
	add_device "$1" || fail "no device"
	start verbs "$HERE/verbs.py" "$1"0 pd=1 cq=1 mr=1 qp=1
	user=$pid
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	start removal ip link delete "n$1"
	removal=$pid
	if can_take_away "$1"; then
		await 20 not_here "$1"0 || fail "still there"
	else
		await 20 waits $removal || fail "the removal does not wait"
	fi
	stop KILL $user
	await 20 not_here "$1"0 || fail "still there"
	wait $removal || fail "cannot remove the network device"
}

# While a monitor runs and a process holds objects.
device_is_renamed_in_use()
{
	add_device rxe || fail "no device"
	start monitor rdma monitor
	start verbs "$HERE/verbs.py" rxe0 pd=2 cq=1 mr=1 qp=1
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	old=rxe0
	for new in rxe1 rxe2 rxe3 rxe0; do
		rdma dev set $old name $new || fail "cannot rename $old"
		expect_owned $new $pid ctx 1 mr 1
		old=$new
	done
	stop KILL $pid
	remove_device rxe0
}

run "device_comes_and_goes rxe" \
	"device_comes_and_goes siw" \
	"device_is_removed_under_a_process rxe" \
	"device_is_removed_under_a_process siw" \
	"device_is_removed_under_a_connection rxe" \
	"device_is_removed_under_a_connection siw" \
	device_is_removed_under_a_listener_on_all \
	"network_device_takes_its_rdma_device_along rxe" \
	"network_device_takes_its_rdma_device_along siw" \
	device_is_renamed_in_use
