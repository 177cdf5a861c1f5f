#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# Loads rdma_restrack and then each module named, and keeps the results of their KUnit
# suites as KTAP in $RESULTS/<module>.<suite>.ktap. Fails if a module does not load or
# unload. With FIRST_FAILURE set the guest ends with the first test that fails.
#
# This is busybox, whose cat takes no exec: there are many suites.
set -u
. "$CHECKOUT/scripts/guest/rdma.sh"
. "$CHECKOUT/tests/complaints.sh"
suites=/sys/kernel/debug/kunit
seen=" "
failed=0

if [ "${FIRST_FAILURE-}" ]; then
	{
		dmesg --follow --notime | grep -q -m 1 -E '(EXPECTATION|ASSERTION) FAILED|^ *not ok'
		echo 1 >"$RESULTS/verdict"
		poweroff -f
	} &
fi

# Where the kernel injects faults, any allocation may fail, without a message.
for faults in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
	[ ! -d $faults ] || {
		echo N >$faults/ignore-gfp-wait
		echo 0 >$faults/verbose
	}
done

collect() {
	for suite in "$suites"/*/results; do
		suite=${suite%/results}
		suite=${suite##*/}
		case "$seen" in *" $suite "*) continue ;; esac
		[ -e "$suites/$suite/results" ] || continue
		seen="$seen$suite "
		cat "$suites/$suite/results" >"$RESULTS/$1.$suite.ktap"
	done
}

loaded=
for module in rdma_restrack "$@"; do
	echo "loading $module"
	collect "before"
	rm -f "$RESULTS"/before.*
	# A suite waits for the report of a deletion that waits.
	[ $module = rdma_restrack ] && options="wait_report=1" || options=
	if modprobe "$module" $options; then
		loaded="$module $loaded"
	else
		echo "$module does not load"
		failed=1
	fi
	collect "$module"
done

for module in $loaded; do
	unload "$module" rmmod || {
		echo "$module does not unload"
		failed=1
	}
done
checkers_are_on || failed=1
no_leaks || failed=1
dmesg >"$RESULTS/dmesg.log"
exit $failed
