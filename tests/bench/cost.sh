#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first part of `make bench`, in a guest whose clock counts instructions: the cost
# of operations in the kernel, and of commands. The results are lines
# "<operation> <objects> <value>" in $RESULTS/*.result.
#
#	cost.sh <benchmark module> <name of the tracker>
set -eu
. "$CHECKOUT/scripts/guest/rdma.sh"
files=/sys/kernel/debug/restrack_bench
clock=/sys/devices/system/clocksource/clocksource0/current_clocksource

modprobe ib_core
insmod "$1"
# The kernel still looks for devices. An idle guest's clock skips the time.
sleep 8
# Only this clock counts instructions.
[ "$(cat $clock)" = tsc ]
for measurement in memory cost worst; do
	cat $files/$measurement >"$RESULTS/$measurement.result"
	echo "$2: measured $measurement"
done
rmmod restrack_bench

modprobe -a ib_uverbs rdma_rxe
make_rxe
sleep 2
cd "$CHECKOUT"
python3 -B -m tests.bench.users rxe0 >"$RESULTS/users.result"
echo "$2: measured users"
