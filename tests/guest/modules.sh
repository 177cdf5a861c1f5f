#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
#
# The modules: what pulls in what, what may not be unloaded when, and that the
# kernel has no more than one tracker.

. ./lib.sh

loaded()
{
	[ -d "/sys/module/$1" ]
}

tracker_loads_alone()
{
	modprobe rdma_restrack || fail "modprobe rdma_restrack"
	! loaded ib_core || fail "ib_core is loaded"
	rmmod rdma_restrack || fail "rmmod rdma_restrack"
}

# And takes it along when it goes.
driver_pulls_in_the_tracker()
{
	modprobe "$1" || fail "modprobe $1"
	for module in rdma_restrack ib_core "$1"; do
		loaded $module || fail "$module is not loaded"
	done
	unload_all || fail "cannot unload"
	for module in "$1" ib_core rdma_restrack; do
		! loaded $module || fail "$module is still loaded"
	done
}

functions_are_those_of_the_tracker()
{
	modprobe ib_core || fail "modprobe ib_core"
	grep -w '[tT]' /proc/kallsyms | grep -E 'rdma_(restrack|is_kernel)' \
		>"$TMPDIR/kallsyms"
	for f in rdma_restrack_init rdma_restrack_clean rdma_restrack_count \
		rdma_restrack_add rdma_restrack_del rdma_is_kernel_res \
		rdma_restrack_get rdma_restrack_put rdma_restrack_new \
		rdma_restrack_set_name rdma_restrack_parent_name \
		rdma_restrack_get_byid rdma_restrack_sync \
		rdma_restrack_begin_del rdma_restrack_abort_del \
		rdma_restrack_commit_del rdma_restrack_next \
		rdma_restrack_count_details rdma_restrack_generation; do
		expect "owners of $f" "[rdma_restrack]" \
			"$(sed -n "s/.* [tT] $f\\t//p" "$TMPDIR/kallsyms")"
	done
}

in_use_below_ib_core()
{
	if rmmod rdma_restrack 2>"$TMPDIR/rmmod"; then
		fail "the tracker went away under ib_core"
	fi
	grep -q "in use" "$TMPDIR/rmmod" || fail "$(cat "$TMPDIR/rmmod")"
	expect "users" ib_core "$(ls /sys/module/rdma_restrack/holders)"
}

in_use_by_a_device()
{
	add_device "$1" || fail "no device"
	! rmmod ib_core 2>/dev/null || fail "ib_core went away"
	! rmmod rdma_restrack 2>/dev/null || fail "the tracker went away"
	expect "cq of the summary" "$(count "$1"0 cq)" "$(summary "$1"0 cq)"
}

# The kernel's own ib_core, where it is installed, has a tracker inside.
no_second_tracker()
{
	own=$(find "/lib/modules/$(uname -r)/kernel/drivers/infiniband/core" \
		-name 'ib_core.ko*' 2>/dev/null)
	if [ -z "$own" ]; then
		skip "the kernel's own ib_core is not here"
		return
	fi
	modprobe rdma_restrack
	if insmod "$own" 2>"$TMPDIR/insmod"; then
		fail "both are loaded"
		rmmod ib_core
	fi
	rmmod rdma_restrack
	dmesg | tail -20 | grep -q "exports duplicate symbol rdma_" ||
		fail "the kernel does not say why: $(cat "$TMPDIR/insmod")"
}

run tracker_loads_alone \
	no_second_tracker \
	"driver_pulls_in_the_tracker rdma_rxe" \
	"driver_pulls_in_the_tracker siw" \
	functions_are_those_of_the_tracker \
	in_use_below_ib_core \
	"in_use_by_a_device rxe" \
	"in_use_by_a_device siw"
