# SPDX-License-Identifier: GPL-2.0
#
# To be sourced: an rxe device on a network device that leads nowhere.
#
# rxe (software RoCE) turns any network device into an RDMA device. On a dummy
# device everything it sends to the device's own address comes back to it, so
# both ends of a connection can live in this guest.

ADDRESS=10.7.0.1

# Prints the index of the port's address (GID) that stands for $ADDRESS.
gid_index() {
	for gid in /sys/class/infiniband/rxe0/ports/1/gids/*; do
		if [ "$(cat "$gid")" = 0000:0000:0000:0000:0000:ffff:0a07:0001 ]; then
			basename "$gid"
			return
		fi
	done
	return 1
}

make_rxe() {
	modprobe -a dummy 2>/dev/null	# built in, or a module
	ip link add net0 type dummy &&
	ip address add $ADDRESS/24 dev net0 &&
	ip link set net0 up &&
	rdma link add rxe0 type rxe netdev net0 || return
	# The address arrives at the RDMA device a moment later.
	for i in $(seq 50); do
		gid_index >/dev/null && return
		sleep 0.1
	done
	echo "rxe0 has not got the address $ADDRESS"
	return 1
}
