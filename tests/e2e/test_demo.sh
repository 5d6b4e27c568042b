#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The demo ends as it should, says what it cost, and leaves nothing, also when it is interrupted.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

out=$(mktemp)
demo=
end_demo() {
	if [ -n "$demo" ]; then kill -TERM "$demo" 2>/dev/null; wait "$demo"; fi
	rm -f "$out"
}
trap end_demo EXIT
trap 'exit 130' INT TERM

start_demo() {
	tools/lab/demo "$1" >"$out" 2>&1 &
	demo=$!
}

# What the demo with this process id made: its namespaces carry it, and so do pins; processes hold its directory.
left_by() {
	ip netns list | grep -- "demo-$1-"
	find /sys/fs/bpf -maxdepth 1 -name "canaryd-demo-$1-*"
	pgrep -f "canaryd-demo.*$dir" # no pipe here: it would find itself
	ls -d "$dir" 2>/dev/null
}

# Where this demo works: canaryd's own argument names it.
find_dir() {
	local pid
	dir=
	for pid in $(pgrep -P "$demo"); do
		dir=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -oE '^/tmp/canaryd-demo\.[A-Za-z0-9]+' | head -n 1)
		[ -z "$dir" ] || return 0
	done
	return 1
}

said() { grep -q -- "$1" "$out"; }

plays() {
	local scenario=$1 rc=0
	start_demo "$scenario"
	lab_wait_for 20 "the demo's directory" find_dir
	wait "$demo" || rc=$?
	check_equal "$scenario: exit code 0" "$rc" 0 || note "$(cat "$out")"
	check "$scenario: says what it cost" said 'client requests failed'
	check_equal "$scenario: the kernel counted what the clients counted" "$(grep -c ≠ "$out")" 0 || note "$(grep ≠ "$out")"
	check_equal "$scenario: nothing is left" "$(left_by "$demo")" ""
	demo=
}

interrupted() {
	local signal=$1 code=$2 rc=0
	start_demo good
	lab_wait_for 20 "the demo to begin" said 'warm-up'
	lab_wait_for 20 "the demo's directory" find_dir
	kill -"$signal" "$demo"
	wait "$demo" || rc=$?
	check_equal "$signal: exit code $code" "$rc" "$code"
	check_equal "$signal: nothing is left" "$(left_by "$demo")" ""
	demo=
}

[ "$(id -u)" -eq 0 ] || bail "network namespaces need root"
plays errors
plays blackhole
interrupted TERM 143
check_exit "an unknown scenario is a usage error" 2 tools/lab/demo wings
plan
