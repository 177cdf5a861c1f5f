#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs a command in a Debian tree as on a machine of its own: enter.sh TREE COMMAND...
# The root is that of its mount namespace, as in a booted machine or a container, and not
# that of a chroot. The tree stays as it is: TREE.$MACHINE has what the machine writes. The
# network is that of this machine. The paths in BIND are the same inside and outside.
set -e
[ -n "$INSIDE" ] || INSIDE=1 exec unshare --mount --pid --fork --kill-child "$0" "$@"
tree=$1 disk=$1.${MACHINE:?} root=$1.$MACHINE/root
shift
mount --make-rprivate /
mkdir -p "$disk/upper" "$disk/work" "$root"
mount -t overlay -o "lowerdir=$tree,upperdir=$disk/upper,workdir=$disk/work" machine "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
for path in $BIND; do
	mkdir -p "$root$path"
	mount --bind "$path" "$root$path"
done
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
