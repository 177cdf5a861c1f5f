#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The second part of `make bench`, in a guest with several processors and a real clock:
# threads and processes on one device, with both trackers in turns. The results are
# lines "<beside> <what> <threads> <value>" in $RESULTS/<tracker>.result.
#
#	threads.sh <programs> <modules of c> <benchmark module of c> \
#		<modules of rust> <benchmark module of rust>
#
# Programs is a folder, modules one that takes the place of /lib/modules.
set -eu -o pipefail
. "$CHECKOUT/scripts/guest/rdma.sh"
parameters=/sys/module/restrack_bench/parameters
programs=$1

# threads BESIDE NUMBER...: for each of these numbers of threads
threads() {
	local beside=$1
	shift
	for number; do
		echo $number >$parameters/threads
		sed "s/^/$beside /" /sys/kernel/debug/restrack_bench/threads
	done
}

# beside_dumps NUMBER...: the same, beside dumps
beside_dumps() {
	for number; do
		"$programs/dumps" >/tmp/dumps &
		threads dump $number | grep -v "^dump load"
		kill $!
		wait $!
		echo "dump load $number $(cat /tmp/dumps)"
	done
}

add_and_del() {
	insmod "$1"
	threads alone 1 2 4 6 8 16
	beside_dumps 1 2 4 8 16
	echo 1 >$parameters/counting
	threads count 1 2 4 8 16
	echo 0 >$parameters/counting
	echo 2 >$parameters/looking
	threads lookup 1 2 4 8 16
	rmmod restrack_bench
}

register() {
	modprobe -a ib_uverbs rdma_rxe
	make_rxe
	for number in 1 2 4 8; do
		rate=$("$programs/regions" $number 0.4)
		echo "alone mr $number $rate"
	done
	rdma link delete rxe0
	ip link delete net0
	modprobe -r rdma_rxe ib_uverbs
}

# turn MEASUREMENT MODULES BENCHMARK: with one tracker, from loading it to unloading it
turn() {
	mount --bind "$2" /usr/lib/modules
	modprobe ib_core
	$1 "$3"
	modprobe -r ib_core
	umount /usr/lib/modules
}

# rounds COUNT MEASUREMENT ARGUMENTS: each tracker is the first one in turn
rounds() {
	for round in $(seq $1); do
		if [ $((round % 2)) = 1 ]; then
			turn $2 "$4" "$5" >>"$RESULTS/c.result"
			turn $2 "$6" "$7" >>"$RESULTS/rust.result"
		else
			turn $2 "$6" "$7" >>"$RESULTS/rust.result"
			turn $2 "$4" "$5" >>"$RESULTS/c.result"
		fi
		echo "$2: round $round"
	done
}

sleep 5
rounds 3 add_and_del "$@"
if [ "$(nproc)" = 2 ]; then
	# The trackers are a small part of the work, so it needs more rounds.
	rounds 7 register "$@"
fi
