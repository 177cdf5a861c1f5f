#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# run.sh MODULE: loads rdma_restrack and the module, and keeps the results of the module's
# KUnit suites as KTAP in $RESULTS/<suite>.ktap. Fails if a module does not load or unload.
#
# This is busybox, whose cat takes no exec: there are many suites.
set -u
. "$CHECKOUT/scripts/guest/rdma.sh"
. "$CHECKOUT/tests/complaints.sh"
suites=/sys/kernel/debug/kunit
filter=/sys/module/kunit/parameters/filter_glob
only=$(cat $filter)
failed=0

# Where the kernel injects faults, any allocation may fail, without a message.
for faults in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
	[ ! -d $faults ] || {
		echo N >$faults/ignore-gfp-wait
		echo 0 >$faults/verbose
	}
done

load() {
	echo "loading $1"
	modprobe "$@" || {
		echo "$1 does not load"
		failed=1
	}
}

# The suites of rdma_restrack run in a guest of their own.
[ "$1" = rdma_restrack ] || printf none >$filter
# A suite waits for the report of a deletion that waits.
load rdma_restrack wait_report=1
printf %s "$only" >$filter
[ "$1" = rdma_restrack ] || load "$1"

for results in $suites/*/results; do
	[ -e "$results" ] || continue
	suite=${results%/results}
	cat "$results" >"$RESULTS/${suite##*/}.ktap"
done

# In the second turn there may be nothing left to do.
for module in "$1" rdma_restrack; do
	unload "$module" rmmod || {
		echo "$module does not unload"
		failed=1
	}
done
checkers_are_on || failed=1
no_leaks || failed=1
dmesg >"$RESULTS/dmesg.log"
exit $failed
