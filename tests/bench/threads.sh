#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The second part of `make bench`, in a guest with several processors and a
# real clock: throughput of threads on one device, with both trackers in turns.
# Leaves the results in $RESULTS/<tracker>.result.
#
#	threads.sh <rounds> "<modules with the C tracker>" "<modules with ours>"
#
# Modules are files in the order in which they are loaded.
set -eu
files=/sys/kernel/debug/restrack_bench

measure() {
	cat $files/threads_1 $files/threads_2 $files/threads_4
	python3 -B "$CHECKOUT/tests/bench/netlink.py" bench0 &
	sed 's/^threads_4 /threads_4_dump /' $files/threads_4
	kill $!
	wait $! 2>/dev/null || true
}

turn() {
	local unload=
	for module in $2; do
		insmod "$module"
		unload="$(basename "$module" .ko) $unload"
	done
	measure >>"$RESULTS/$1.result"
	rmmod $unload
}

sleep 5
for round in $(seq "$1"); do
	# Neither is always the first.
	if [ $((round % 2)) = 1 ]; then
		turn c "$2"
		turn rust "$3"
	else
		turn rust "$3"
		turn c "$2"
	fi
	echo "round $round"
done
