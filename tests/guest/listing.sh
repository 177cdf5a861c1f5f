#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 300
# takes: 35
#
# The lists of objects are complete and well-formed, and each object in them is
# found by its number.

. ./lib.sh

PDS=3 CQS=4 MRS=5 QPS=6

device_is_in_use()
{
	add_device rxe || fail "no device"
	start verbs "$HERE/verbs.py" rxe0 pd=$PDS cq=$CQS mr=$MRS srq=2 qp=$QPS
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	user=$pid
}

lists_are_json()
{
	for type in qp cq pd mr ctx srq cm_id; do
		rdma -j resource show $type >"$TMPDIR/$type.json"
		rdma -j -d resource show $type >"$TMPDIR/$type-d.json"
	done
	rdma -j resource show >"$TMPDIR/summary.json"
	"$HERE/listing.py" "$TMPDIR" "$user" verbs.py \
		pd=$PDS cq=$CQS mr=$MRS srq=2 qp=$QPS ctx=1 cm_id=0 \
		>"$TMPDIR/problems" 2>&1 || fail "not what was made:"
	sed 's/^/# /' "$TMPDIR/problems"
}

# each_is_found_by_number TYPE KEYWORD: a request for the number of each listed object
# shows the same line
each_is_found_by_number()
{
	type=$1 name=$2
	list rxe0 "$type" " pid $user " >"$TMPDIR/$type"
	[ -s "$TMPDIR/$type" ] || fail "no $type"
	while read -r line; do
		number=$(echo "$line" | field "$name")
		got=$(rdma resource show "$type" dev rxe0 "$name" "$number" </dev/null)
		expect "$type $number" "$line" "${got% }"
	done <"$TMPDIR/$type"
}

# A QP without a port cannot be asked for by its port, but netlink finds it.
gsi_qp_is_found_by_number()
{
	expect "GSI QP" 1 "$(rdma resource show qp link rxe0/1 lqpn 1 | grep -c "lqpn 1 type GSI")"
	expect "no such QP" 0 "$(rdma resource show qp link rxe0/1 lqpn 9999 | grep -c lqpn)"
}

missing_number_is_not_found()
{
	for query in "pd dev rxe0 pdn" "cq dev rxe0 cqn" "mr dev rxe0 mrn" \
		"ctx dev rxe0 ctxn" "srq dev rxe0 srqn"; do
		for number in 4242 4294967295; do
			# shellcheck disable=SC2086 # words are what is wanted
			expect "$query $number" "" \
				"$(rdma resource show $query $number 2>/dev/null)"
		done
	done
}

# A lookup that failed half way once kept a reference, or put it twice. If one is
# kept, the objects cannot be destroyed and this waits for ever.
failed_lookups_keep_no_reference()
{
	i=0
	while [ $i -lt 20 ]; do
		rdma resource show qp link rxe0/2 lqpn 1
		rdma resource show qp link rxe0/1 lqpn 17
		rdma resource show mr dev rxe0 mrn 0
		i=$((i + 1))
	done >/dev/null 2>&1
	expect "GSI QPs" 1 "$(count rxe0 qp "lqpn 1 type GSI")"
	stop KILL "$user"
	await 10 no_context || fail "still there: $(all rxe0)"
	remove_device rxe0 || fail "cannot remove the device"
}

no_context()
{
	[ "$(summary rxe0 ctx)" = 0 ]
}

# A list of more than one message once lost objects, or ended with an error.
list_of_thousands_is_whole()
{
	add_device rxe || fail "no device"
	start verbs "$HERE/verbs.py" rxe0 pd=1200 cq=1 qp=300
	await 60 prints verbs ready || fail "$(cat "$TMPDIR/verbs")"
	expect "PDs" 1200 "$(owned rxe0 pd $pid)"
	expect "PDs in the summary" 1201 "$(summary rxe0 pd)"
	expect "PDs without doubles" 1201 \
		"$(list rxe0 pd | grep -o ' pdn [0-9]* ' | sort -u | wc -l)"
	list rxe0 qp " pid $pid " | grep -o ' lqpn [0-9]*' | sort >"$TMPDIR/listed"
	sed -n 's/^qp / lqpn /p' "$TMPDIR/verbs" | sort >"$TMPDIR/made"
	cmp -s "$TMPDIR/made" "$TMPDIR/listed" || fail "QPs made and QPs listed differ"
	expect "QPs" 300 "$(wc -l <"$TMPDIR/listed")"
	stop KILL $pid
	await 30 no_context || fail "still there: $(all rxe0)"
	expect "PDs in the summary" 1 "$(summary rxe0 pd)"
}

run device_is_in_use \
	lists_are_json \
	"each_is_found_by_number pd pdn" \
	"each_is_found_by_number cq cqn" \
	"each_is_found_by_number mr mrn" \
	"each_is_found_by_number ctx ctxn" \
	"each_is_found_by_number srq srqn" \
	gsi_qp_is_found_by_number \
	missing_number_is_not_found \
	failed_lookups_keep_no_reference \
	list_of_thousands_is_whole
