#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 600
#
# Devices that come and go, again and again, each time with connections open,
# while others look at them and processes are killed before, meanwhile and after.
# ROUNDS says how often: twice, and 500 times in `make soak`.

. ./lib.sh

rounds=${ROUNDS:-2}

not_here()
{
	! [ -e "/sys/class/infiniband/$1" ]
}

# 0 to $1 - 1
random()
{
	echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}

# A fifth of a second at most
a_moment()
{
	sleep "0.$(printf %02d "$(random 20)")"
}

has_cm_ids()
{
	[ "$(count "$1" cm_id " comm rping")" -ge "$2" ]
}

# One round of one device.
vanish()
{
	device=${1}0
	address=$(address_of "$device")
	add_device "$1" || fail "round $round: no $device"
	start server rping -s -C 100000000 -a "$address"
	server=$pid
	await 20 has_cm_ids "$device" 1 || fail "round $round: no listener on $device"
	start client rping -c -C 100000000 -a "$address"
	client=$pid
	processes="$server $client"
	if [ $((round % 4)) = 0 ]; then
		start verbs "$HERE/verbs.py" "$device" pd=2 cq=2 mr=2 qp=3
		processes="$processes $pid"
		await 60 prints verbs ready || fail "round $round: $(cat "$TMPDIR/verbs")"
	fi
	# in most rounds they are connected, in others about to be
	case $(random 4) in
	0) a_moment ;;
	*) await 20 has_cm_ids "$device" 3 || fail "round $round: no connection on $device" ;;
	esac
	case $(random 3) in
	0) stop KILL $server ;;
	1) stop KILL $client ;;
	esac
	start removal rdma link delete "$device"
	removal=$pid
	a_moment
	# siw waits until nobody has it open any more
	stop KILL $processes
	await 20 not_here "$device" || fail "round $round: $device is still there"
	wait $removal || fail "round $round: cannot remove $device"
	started=$looker
}

vanish_again_and_again()
{
	start look "$HERE/look.py" rxe0 siw0
	looker=$pid
	start monitor rdma monitor
	looker="$looker $pid"
	round=0
	while [ $round -lt "$rounds" ] && [ -z "$failed" ]; do
		round=$((round + 1))
		vanish rxe
		vanish siw
		say "round $round, $(cut -d' ' -f1 /proc/uptime) s"
	done
	kill -0 ${looker% *} || fail "who looks at the devices has ended: $(cat "$TMPDIR/look")"
	stop KILL $looker
}

run vanish_again_and_again
