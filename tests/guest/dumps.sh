#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
#
# Lists while objects come and go, seen through netlink and rdma: each is a
# snapshot in ascending order, comes to its end, and shows what is there all the
# time, on this device and the next; what a reader does not read is given back.

. ./lib.sh

# The second device has the other end of the first one's cable.
devices_are_there()
{
	add_device rxe || fail "no device"
	rdma link add rxe1 type rxe netdev prxe || fail "no second device"
	links="$links rxe1"
}

# seen TEST [DEVICE...]: see dumps.py
seen()
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

history_33_lists_under_churn_come_to_their_end()
{
	seen busy rxe0 rxe1
	seen exact rxe0 rxe1
}

history_34_what_fits_the_reader_is_listed()
{
	seen long rxe0
}

history_35_an_error_is_not_hidden_by_churn()
{
	seen error_under_churn rxe0
}

history_39_nothing_of_another_device_in_a_dump()
{
	seen device_gone rxe0
}

run devices_are_there \
	"seen summary rxe0" \
	"seen snapshot rxe0" \
	"seen two_readers rxe0" \
	"seen short rxe0" \
	history_33_lists_under_churn_come_to_their_end \
	history_34_what_fits_the_reader_is_listed \
	history_35_an_error_is_not_hidden_by_churn \
	history_39_nothing_of_another_device_in_a_dump \
	"seen half_read rxe0" \
	"seen charged rxe0" \
	"seen without_memory rxe0"
