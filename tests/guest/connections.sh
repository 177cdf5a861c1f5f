#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 120
#
# Both ends of connections, made with the programs that people use, over each kind
# of device: each end is listed with its objects while it lives, and not after.

. ./lib.sh

has()
{
	[ "$(owned "$1" "$2" "$3")" -ge "$4" ]
}

# expect_end DEVICE PID COMM: one end of a connection has the objects that it needs
expect_end()
{
	for type in ctx pd cq qp mr; do
		has "$1" $type "$2" 1 || fail "no $type of $3 on $1"
		expect "$type of $3 by name" "$(owned "$1" $type "$2")" \
			"$(count "$1" $type " pid $2 comm $3")"
	done
}

pingpong_shows_both_ends()
{
	program=ibv_$1_pingpong
	gid=$(gid_index rxe0)
	start_sender server "$program" -d rxe0 -g "$gid" -n 100000000
	server=$pid
	await 20 listening 4853 || fail "$(cat "$TMPDIR/server")"
	start_sender client "$program" -d rxe0 -g "$gid" -n 100000000 $RXE_ADDRESS
	client=$pid
	await 20 connected $server $client ||
		fail "not connected: $(cat "$TMPDIR/server" "$TMPDIR/client")"
	# stopped, so that nothing changes any more
	kill -STOP $server $client
	expect_end rxe0 $server "$(cut -c-15 "/proc/$server/comm")"
	expect_end rxe0 $client "$(cut -c-15 "/proc/$client/comm")"
	[ "$1" != srq ] || has rxe0 srq $server 1 || fail "no SRQ"
	stop KILL $server $client
	await 10 idle rxe0 || fail "left behind: $(all rxe0)"
}

connected()
{
	for end in "$@"; do
		list rxe0 qp " pid $end " | grep -q "state RTS" || return 1
	done
}

# Through the connection manager, which siw needs; each end has CM_IDs too.
rping_shows_both_ends()
{
	address=$(address_of "$1")
	start_sender server rping -s -C 100000000 -a "$address"
	server=$pid
	await 20 has "$1" cm_id $server 1 || fail "$(cat "$TMPDIR/server")"
	list "$1" cm_id " pid $server " | grep -q LISTEN || fail "no listener"
	start_sender client rping -c -C 100000000 -a "$address"
	client=$pid
	await 20 has "$1" cm_id $server 2 || fail "$(cat "$TMPDIR/client")"
	await 20 has "$1" mr $client 1 || fail "$(cat "$TMPDIR/client")"
	kill -STOP $server $client
	expect_end "$1" $server rping
	expect_end "$1" $client rping
	for end in $server $client; do
		list "$1" cm_id " pid $end comm rping" | grep -q "state CONNECT" ||
			fail "no connected CM_ID of $end"
	done
	expect "cm_id in the summary" "$(count "$1" cm_id)" "$(summary "$1" cm_id)"

	# the client is killed first, then the server
	stop KILL $client
	expect_owned "$1" $client ctx 0 pd 0 cq 0 qp 0 mr 0 cm_id 0
	kill -CONT $server
	stop KILL $server
	await 20 idle "$1" || fail "left behind: $(all "$1")"
}

rping_that_ends_leaves_nothing()
{
	address=$(address_of "$1")
	start server rping -s -C 3 -a "$address"
	server=$pid
	await 20 has "$1" cm_id $server 1 || fail "$(cat "$TMPDIR/server")"
	rping -c -C 3 -a "$address" >"$TMPDIR/client" 2>&1 ||
		fail "$(cat "$TMPDIR/client")"
	wait $server || fail "$(cat "$TMPDIR/server")"
	await 20 idle "$1" || fail "left behind: $(all "$1")"
}

# A listener on all devices has a CM_ID on each. That of one device once ended the
# list of the others.
listener_on_all_devices_is_listed_on_each()
{
	start server rping -s -C 100000000 -a 0.0.0.0
	await 20 has rxe0 cm_id $pid 1 || fail "nothing on rxe0"
	await 20 has siw0 cm_id $pid 1 || fail "nothing on siw0"
	for device in rxe0 siw0; do
		list $device cm_id " pid $pid comm rping" | grep -q LISTEN ||
			fail "no listener on $device"
	done
	stop KILL $pid
	for device in rxe0 siw0; do
		await 20 idle $device || fail "left behind: $(all $device)"
	done
}

# If one device refuses a listener, nothing of it is left on the others.
listener_refused_by_one_device_leaves_nothing()
{
	start listener "$HERE/listener.py" $SIW_ADDRESS 200
	await 60 prints listener refused || fail "$(cat "$TMPDIR/listener")"
	expect "cm_id of the listener" 0 "$(rdma resource show cm_id | grep -c " pid $pid ")"
	for device in rxe0 siw0; do
		expect "cm_id in the summary of $device" 0 "$(summary $device cm_id)"
	done
	kill -USR1 $pid
	await 20 prints listener listening || fail "$(cat "$TMPDIR/listener")"
	for device in rxe0 siw0; do
		expect "listeners on $device" 1 "$(count $device cm_id " pid $pid comm listener.py")"
	done
	stop KILL $pid
	for device in rxe0 siw0; do
		await 20 idle $device || fail "left behind: $(all $device)"
	done
}

run devices_are_there \
	"pingpong_shows_both_ends rc" \
	"pingpong_shows_both_ends srq" \
	"rping_shows_both_ends rxe0" \
	"rping_shows_both_ends siw0" \
	"rping_that_ends_leaves_nothing rxe0" \
	"rping_that_ends_leaves_nothing siw0" \
	listener_on_all_devices_is_listed_on_each \
	listener_refused_by_one_device_leaves_nothing
