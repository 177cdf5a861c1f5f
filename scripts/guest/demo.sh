#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make run`: RDMA programs on a virtual device, and what the tracker knows about them.
# With TRACKER=c the tracker is the one inside ib_core.
set -u
. "$CHECKOUT/scripts/guest/rdma.sh"

fail() {
	printf '\nFAILED: %s\n' "$*"
	exit 1
}

# Says what comes next.
explain() {
	printf '\n'
	printf '%s\n' "$*" | fmt -w 96 | sed 's/^/# /'
}

# Shows a command and its output.
show() {
	printf '$ %s\n' "$*"
	"$@" || fail "'$*' ended with code $?"
}

# await TYPE COMM NUMBER: waits until a program has at least so many objects
await() {
	for i in $(seq 100); do
		[ "$(rdma resource show "$1" | grep -c "comm $2")" -lt "$3" ] || return 0
		sleep 0.1
	done
	fail "no $3 $1 of $2 showed up in 10 s"
}

explain "This is Linux $(uname -r) as Debian ships it, running in a virtual machine. Three modules" \
	"make it speak RDMA: rdma_restrack (the resource tracker, in Rust), ib_core (the kernel's RDMA" \
	"core, built to use that tracker) and rdma_rxe (an RDMA device in software)."
for module in ${TRACKER-rdma_restrack} ib_core rdma_rxe; do
	[ "$module" = c ] || show modprobe "$module"
done
modprobe -a ib_uverbs rdma_ucm || fail "the modules for programs do not load"
show grep -E '^(rdma_restrack|ib_core|rdma_rxe) ' /proc/modules
if [ "${TRACKER-}" != c ]; then
	grep -q '^ib_core .*' /proc/modules || fail "ib_core is not loaded"
	grep -E '^rdma_restrack ' /proc/modules | grep -q 'ib_core,' ||
		fail "ib_core does not use rdma_restrack"
fi

explain "RDMA lets programs read and write each other's memory over the network without the kernel in" \
	"between. Here is a device for it, made of a network device that exists only in this guest."
make_rxe || fail "no rxe device"
show rdma link show

explain "Nobody uses the device yet. What is there belongs to the kernel itself: a queue pair (qp) for" \
	"management messages, with its completion queue (cq) and protection domain (pd)."
show rdma resource show

explain "Now two pairs of programs talk to each other: ibv_rc_pingpong sends a message to and fro, and" \
	"rping does it with connections that it sets up by address, as one does with sockets."
index=$(gid_index rxe0)
pingpong="ibv_rc_pingpong -d rxe0 -g $index -n 100000000"
$pingpong >/tmp/pp-server 2>&1 &
await qp ibv_rc_pingpong 1
$pingpong localhost >/tmp/pp-client 2>&1 &
rping -s -a $ADDRESS >/tmp/rping-server 2>&1 &
await cm_id rping 1
rping -c -a $ADDRESS >/tmp/rping-client 2>&1 &
await qp ibv_rc_pingpong 2
await qp rping 2
await mr rping 6
show ps -o pid,args -C ibv_rc_pingpong,rping

explain "The summary: how many objects of each type the tracker knows on each device."
show rdma resource show

explain "Queue pairs: the ends of connections. RTS means ready to send; 'comm' and 'pid' are the program" \
	"that owns it, and a name in brackets is a part of the kernel."
show rdma resource show qp
explain "Completion queues: where a program learns that a transfer is done."
show rdma resource show cq
explain "Protection domains: what belongs together. A queue pair reaches only memory of its own domain."
show rdma resource show pd
explain "Memory regions: memory that a program has opened for RDMA, 'mrlen' bytes of it."
show rdma resource show mr
explain "Connection identifiers: rping's connections, with addresses and ports; one listens."
show rdma resource show cm_id
explain "Contexts: one for each time that a program has opened the device."
show rdma resource show ctx

for pid in $(jobs -p); do
	kill -0 "$pid" 2>/dev/null || fail "a program ended too early: $(tail -n1 /tmp/pp-* /tmp/rping-*)"
done
explain "Now the programs are ended. Whatever they had not freed, the kernel frees, and the tracker" \
	"forgets: only what belongs to the kernel is left."
show pkill -f '^(ibv_rc_pingpong|rping) '
wait 2>/dev/null
show rdma resource show
for type in qp cq pd mr cm_id ctx; do
	if rdma resource show $type | grep -q 'pid '; then
		rdma resource show $type
		fail "a program's $type is still tracked"
	fi
done

explain "Last, everything is unloaded, in the reverse order. While ib_core is loaded, rdma_restrack" \
	"cannot be removed, for it is in use."
show rdma link delete rxe0
show ip link delete net0
unload ib_core "show rmmod"
unload rdma_restrack "show rmmod"
! grep -E '^(rdma_restrack|ib_core|rdma_rxe) ' /proc/modules || fail "modules are left"
printf '\n# Nothing is left. The machine powers off.\n'
