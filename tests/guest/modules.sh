#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 20
#
# The modules: what loads what, what is refused to be unloaded, and that the kernel
# never has two trackers.

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

# All of them can be unloaded again.
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
		rdma_restrack_count_details rdma_restrack_generation \
		rdma_restrack_keys rdma_restrack_get_bykey \
		rdma_restrack_restores rdma_restrack_begin_free \
		rdma_restrack_abort_free rdma_restrack_commit_free; do
		expect "owners of $f" "[rdma_restrack]" \
			"$(sed -n "s/.* [tT] $f\\t//p" "$TMPDIR/kallsyms")"
	done
}

tracker_stays_below_ib_core()
{
	if rmmod rdma_restrack 2>"$TMPDIR/rmmod"; then
		fail "the tracker went away under ib_core"
	fi
	grep -q "in use" "$TMPDIR/rmmod" || fail "$(cat "$TMPDIR/rmmod")"
	expect "users" ib_core "$(ls /sys/module/rdma_restrack/holders)"
}

tracker_stays_below_a_device()
{
	add_device "$1" || fail "no device"
	! rmmod ib_core 2>/dev/null || fail "ib_core went away"
	! rmmod rdma_restrack 2>/dev/null || fail "the tracker went away"
	expect "cq of the summary" "$(count "$1"0 cq)" "$(summary "$1"0 cq)"
}

# The modules of the distribution, which were built for the tracker in ib_core.
foreign=$CHECKOUT/build/$SERIES-$KERNEL/foreign

# Only the distribution's kernel has modules that were built for it.
have_foreign()
{
	[ -d "$foreign" ] && return
	skip "nobody ships modules for this kernel"
	false
}

# refused FILE ERROR MESSAGE: insmod fails with ERROR, and the kernel logs MESSAGE
# and nothing else
refused()
{
	echo "loading $1" >/dev/kmsg
	if insmod "$1" 2>"$TMPDIR/insmod"; then
		fail "$1 was loaded"
		rmmod "$(basename "$1" .ko | tr - _)"
	fi
	grep -qxF "insmod: ERROR: could not insert module $1: $2" "$TMPDIR/insmod" ||
		fail "insmod says: $(cat "$TMPDIR/insmod")"
	dmesg -t | sed "1,\\|^loading $1|d" >"$TMPDIR/refused"
	if ! grep -qxE "$3" "$TMPDIR/refused" || grep -qvxE "$3" "$TMPDIR/refused"; then
		fail "the kernel says: $(cat "$TMPDIR/refused")"
	fi
}

distribution_keeps_the_tracker_out()
{
	have_foreign || return
	insmod "$foreign/ib_core.ko" || fail "ib_core of the distribution"
	refused "$(modinfo -n rdma_restrack)" "Invalid module format" \
		"rdma_restrack: exports duplicate symbol rdma_[a-z_]+ \(owned by ib_core\)"
	rmmod ib_core || fail "rmmod ib_core"
}

tracker_keeps_the_distribution_out()
{
	have_foreign || return
	modprobe rdma_restrack || fail "modprobe rdma_restrack"
	refused "$foreign/ib_core.ko" "Invalid module format" \
		"ib_core: exports duplicate symbol rdma_[a-z_]+ \(owned by rdma_restrack\)"
	rmmod rdma_restrack || fail "rmmod rdma_restrack"
}

# On top of the ib_core that was built with the tracker.
distribution_modules_do_not_link()
{
	have_foreign || return
	# everything else that they need is loaded
	modprobe -a rdma_cm ib_uverbs ip6_udp_tunnel udp_tunnel nvme-fabrics ||
		fail "modprobe"
	refused "$foreign/rdma_rxe.ko" "Unknown symbol in module" \
		"rdma_rxe: Unknown symbol _ib_alloc_device \(err -2\)"
	refused "$foreign/nvme-rdma.ko" "Unknown symbol in module" \
		"nvme_rdma: Unknown symbol __ib_alloc_pd \(err -2\)"
	unload_all || fail "cannot unload"
	modprobe -ra nvme-fabrics ip6_udp_tunnel udp_tunnel
}

run tracker_loads_alone \
	distribution_keeps_the_tracker_out \
	tracker_keeps_the_distribution_out \
	distribution_modules_do_not_link \
	"driver_pulls_in_the_tracker rdma_rxe" \
	"driver_pulls_in_the_tracker siw" \
	functions_are_those_of_the_tracker \
	tracker_stays_below_ib_core \
	"tracker_stays_below_a_device rxe" \
	"tracker_stays_below_a_device siw"
