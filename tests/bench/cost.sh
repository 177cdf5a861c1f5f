#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first part of `make bench`, in a guest whose clock counts instructions:
# what each operation costs, in the kernel and for those who type commands.
# Leaves the results in $RESULTS/*.result, a line "<operation> <objects> <value>"
# for each.
#
#	cost.sh <benchmark module> <name of the tracker>
set -eu
. "$CHECKOUT/scripts/guest/rdma.sh"
files=/sys/kernel/debug/restrack_bench
clock=/sys/devices/system/clocksource/clocksource0/current_clocksource

modprobe ib_core
insmod "$1"
# Devices are still being looked for. With nothing else to do the guest's clock
# jumps over the wait.
sleep 8
# Another clock would not count what the processor executes.
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
