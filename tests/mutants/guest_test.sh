#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the guest tests in $TESTS, if the RDMA modules load. With FIRST_FAILURE set the guest
# ends with the first test that fails.
set -u
. "$CHECKOUT/scripts/guest/rdma.sh"
# What is judged are the messages on the serial console.
busybox dmesg -n 7

modprobe -a ib_uverbs rdma_ucm rdma_rxe siw || {
	echo "the modules do not load"
	exit 1
}
unload ib_core "modprobe -r"
unload rdma_restrack rmmod

if [ "${FIRST_FAILURE-}" ]; then
	{
		until grep -q '^not ok' "$RESULTS"/*.log 2>/dev/null; do
			sleep 0.5
		done
		echo 1 >"$RESULTS/verdict"
		busybox poweroff -f
	} &
fi
exec bash "$CHECKOUT/tests/guest/run.sh"
