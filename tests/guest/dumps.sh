#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
#
# What is better here than in the C tracker, seen through netlink and rdma: lists
# are exact while objects come and go, the reader is told when they did, an object
# that fits into no message is an error and not an endless dump, XRC domains are
# in the summary.

. ./lib.sh

device_is_there()
{
	add_device rxe || fail "no device"
}

# better TEST: see dumps.py
better()
{
	"$HERE/dumps.py" "$1" rxe0 >"$TMPDIR/$1" 2>&1 || fail "$1:"
	sed 's/^/# /' "$TMPDIR/$1"
	await 10 unused || fail "left behind: $(all rxe0)"
}

unused()
{
	[ "$(summary rxe0 ctx)" = 0 ]
}

run device_is_there \
	"better summary" \
	"better exact" \
	"better interrupted" \
	"better calm" \
	"better short" \
	"better long"
