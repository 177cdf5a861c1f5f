# SPDX-License-Identifier: GPL-2.0
#
# To be sourced: what the kernel itself has found wrong.

# Prints the lines of a kernel log on stdin that no test may cause.
bad_messages() {
	grep -v '^#' "$CHECKOUT/scripts/guest/bad_messages" >"$TMPDIR/bad" || {
		echo "cannot read the list of bad messages"
		return 0
	}
	grep -E -f "$TMPDIR/bad"
}

# Prints leaked memory, and keeps it in $RESULTS/kmemleak.log; fails if there is any.
no_leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	# Memory younger than 5 s is not reported, and what the first scan finds may
	# only be between two places.
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
