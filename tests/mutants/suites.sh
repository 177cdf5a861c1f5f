#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loads rdma_restrack and then the modules named, as far as they are needed to run the KUnit
# suites in $SUITES. With FIRST_FAILURE set the guest ends with the first test that fails.
set -u
# What is judged are the messages on the serial console.
busybox dmesg -n 7
kunit=/sys/kernel/debug/kunit

if [ "${FIRST_FAILURE-}" ]; then
	{
		dmesg --follow --notime | grep -q -m 1 -E '(EXPECTATION|ASSERTION) FAILED|^ *not ok'
		echo 1 >"$RESULTS/verdict"
		busybox poweroff -f
	} &
fi

for module in rdma_restrack "$@"; do
	[ "$SUITES" ] || break
	# A suite waits for the report of a deletion that waits.
	[ $module = rdma_restrack ] && options="wait_report=1" || options=
	modprobe "$module" $options || {
		echo "$module does not load"
		exit 1
	}
	later=
	for suite in $SUITES; do
		if [ -e $kunit/$suite/run ]; then
			echo 1 >$kunit/$suite/run
		else
			later="$later $suite"
		fi
	done
	SUITES=${later# }
done
[ ! "$SUITES" ] || {
	echo "no module has $SUITES"
	exit 1
}
