#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 60
#
# What a reader in a PID namespace sees: all objects are listed and counted. An
# owner is shown only if it has a pid in that namespace, and under that pid.

. ./lib.sh

# Runs a command in the PID namespace of the process $1.
inside()
{
	target=$1
	shift
	nsenter -t "$target" -p -m "$@"
}

# Process 1 of a namespace starts verbs.py there. Both have a pid outside too.
namespaces_are_there()
{
	add_device rxe || fail "no device"
	start outer "$HERE/verbs.py" rxe0 pd=1 cq=1 qp=1
	outer=$pid
	start inner unshare --pid --fork --kill-child --mount-proc \
		sh -c "'$HERE/verbs.py' rxe0 pd=2 cq=1 mr=3 qp=2; true"
	await 60 prints outer ready || fail "$(cat "$TMPDIR/outer")"
	await 60 prints inner ready || fail "$(cat "$TMPDIR/inner")"
	init=$(pgrep -P $pid)
	inner=$(pgrep -P "$init")
	inner_pid=$(sed -n 's/^NSpid:.*\t//p' "/proc/$inner/status")
	[ "$inner_pid" ] && [ "$inner_pid" != "$inner" ] ||
		fail "not in a namespace: $inner_pid, $inner"
}

outside_sees_all()
{
	expect_owned rxe0 "$outer" ctx 1 pd 1 cq 1 qp 1
	expect_owned rxe0 "$inner" ctx 1 pd 2 cq 1 mr 3 qp 2
	expect "ctx" 2 "$(summary rxe0 ctx)"
	expect "pd" 4 "$(summary rxe0 pd)"
	expect "GSI QPs" 1 "$(count rxe0 qp "comm [ib_core]")"
}

# list_with TYPE COMMAND...: what rdma lists where COMMAND runs it, in $TMPDIR/listed.
# All objects are there.
list_with()
{
	type=$1
	shift
	"$@" rdma resource show "$type" >"$TMPDIR/listed" || fail "$*: rdma does not list $type"
	[ -s "$TMPDIR/listed" ] || fail "$*: no $type"
	expect "$type, $*" "$(count rxe0 "$type")" "$(of_device rxe0 <"$TMPDIR/listed" | wc -l)"
}

# Lists show the pids of the reader's own namespace, and no others.
inside_sees_its_own_owners()
{
	for type in ctx pd cq mr qp; do
		list_with $type inside "$init"
		expect "$type inside" "$(owned rxe0 $type "$inner")" \
			"$(grep -c " pid $inner_pid " "$TMPDIR/listed")"
		expect "other pids with $type" 0 \
			"$(grep ' pid ' "$TMPDIR/listed" | grep -vc " pid $inner_pid ")"
	done
}

# says_what_lists_say [COMMAND...]: the summary agrees with the lists, where COMMAND
# runs rdma
says_what_lists_say()
{
	line=$("$@" rdma resource show rxe0)
	for type in ctx pd cq mr srq qp cm_id; do
		expect "$type in the summary" \
			"$("$@" rdma resource show $type | of_device rxe0 | wc -l)" \
			"$(echo "$line" | sed -n "s/.* $type \\([0-9]*\\).*/\\1/p")"
	done
}

# Inside, owners are hidden, but no objects.
summary_says_what_lists_say()
{
	says_what_lists_say
	says_what_lists_say inside "$init"
	expect "objects inside" "$(all rxe0)" "$(inside "$init" rdma resource show rxe0)"
}

# number_inside PID: asks inside for a PD of this process by its number; the answer is in
# $TMPDIR/found
number_inside()
{
	pdn=$(list rxe0 pd " pid $1 " | field pdn)
	[ "$pdn" ] || fail "$1 has no PD"
	inside "$init" rdma resource show pd dev rxe0 pdn "$pdn" >"$TMPDIR/found" ||
		fail "rdma does not find PD $pdn"
	expect "PD $pdn" 1 "$(grep -c " pdn $pdn " "$TMPDIR/found")"
}

lookup_by_number_shows_owners_of_the_namespace()
{
	number_inside "$outer"
	expect "PD $pdn with a pid" 0 "$(grep -c " pid " "$TMPDIR/found")"
	number_inside "$inner"
	expect "PD $pdn with its pid" 1 "$(grep -c " pid $inner_pid " "$TMPDIR/found")"
}

# In a namespace without RDMA users no object has an owner.
empty_namespace_knows_nobody()
{
	for type in ctx pd cq mr qp; do
		list_with $type unshare --pid --fork --mount-proc
		expect "$type with a pid" 0 "$(grep -c ' pid ' "$TMPDIR/listed")"
	done
	says_what_lists_say unshare --pid --fork --mount-proc
}

# Objects whose creator has ended are listed, so the summary counts them.
summary_counts_objects_of_dead_processes()
{
	start left unshare --pid --fork --kill-child --mount-proc \
		sh -c "'$HERE/owner.py' rxe0 fork; sleep 100000"
	await 60 prints left ready || fail "$(cat "$TMPDIR/left")"
	await 60 prints left heir || fail "$(cat "$TMPDIR/left")"
	keeper=$(pgrep -P $pid)
	maker=$(pgrep -P "$keeper")
	before=$(all rxe0)
	says_what_lists_say
	says_what_lists_say inside "$keeper"
	kill -KILL "$maker"
	await 10 gone_from_lists "$maker" || fail "still there: $maker"
	says_what_lists_say
	says_what_lists_say inside "$keeper"
	expect "objects afterwards" "$before" "$(all rxe0)"
	expect "objects afterwards, inside" "$before" "$(inside "$keeper" rdma resource show rxe0)"
	stop KILL "$keeper"
	await 10 idle_again || fail "left behind: $(all rxe0)"
}

idle_again()
{
	[ "$(summary rxe0 ctx)" = 2 ]
}

gone_from_lists()
{
	[ "$(owned rxe0 ctx "$1")" = 0 ]
}

namespace_that_ends_leaves_nothing()
{
	stop KILL "$init"
	await 10 gone "$inner" || fail "left behind: $(all rxe0)"
	expect_owned rxe0 "$outer" ctx 1 pd 1 cq 1 qp 1
}

gone()
{
	[ "$(owned rxe0 ctx "$1")" = 0 ] && [ "$(summary rxe0 ctx)" = 1 ]
}

run namespaces_are_there \
	outside_sees_all \
	inside_sees_its_own_owners \
	summary_says_what_lists_say \
	lookup_by_number_shows_owners_of_the_namespace \
	empty_namespace_knows_nobody \
	summary_counts_objects_of_dead_processes \
	namespace_that_ends_leaves_nothing
