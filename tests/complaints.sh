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

# Fails, and says so, if a checker of this kernel is off. lockdep and kmemleak switch
# themselves off when they run out of memory, and nothing else says so.
checkers_are_on() {
	off=
	case $KERNEL in
	debug* | kasan | kcsan)
		grep -q '^ debug_locks: *1$' /proc/lockdep_stats || off="$off lockdep"
		;;
	esac
	case $KERNEL in
	kasan)
		# Neither a leak nor a scan: an enabled kmemleak takes this, too.
		echo stack=on >/sys/kernel/debug/kmemleak || off="$off kmemleak"
		dmesg | grep -q 'KernelAddressSanitizer initialized' || off="$off KASAN"
		;;
	kcsan)
		grep -q '^enabled: 1$' /sys/kernel/debug/kcsan || off="$off KCSAN"
		;;
	esac
	[ "$off" ] || return 0
	echo "off, where it should be on:$off"
	return 1
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
	grep -A1 '^unreferenced' "$RESULTS/kmemleak.log" | head -20
	echo "memory has been leaked, see kmemleak.log"
	return 1
}
