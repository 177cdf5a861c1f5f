# SPDX-License-Identifier: GPL-2.0
#
# To be sourced: asks kmemleak, where the kernel has it, for memory that nothing
# refers to any more.

# Prints what has been leaked, and keeps it in $RESULTS/kmemleak.log; fails if
# there is anything.
no_leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	# What is younger than 5 s is not reported, and what a scan has found for
	# the first time may be on its way from one place to another.
	for _ in 1 2; do
		sleep 6
		echo scan >/sys/kernel/debug/kmemleak
	done
	cat /sys/kernel/debug/kmemleak >"$RESULTS/kmemleak.log"
	[ -s "$RESULTS/kmemleak.log" ] || return 0
	echo "memory has been leaked, see kmemleak.log:"
	grep -A1 '^unreferenced' "$RESULTS/kmemleak.log" | head -20
	return 1
}
