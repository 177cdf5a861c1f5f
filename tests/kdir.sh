#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loads modules that were built for a kernel tree of one's own, RDS over RDMA among them,
# and looks for what they have made.
set -eu
. "$CHECKOUT/scripts/guest/rdma.sh"

modprobe -a rdma_rxe rds_rdma
make_rxe
for module in rdma_restrack ib_core rdma_rxe rds_rdma; do
	case $(modinfo -n $module) in
	*/updates/*) ;;
	*)
		echo "$module is not that of the tree"
		exit 1
		;;
	esac
	[ -d /sys/module/$module ]
done
rdma resource show pd
rdma resource show pd | grep "dev rxe0 .* comm \[rds_rdma\]"
rdma link delete rxe0
unload ib_core "modprobe -r"
rmmod rdma_restrack
