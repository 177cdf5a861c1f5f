# SPDX-License-Identifier: GPL-2.0
#
# Shared by the test scripts of this directory, which source it. In a script each
# test is a function, and the last command is
#
#	run test_one "test_two rxe" "test_two siw"
#
# which prints one KTAP document. A test calls fail() for each thing that is wrong,
# and goes on; it calls skip() where it cannot run. When a script ends, however it
# does, everything that it started or made is removed.

set -u
. ../../scripts/guest/rdma.sh
. ../complaints.sh
export LC_ALL=C.UTF-8

: "${TMPDIR:=/tmp}"
HERE=$(pwd)
BLANKS=$IFS
NEWLINE='
'

# A program with shared libraries takes a tenth of a second on the debug kernel to start.
for tool in cat cut grep head sed sleep sort tail wc; do
	eval "$tool() { busybox $tool \"\$@\"; }"
done

# Addresses of the devices that the scripts make. Each kind of RDMA device is on one
# end of a veth pair.
RXE_ADDRESS=10.91.1.1
SIW_ADDRESS=10.91.2.1

started=
links=
netdevs=

# ---- results ---------------------------------------------------------------

say()
{
	echo "# $*"
}

# Also in a subshell, and where stdout is a pipe.
fail()
{
	echo "# $*" >&3
	: >"$TMPDIR/failed"
}

skip()
{
	skipped="$*"
}

run()
{
	run_number=0
	run_missed=0
	trap finish EXIT
	trap 'exit 1' INT TERM
	exec 3>&1
	marker="restrack test ${0##*/} $$"
	echo "$marker" >/dev/kmsg
	echo "KTAP version 1"
	echo "1..$(($# + 1))"
	for run_test in "$@" log_has_no_complaint; do
		run_number=$((run_number + 1))
		rm -f "$TMPDIR/failed"
		skipped=
		read -r began _ </proc/uptime
		if command -v "${run_test%% *}" >/dev/null; then
			$run_test
		else
			fail "there is no such test"
		fi
		read -r ended _ </proc/uptime
		say "$((${ended%.*} - ${began%.*})) s"
		if [ -e "$TMPDIR/failed" ]; then
			run_missed=$((run_missed + 1))
			echo "not ok $run_number $run_test"
		elif [ "$skipped" ]; then
			echo "ok $run_number $run_test # SKIP $skipped"
		else
			echo "ok $run_number $run_test"
		fi
	done
	exit $((run_missed != 0))
}

# The last test of each script: the kernel logged no warning.
log_has_no_complaint()
{
	clean_up
	dmesg | sed "1,/$marker/d" | bad_messages >"$TMPDIR/complaints" || return 0
	fail "the kernel complained:"
	sed 's/^/# /' "$TMPDIR/complaints"
}

# ---- what is undone at the end ---------------------------------------------

clean_up()
{
	for pid in $started; do
		kill -KILL "$pid" 2>/dev/null
	done
	for pid in $started; do
		wait "$pid" 2>/dev/null
	done
	started=
	for link in $links; do
		rdma link delete "$link" 2>/dev/null
	done
	links=
	for netdev in $netdevs; do
		ip link delete "$netdev" 2>/dev/null
	done
	netdevs=
	unload_all
	modprobe -qr veth 2>/dev/null
}

# modprobe -r also removes what only the drivers need.
unload_all()
{
	unload ib_core "modprobe -r" && unload rdma_restrack rmmod
}

finish()
{
	code=$?
	trap - EXIT
	clean_up
	exit $code
}

# ---- programs --------------------------------------------------------------

# start NAME COMMAND...: runs it in the background; its pid is in $pid, what it
# prints in $TMPDIR/NAME.
start()
{
	log=$TMPDIR/$1
	shift
	"$@" >"$log" 2>&1 &
	pid=$!
	started="$started $pid"
}

# start_sender NAME COMMAND...: the same for a program that sends without pause, at
# low priority, so that the tests get on.
start_sender()
{
	sender=$1
	shift
	start "$sender" nice -n 19 "$@"
}

# stop SIGNAL PID...: sends the signal and waits for the processes to end
stop()
{
	signal=$1
	shift
	kill "-$signal" "$@" 2>/dev/null
	for pid in "$@"; do
		wait "$pid" 2>/dev/null
	done
}

# await SECONDS COMMAND...: waits until the command succeeds
await()
{
	tries=$(($1 * 5))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.2
	done
}

