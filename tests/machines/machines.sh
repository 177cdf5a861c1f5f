#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tries `make all` on machines where it cannot work, or where Debian is hard to find, each in
# a fresh Debian of its own: machines.sh [REGEX], as root. Nothing large is downloaded. The
# trees are in $TREES and are made once, 400 MB each.
here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../..")
TREES=${TREES:-/var/tmp/rdma_restrack-machines}
only=${1:-.}
count=0 failed=0

tree() { # RELEASE
	[ -e "$TREES/$1/etc/debian_version" ] && return
	mkdir -p "$TREES"
	mmdebstrap --quiet --variant=minbase --include=python3,make,mmdebstrap,bubblewrap,uidmap,libcap2-bin \
		"$1" "$TREES/$1.part" && mv "$TREES/$1.part" "$TREES/$1"
}

# Runs a command on a fresh machine whose user has the checkout as ~/src.
machine() { # RELEASE WHAT-ROOT-DOES-FIRST COMMAND
	local disk=$TREES/$1.trial
	rm -rf "$disk"
	MACHINE=trial BIND=$checkout timeout 120 "$here/enter.sh" "$TREES/$1" bash -c "
		useradd -m user && mkdir ~user/src &&
		tar -c -C '$checkout' --exclude=./build --exclude=./.git . | tar -x -C ~user/src &&
		chown -R user ~user/src && cd ~user/src
		$2
		$3" 2>&1
	rm -rf "$disk"
}

# The last line but make's own is as expected, and no build root was begun.
trial() { # NAME RELEASE WHAT-ROOT-DOES-FIRST COMMAND LAST-LINE
	[[ $1 =~ $only ]] || return
	local said last before=$SECONDS
	said=$(machine "$2" "$3" "$4")
	last=$(grep -v '^make: ' <<<"$said" | tail -n 1)
	count=$((count + 1))
	if [[ $last =~ ^$5$ && $said != *"build root ("* && $said != *Traceback* ]]; then
		echo "ok $count - $1, $2, $((SECONDS - before)) s"
	else
		echo "not ok $count - $1, $2"
		sed 's/^/# /' <<<"$said"
		failed=$((failed + 1))
	fi
}

user() { # COMMAND
	printf 'su user -c %q' "$1"
}

refused() { # NAME WHAT-ROOT-DOES-FIRST COMMAND LAST-LINE-AFTER-FAILED
	for release in bookworm trixie; do
		trial "$1" $release "$2" "$3" "FAILED host: $4"
	done
}

# Asks for a mirror through the proxy of this script, with these lines as sources.
finds() { # NAME SOURCES
	for release in bookworm trixie; do
		trial "$1" $release "
			rm -rf /etc/apt/sources.list.d/* /etc/resolv.conf
			echo '$2' >/etc/apt/sources.list
			printf 'Package: *\nPin: release o=Debian\nPin-Priority: -1\n' >/etc/apt/preferences
			echo 'Acquire::http::Proxy \"http://127.0.0.1:$port\";' >/etc/apt/apt.conf.d/99proxy" \
			"$(user 'python3 -B -c "
from scripts.kernel import debian
from scripts.progress import Step
with Step(\"mirrors\", \"mirrors\") as step:
    archive = debian.Archive(step)
    found = debian.working_mirror(step), archive.update()
    kernel = archive.newest(\"linux-binary-7.3.\", r\"linux-binary-7\.3\.[0-9]+[^-]*-amd64\")
print(*found, kernel)"')" \
			"$mirror $mirror \('linux-binary-7.3.*\)"
	done
}

for release in bookworm trixie; do
	tree $release || exit 1
done
mirror=$(cd "$checkout" &&
	python3 -B -c "from scripts.kernel import debian; print(debian.mirrors()[0])") || exit 1
port=3129
sites=$(mktemp -d)
for suite in docker.test/linux/debian/dists/{bookworm,trixie} chrome.test/linux/chrome/deb/dists/stable; do
	mkdir -p "$sites/$suite"
	echo "Codename: ${suite##*/}" >"$sites/$suite/Release"
done
python3 -B "$here/network.py" $port "$sites" 2>/dev/null &
trap 'kill %1; rm -rf "$sites"' EXIT

refused "checkout with a space in its path" 'mv ~user/src "/home/user/a b"' \
	"$(user 'cd "/home/user/a b" && make all')" \
	"the checkout is /home/user/a b, .* a space in a path; move it.*"
refused "home with a space in its path" 'mkdir "/home/a b"' \
	"$(user 'HOME="/home/a b" make all')" ".* a space in a path; set XDG_CACHE_HOME .*"
refused "build/ of root's" 'mkdir build' "$(user 'make all')" ".*belongs to user 0.; remove .*"
refused "checkout of root's" 'chown root .' "$(user 'make all')" ".*; use a checkout of your own"
refused "cache of root's" 'mkdir -p ~user/.cache/rdma_restrack' "$(user 'make all')" \
	".*belongs to user 0.; set XDG_CACHE_HOME .*"
refused "cache on a file system mounted noexec" 'mount -t tmpfs -o noexec,mode=1777 x /srv' \
	"$(user 'XDG_CACHE_HOME=/srv make all')" ".* mounted noexec; set XDG_CACHE_HOME .*"
refused "small /var/tmp" 'mount -t tmpfs -o size=9m,mode=1777 x /var/tmp' "$(user 'make all')" \
	"the disk of /var/tmp .*; make room, or set TMPDIR .*"
refused "no subordinate users" 'rm /etc/subuid' "$(user 'make all')" \
	"mmdebstrap: .*; run as root: usermod --add-subuids [0-9-]* user"
refused "an arm64 host" 'printf "#!/bin/sh\necho arm64\n" >/usr/local/bin/dpkg; chmod +x /usr/local/bin/dpkg' \
	"$(user 'make all')" ".* Debian for arm64; use .*"
refused "a kernel that is not x86_64" '' 'setarch linux32 make all' "this machine is i686 .*"
refused "a container without CAP_SYS_ADMIN" '' "capsh --drop=cap_sys_admin -- -c 'make all'" \
	".*Operation not permitted.*--privileged"
refused "a container without CAP_NET_ADMIN" '' "capsh --drop=cap_net_admin -- -c 'make all'" \
	"bwrap: .*--privileged"
refused "a chroot whose / is no mount point" 'mkdir -p /srv/c && cp -a /usr /bin /lib* /etc /sbin /home /srv/c/ &&
	mkdir /srv/c/proc /srv/c/dev && mount -t proc proc /srv/c/proc && mount --rbind /dev /srv/c/dev' 'chroot /srv/c make -C /home/user/src all' \
	".*mount --bind FOLDER FOLDER"

finds "one mirror" "deb $mirror bookworm main"
finds "Docker's and Chrome's repositories" "deb http://docker.test/linux/debian bookworm stable
deb http://docker.test/linux/debian trixie stable
deb http://chrome.test/linux/chrome/deb stable main
deb $mirror trixie main"
finds "a mirror that is gone" "deb http://gone.test/debian trixie main"

echo "$((count - failed)) passed, $failed failed"
[ $failed = 0 ] && [ $count != 0 ]
