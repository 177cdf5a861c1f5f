# SPDX-License-Identifier: GPL-2.0
#
# To be sourced: what scripts in a guest share about RDMA devices and modules.

# unload MODULE COMMAND: removes a module by that command, after those that use it.
unload() {
	for holder in "/sys/module/$1/holders"/*; do
		[ ! -e "$holder" ] || unload "${holder##*/}" "$2" || return
	done
	[ ! -d "/sys/module/$1" ] || $2 "$1"
}

# Prints the index of the address (GID) of a device's port that stands for its IPv4 address.
gid_index() {
	for gid in "/sys/class/infiniband/$1/ports/1/gids"/*; do
		case $(cat "$gid") in
		0000:0000:0000:0000:0000:ffff:*)
			echo "${gid##*/}"
			return
			;;
		esac
	done
	return 1
}

ADDRESS=10.7.0.1

# Makes the device rxe0 on a network device that leads nowhere.
#
# rxe (software RoCE) turns any network device into an RDMA device. On a dummy
# device everything it sends to the device's own address comes back to it, so
# both ends of a connection can live in this guest.
make_rxe() {
	modprobe -a dummy 2>/dev/null	# built in, or a module
	ip link add net0 type dummy &&
	ip address add $ADDRESS/24 dev net0 &&
	ip link set net0 up &&
	rdma link add rxe0 type rxe netdev net0 || return
	# The address arrives at the RDMA device a moment later.
	for i in $(seq 50); do
		gid_index rxe0 >/dev/null && return
		sleep 0.1
	done
	echo "rxe0 has not got the address $ADDRESS"
	return 1
}
