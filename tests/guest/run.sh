#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the executable tests/guest/*.sh, or those in $TESTS, one after the other. Each
# begins without RDMA modules and with no network device but lo. $RESULTS gets for each
# <test>.log (its output), <test>.seconds (how long it took), <test>.code (its exit code,
# when it has ended) and <test>.complaint (lines about what it did not notice itself).
# $LIMIT replaces the time limits of the tests; each is $SLOWER times as long.
set -u
. "$CHECKOUT/tests/complaints.sh"
cd "$CHECKOUT/tests/guest" || exit 1

rdma_modules() {
	awk '$1 ~ /^(ib_|iw_cm|rdma_|siw|rxe|rds_rdma)/ { print $1 }' /proc/modules
}

links() {
	ip -o link show | awk -F': ' '$2 != "lo" { sub(/@.*/, "", $2); print $2 }'
}

# Removes whatever a test has left.
clean_up() {
	for pid in $(ps -o pid= --ppid 2 -N | awk '$1 > 1'); do
		[ "$pid" = $$ ] || [ "$pid" = $PPID ] || kill -KILL "$pid" 2>/dev/null
	done
	for netns in $(ip netns list 2>/dev/null | awk '{ print $1 }'); do
		ip netns delete "$netns"
	done
	for link in $(links); do
		ip link delete "$link" 2>/dev/null
	done
	for i in 1 2 3 4 5; do
		for module in $(rdma_modules); do
			timeout 10 rmmod "$module" 2>/dev/null
		done
		[ -n "$(rdma_modules)" ] || break
		sleep 0.2
	done
}

run() {
	local test=$1 name limit code since begin=$SECONDS
	name=$(basename "$test" .sh)
	limit=${LIMIT:-$(sed -n '1,20s/^# time limit: \([0-9]*\).*/\1/p' "$test")}
	limit=$((${limit:-60} * ${SLOWER:-1}))
	complaint=$RESULTS/$name.complaint
	export TMPDIR=/tmp/$name
	mkdir -p "$TMPDIR"
	echo "=== $name"
	echo "guest tests: start of $name" >/dev/kmsg
	since=$(dmesg | wc -l)
	timeout -k 5 $limit "$test" \
		>"$RESULTS/$name.log" 2>&1 </dev/null
	code=$?
	if [ $code = 124 ] || [ $code = 137 ]; then
		echo "took longer than $limit s" >>"$complaint"
	fi
	dmesg | tail -n +$((since + 1)) >"$RESULTS/$name.dmesg"
	bad_messages <"$RESULTS/$name.dmesg" | head -3 |
		sed 's/^/the kernel said: /' >>"$complaint"
	if [ -n "$(rdma_modules)" ]; then
		echo "left modules loaded:" $(rdma_modules) >>"$complaint"
	fi
	if [ -n "$(links)" ]; then
		echo "left network devices:" $(links) >>"$complaint"
	fi
	clean_up
	if [ -n "$(rdma_modules)" ]; then
		echo "the modules could not be unloaded afterwards" >>"$complaint"
	fi
	[ -s "$complaint" ] || rm -f "$complaint"
	rm -rf "$TMPDIR"
	echo $((SECONDS - begin)) >"$RESULTS/$name.seconds"
	echo $code >"$RESULTS/$name.code"
	echo "=== $name: $code"
}

export TMPDIR
for test in ${TESTS:-*.sh}; do
	[ ! -x "$test" ] || run "./$test"
done
failed=0
checkers_are_on || failed=1
no_leaks || failed=1
dmesg >"$RESULTS/dmesg.log"
exit $failed
