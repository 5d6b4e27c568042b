#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# canaryctl doctor beside a real kernel: before there is a daemon, with one, and after it was killed.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# doctor ARG…: its report is left in $REPORT, its exit code in $CODE.
doctor() {
	CODE=0
	REPORT=$(lab_ns node "${WITH[@]}" "$LAB_BUILD/canaryctl" --socket "$LAB_SOCKET" doctor -j "$@" 2>"$LAB_DIR/errors") || CODE=$?
}
WITH=()

# says LEVEL SUBJECT TEXT: the report has such a line.
says() {
	[ -n "$REPORT" ] && jq -e --arg level "$1" --arg subject "$2" --arg text "$3" 'any(.checks[];
		.level == $level and .subject == $subject and (.says | contains($text)))' <<<"$REPORT" >/dev/null && return
	cat "$LAB_DIR/errors"
	jq -r '.checks[] | "\(.level)\t\(.subject)\t\(.says)"' <<<"$REPORT"
	return 1
}

lab_up doctor || bail "the lab does not come up"
CONFIG=$LAB_DIR/canaryd.yaml
checkout_config >"$CONFIG"
lab_serve v1 v1 8081 --seed 1 || bail "the server does not start"

doctor -c "$CONFIG"
check_equal "without a daemon there is no problem" "$CODE" 0
check "the kernel is tried" says ok kernel "has all that the programs need"
check "the daemon is missed" says warning daemon "does not answer"
check "the driver is asked before anything is attached" says ok "interface node0" "veth has native XDP"
check "the memory is known before it is taken" says ok host "the maps take about"
check "a standby that is not up is a warning" says warning "service checkout" "8082 of v2: Connection refused"
check_equal "every line that is not ok has a mend" "$(of "$REPORT" 'all(.checks[]; .level == "ok" or .mend)')" true
check_equal "nothing was attached" "$(lab_ns node bpftool -j net show dev node0 | jq -c '.[0] | [.xdp, .tc] | add')" '[]'
check "nothing was pinned" test ! -e "$LAB_PIN_DIR"

lab_xdp node node0 lab_pass || bail "no XDP program of somebody else's"
doctor -c "$CONFIG"
check_equal "somebody else's XDP program is a problem" "$CODE" 1
check "and is named" says problem "interface node0" "another XDP program is on it: id "
lab_ns node ip link set dev node0 xdp off

lab_serve v2 v2 8082 --seed 2 || bail "the server does not start"
lab_canaryd "$CONFIG" || bail "canaryd does not start"
doctor
check_equal "with a daemon there is no problem" "$CODE" 0
check "it is told by its own link" says ok "interface node0" "canaryd is on it by native XDP"
check "capabilities are the daemon's" says ok daemon "canaryd has the capabilities"
check "the lease is good" says ok daemon "its lease is good"
check "its configuration is used" says ok config "canaryd's own is valid"
check "backends answer" says ok "service checkout" "8081 of v1 answers"

lab_stop v1
sed 's/^lease/flow_table: 1024\nlease/' "$CONFIG" >"$LAB_DIR/other.yaml"
doctor -c "$LAB_DIR/other.yaml"
check_equal "a baseline that is down is a problem" "$CODE" 1
check "and is named" says problem "service checkout" "8081 of v1: Connection refused"
check "a flow table of another size is told" says warning daemon "has 262144 entries, and flow_table is 1024"

WITH=(setpriv --bounding-set=-all --inh-caps=-all)
doctor -c "$CONFIG"
check "without privilege it says what it could not look at" says warning kernel "was not tried"
WITH=()

lab_stop canaryd
doctor -c "$CONFIG"
check "what a daemon left is found" says warning daemon "a data plane without a daemon"

plan
