#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package is complete and lintian has nothing against it; `make install` puts the same files below DESTDIR, and
# `make uninstall` takes all of them away; systemd understands the unit. `make package-test` installs it for real.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8

quietly() { make -s "$@" >"$work/log" 2>&1; }

# What is installed, but for what only the package has, and without the compression of the manual.
listed() { grep -vE '/(changelog|copyright)' | sed -E 's,^\./,,; s,\.gz$,,; s,^lib/systemd,usr/lib/systemd,' | sort; }

files_of_package() { dpkg-deb --fsys-tarfile "$package" | tar -t | grep -v '/$'; }

test_package() {
	quietly deb || { note "$(cat "$work/log")"; bail "make deb fails"; }
	package=$(echo build/deb/canaryd_*.deb)
	check_equal "lintian" "$(lintian --allow-root --fail-on none build/deb/canaryd_*.changes 2>&1 | grep -E '^[EW]:')" ""
	check_equal "the package's version is canaryd's" "$(dpkg-deb -f "$package" Version)" "$(build/canaryd --version | cut -d' ' -f2)"
	dpkg-deb -x "$package" "$work/package"
	check "the example is a valid configuration" build/canaryd -t -c "$work/package/usr/share/doc/canaryd/examples/canaryd.yaml"
	check "its manual is the manual" man -l "$work/package/usr/share/man/man8/canaryd.8.gz"
	check_equal "no file is of this build's place" "$(grep -rlF "$PWD" "$work/package")" ""
}

test_install() {
	check "make install" quietly install DESTDIR="$work/root" PREFIX=/usr
	check_equal "the package has what is installed" "$(files_of_package | listed)" \
		"$(cd "$work/root" && find . -type f | listed)"
	check "what is installed runs" "$work/root/usr/sbin/canaryd" --version
	check_exit "canaryctl finds canaryd beside it" 3 "$work/root/usr/bin/canaryctl" config check "$work/nowhere.yaml"
	check "make uninstall" quietly uninstall DESTDIR="$work/root" PREFIX=/usr
	check_equal "nothing is left" "$(find "$work/root" -type f)" ""
	check "make install below /usr/local" quietly install DESTDIR="$work/local"
	check_equal "nothing is elsewhere" "$(find "$work/local" -type f ! -path "$work/local/usr/local/*")" ""
	check "its unit starts that canaryd" grep -q '^ExecStart=/usr/local/sbin/canaryd$' "$work/local/usr/local/lib/systemd/system/canaryd.service"
}

test_unit() {
	mkdir "$work/units"
	sed "s,@sbindir@,$PWD/build," tools/systemd/canaryd.service.in >"$work/units/canaryd.service"
	cp tools/systemd/canaryd.socket "$work/units/"
	check_equal "systemd understands the unit" "$(SYSTEMD_UNIT_PATH=$work/units: systemd-analyze verify --man=no \
		"$work/units/canaryd.service" "$work/units/canaryd.socket" 2>&1 | grep -F canaryd)" ""
	check "and finds it well locked up" systemd-analyze security --offline=yes --threshold=35 "$work/units/canaryd.service"
}

test_package
test_install
test_unit
plan
