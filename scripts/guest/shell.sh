#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make shell`: everything loaded, a device up, and a shell for a person.
. "$CHECKOUT/scripts/guest/rdma.sh"
modprobe -a rdma_rxe ib_uverbs rdma_ucm && make_rxe || echo "no rxe device: see dmesg"
cat <<EOF

This is Linux $(uname -r) with rdma_restrack, and you are root. The RDMA device
rxe0 is on net0, address $ADDRESS, address (GID) index $(gid_index rxe0). For example:

  rdma resource show
  ibv_rc_pingpong -d rxe0 -g $(gid_index rxe0) -n 1000000 & ibv_rc_pingpong -d rxe0 -g $(gid_index rxe0) -n 1000000 localhost &
  rping -s -a $ADDRESS & rping -c -a $ADDRESS &
  rdma resource show qp
  dmesg | tail

\$CHECKOUT is the source folder, read-only; what you write to \$RESULTS stays.
Leave with exit or ^D; if all else fails, ^A x ends the machine.

EOF
cd "$CHECKOUT" || exit 1
PS1='guest:\w# ' exec bash --norc -i
