#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# time limit: 600
# takes: 30
#
# Devices that come and go again and again, each time with connections open, while
# lists are read, and processes are killed before, during and after the removal.
# ROUNDS is the number of rounds: 2, and 500 in `make soak`. See vanish.py.

. ./lib.sh

kinds="rxe siw"

devices_come_and_go()
{
	for kind in $kinds; do
		add_device $kind || fail "no $kind"
		remove_device ${kind}0 || fail "cannot remove ${kind}0"
	done
}

devices_vanish_while_they_are_used()
{
	start look "$HERE/look.py" rxe0 siw0
	looker=$pid
	start monitor rdma monitor
	"$HERE/vanish.py" "${ROUNDS:-2}" rxe=$RXE_ADDRESS siw=$SIW_ADDRESS 2>"$TMPDIR/vanish" ||
		fail "vanish.py: $(cat "$TMPDIR/vanish")"
	kill -0 $looker || fail "who looks at the devices has ended: $(cat "$TMPDIR/look")"
	stop KILL $looker $pid
}

run devices_come_and_go devices_vanish_while_they_are_used
