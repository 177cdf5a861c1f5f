#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 195
#
# Lists while objects come and go, read through netlink and with rdma: each is a
# snapshot in ascending order, comes to its end, and shows all objects that are
# there all the time, on each device. A list that is not read to its end is freed.

. ./lib.sh

# Two rxe devices, one at each end of a veth pair.
devices_are_there()
{
	add_device rxe || fail "no device"
	rdma link add rxe1 type rxe netdev prxe || fail "no second device"
	links="$links rxe1"
}

# dump TEST [DEVICE...]: a test of dumps.py
dump()
{
	"$HERE/dumps.py" "$@" >"$TMPDIR/$1" 2>&1 || fail "$1:"
	grep -q "^SKIP " "$TMPDIR/$1" && skip "$(sed -n 's/^SKIP //p' "$TMPDIR/$1")"
	sed 's/^/# /' "$TMPDIR/$1"
	await 10 unused || fail "left behind: $(all rxe0)"
}

unused()
{
	[ "$(summary rxe0 ctx)" = 0 ]
}

run devices_are_there \
	"dump summary_counts_xrc_domains rxe0" \
	"dump list_is_a_snapshot rxe0" \
	"dump lists_do_not_disturb_each_other rxe0" \
	"dump qps_of_an_srq_are_all_listed rxe0" \
	"dump busy_device_does_not_end_the_list rxe0 rxe1" \
	"dump list_under_churn_is_exact rxe0 rxe1" \
	"dump object_larger_than_a_message_is_listed rxe0" \
	"dump churn_does_not_hide_an_error rxe0" \
	"dump list_says_nothing_of_another_device rxe0" \
	"dump half_read_list_holds_ib_core rxe0" \
	"dump keys_are_charged_to_the_reader rxe0" \
	"dump list_without_memory_is_whole rxe0"
