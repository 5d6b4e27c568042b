# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Kernels of Debian's releases, and a virtual machine without hardware help (qemu's TCG: slow, and possible anywhere). Sourced
# by bash, which has a function `die WHY` and a variable `suite`. What it downloads stays in $CACHE.

CACHE=build/kernels

# The archive this machine installs from.
mirror() {
	# shellcheck disable=SC2016 # apt's own variable
	apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | sort -u | grep -v security | head -n 1
}

# newest SUITE: file name and checksum of its kernel for virtual machines
newest() {
	local uri architecture
	uri=$(mirror)
	architecture=$(dpkg --print-architecture)
	curl --silent --show-error --fail --max-time 120 "${uri}dists/$1/main/binary-$architecture/Packages.xz" | xz -dc |
		awk -v name="^linux-image-[0-9].*-cloud-$architecture\$" '
			$1 == "Package:" { wanted = $2 ~ name }
			wanted && $1 == "Filename:" { file = $2 }
			wanted && $1 == "SHA256:" { print file, $2 }' | sort -V | tail -n 1
}

# fetch SUITE: its kernel, unpacked in $CACHE/SUITE
fetch() {
	local suite=$1 file checksum
	[ -e "$CACHE/$suite/complete" ] && return
	read -r file checksum < <(newest "$suite") || die "no kernel of $suite found (is the archive reachable?)"
	rm -rf "${CACHE:?}/$suite"
	mkdir -p "$CACHE/$suite/tree"
	curl --silent --show-error --fail --max-time 600 --output "$CACHE/$suite/kernel.deb" "$(mirror)$file" || die "$file: download failed"
	echo "$checksum  $CACHE/$suite/kernel.deb" | sha256sum --check --quiet || die "$file: not what the archive says it is"
	dpkg-deb -x "$CACHE/$suite/kernel.deb" "$CACHE/$suite/tree" || die "$file: cannot be unpacked"
	[ -d "$CACHE/$suite/tree/lib" ] || ln -s usr/lib "$CACHE/$suite/tree/lib"
	depmod -b "$CACHE/$suite/tree" "$(release "$suite")" && touch "$CACHE/$suite/complete"
}

release() {
	local image
	image=$(echo "$CACHE/$1"/tree/boot/vmlinuz-*)
	echo "${image##*/vmlinuz-}"
}

# copy_modules SUITE ROOT MODULE...: of its kernel, with what they need, into a root file system
copy_modules() {
	local suite=$1 root=$2 version module
	shift 2
	version=$(release "$suite")
	mkdir -p "$root/lib/modules/$version"
	cp "$CACHE/$suite/tree/lib/modules/$version"/modules.* "$root/lib/modules/$version/"
	for module; do
		modprobe -n -d "$PWD/$CACHE/$suite/tree" -S "$version" --show-depends "$module" 2>/dev/null
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r module; do
		mkdir -p "$root$(dirname "${module#"$PWD/$CACHE/$suite/tree"}")"
		cp "$module" "$root${module#"$PWD/$CACHE/$suite/tree"}"
	done
	depmod -b "$root" "$version"
}

# boot SUITE INITRD SECONDS ARGUMENTS: the serial line's output. Without cmpxchg16b, which qemu 7.2 gets wrong: Linux 6.12
# crashes by it. In the group of who calls, so that it goes when that is ended.
boot() {
	timeout --foreground "$3" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,cx16=off -smp 2 -m 3072 -display none \
		-monitor none -serial stdio -no-reboot -kernel "$CACHE/$1/tree/boot/vmlinuz-$(release "$1")" \
		-initrd "$2" -append "console=ttyS0 quiet panic=-1 $4" </dev/null 2>&1 | sed -u 's,\r,,g'
}