# listening PORT: a process listens on this TCP port, in hexadecimal
listening()
{
	cat /proc/net/tcp /proc/net/tcp6 | grep -qi ":$1 [0-9A-F]*:0000 0A "
}

prints()
{
	grep -q "$2" "$TMPDIR/$1"
}

# ---- devices ---------------------------------------------------------------

# add_device rxe|siw [NAME]: makes an RDMA device on a network device of its own
add_device()
{
	kind=$1
	name=${2:-${kind}0}
	case $kind in
	rxe) module=rdma_rxe address=$RXE_ADDRESS ;;
	siw) module=siw address=$SIW_ADDRESS ;;
	esac
	modprobe -a $module ib_uverbs rdma_ucm || return 1
	if ! [ -e "/sys/class/net/n$kind" ]; then
		ip link add "n$kind" type veth peer name "p$kind" || return 1
		netdevs="$netdevs n$kind"
		ip address add "$address/24" dev "n$kind"
		ip link set "n$kind" up
		ip link set "p$kind" up
	fi
	rdma link add "$name" type "$kind" netdev "n$kind" || return 1
	links="$links $name"
	await 10 active "$name"
}

remove_device()
{
	rdma link delete "$1" || return 1
	kept=
	for link in $links; do
		[ "$link" = "$1" ] || kept="$kept $link"
	done
	links=$kept
}

active()
{
	case $(rdma link show "$1/1") in *"state ACTIVE"*) ;; *) return 1 ;; esac
}

address_of()
{
	case $1 in
	rxe*) echo $RXE_ADDRESS ;;
	siw*) echo $SIW_ADDRESS ;;
	esac
}

# ---- what the tracker shows ------------------------------------------------

# summary DEVICE TYPE: the number in `rdma resource show`
summary()
{
	# shellcheck disable=SC2046 # words are what is wanted
	set -- "$2" $(rdma resource show "$1")
	wanted=$1
	shift
	while [ $# -gt 1 ]; do
		if [ "$1" = "$wanted" ]; then
			echo "$2"
			return
		fi
		shift
	done
	echo none
}

# all DEVICE: the whole line of the summary
all()
{
	rdma resource show "$1"
}

# The first test of scripts that use both kinds of device. It notes their summaries.
devices_are_there()
{
	add_device rxe || fail "no rxe device"
	add_device siw || fail "no siw device"
	idle_rxe0=$(all rxe0)
	idle_siw0=$(all siw0)
}

# idle DEVICE: the summary is what devices_are_there() noted
idle()
{
	eval "set -- $1 \"\$idle_$1\""
	[ "$(all "$1")" = "$2" ]
}

# of_device DEVICE: of the lines on stdin
of_device()
{
	grep -E "^(link $1/|dev $1 )"
}

# each DO DEVICE TYPE [WORDS]: calls DO for each line about an object, or for those with
# these words; the line is in $line. A program takes a tenth of a second on the debug
# kernel, so the shell looks at the lines itself.
each()
{
	# a QP or CM_ID without a port is not in the list of a port
	lines=$(rdma resource show "$3") || fail "rdma does not list $3"
	set -f
	IFS=$NEWLINE
	for line in $lines; do
		case $line in
		"link $2/"*"${4-}"* | "dev $2 "*"${4-}"*) $1 ;;
		esac
	done
	IFS=$BLANKS
	set +f
}

# list DEVICE TYPE [WORDS]: the lines of the objects, or of those with these words
list()
{
	each print_line "$@"
}

print_line()
{
	echo "$line"
}

# count DEVICE TYPE [WORDS]
count()
{
	number=0
	each count_line "$@"
	echo $number
}

count_line()
{
	number=$((number + 1))
}

owned()
{
	count "$1" "$2" " pid $3 "
}

# expect WHAT WANTED GOT
expect()
{
	[ "$2" = "$3" ] || fail "$1: $3 instead of $2"
}

# expect_owned DEVICE PID TYPE NUMBER [TYPE NUMBER...]
expect_owned()
{
	device=$1
	owner=$2
	[ "$owner" ] || fail "objects of nobody"
	shift 2
	while [ $# -gt 1 ]; do
		expect "$1 of $owner on $device" "$2" "$(owned "$device" "$1" "$owner")"
		shift 2
	done
}

# field NAME: of the first line on stdin
field()
{
	sed -n "1s/.*\\b$1 \\([^ ]*\\).*/\\1/p"
}
