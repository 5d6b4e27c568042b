#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bad starts: each is one line that names the place and the mend, the documented exit code, and leaves nothing attached
# or pinned that was not there before.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

attached() {
	lab_ns node ip -j -d link show | jq -c '[.[] | {ifname, xdp: .xdp.prog.id}]'
	lab_ns node bpftool -j net show | jq -c '.[0] | {xdp: [.xdp[]?.id], tc: [.tc[]?.id]}'
}

# What must be the same after a start that failed: programs, pins, and the names of sockets.
situation() {
	attached
	find /sys/fs/bpf -path "*$LAB_ID*" | sort
	find "$LAB_DIR" -name '*.sock' | sort
}

# refused WHAT CODE PATTERN [WRAPPER…]: a start with $config that must fail.
refused() {
	local what=$1 code=$2 pattern=$3 before after rc=0
	shift 3
	before=$(situation)
	lab_ns node timeout --signal=KILL 20 "$@" "$LAB_BUILD/canaryd" -c "$config" \
		>"$LAB_DIR/refused.out" 2>"$LAB_DIR/refused.err" </dev/null || rc=$?
	after=$(situation)
	check_equal "$what: exit code $code" "$rc" "$code"
	check_equal "$what: one line" "$(wc -l <"$LAB_DIR/refused.err")" 1
	check "$what: names the place and the mend" grep -qE -- "$pattern" "$LAB_DIR/refused.err"
	note "$(cat "$LAB_DIR/refused.err")"
	check_equal "$what: nothing is left, nothing is gone" "$(diff <(echo "$before") <(echo "$after"))" ""
}

config=
# config_with SED: the valid configuration, changed; its path is left in $config.
config_with() {
	config=$LAB_DIR/refused.yaml
	checkout_config | sed -E "$1" >"$config"
}

test_configuration() {
	config=$LAB_DIR/nowhere.yaml
	refused "no configuration" 3 "nowhere.yaml.*config init"
	config_with 's/baseline: v1/baseline: v9/'
	refused "a baseline that is no version" 3 "refused.yaml:[0-9]+: services\[0\].baseline:.*v9.*\("
	config_with 's/^tick_ms: .*/tick: 250/'
	refused "an unknown key" 3 "refused.yaml:[0-9]+: .*tick"
	check_exit "-t says so too" 3 "$LAB_BUILD/canaryd" -t -c "$config"
	config_with ''
	check_exit "-t of a valid one" 0 "$LAB_BUILD/canaryd" -t -c "$config"
	check_equal "-t makes nothing" "$(situation)" "$(situation_at_first)"
}

test_arguments() {
	check_exit "--help" 0 "$LAB_BUILD/canaryd" --help
	check_exit "--version" 0 "$LAB_BUILD/canaryd" --version
	check_exit "--keys" 0 "$LAB_BUILD/canaryd" --keys
	check_exit "--keys onto a full disk" 1 sh -c '"$0" --keys >/dev/full' "$LAB_BUILD/canaryd"
	check_exit "an unknown option" 2 "$LAB_BUILD/canaryd" --wings
	check_exit "an argument" 2 "$LAB_BUILD/canaryd" now
}

test_interface() {
	config_with 's/^interfaces: .*/interfaces: [node0, eth77]/'
	refused "a missing interface" 1 "no interface eth77.*ip link.*interfaces:"
	config_with ''
	foreign_xdp || bail "no XDP program can be attached"
	refused "a busy XDP hook" 1 "node0 has another XDP program.*ip link set dev node0 xdp off"
	mkdir "$LAB_PIN_DIR"
	mv "$LAB_PIN_DIR-maps/ports" "$LAB_PIN_DIR-maps/services" "$LAB_PIN_DIR"
	refused "a busy XDP hook, and pins that were left" 1 "node0 has another XDP program"
	lab_ns node ip link set node0 xdp off
	rm -r "$LAB_PIN_DIR" "$LAB_PIN_DIR-foreign" "$LAB_PIN_DIR-maps"
}

# A program of someone else: canaryd's own object, loaded by bpftool and attached by ip.
foreign_xdp() {
	bpftool prog load "$LAB_BUILD/bpf/split.bpf.o" "$LAB_PIN_DIR-foreign" type xdp pinmaps "$LAB_PIN_DIR-maps" 2>/dev/null &&
		lab_ns node ip link set node0 xdp pinned "$LAB_PIN_DIR-foreign"
}

test_privilege() {
	config_with ''
	chmod 711 "$LAB_DIR" # another user may read the configuration, and nothing else
	refused "no capabilities" 1 "(privilege|permitted|denied).*root" setpriv --bounding-set=-all --inh-caps=-all
	refused "another user" 1 "(privilege|permitted|denied).*root" setpriv --reuid nobody --regid nogroup --clear-groups
}

test_places() {
	config_with 's|^state_dir: .*|state_dir: /proc/canaryd|'
	refused "a state_dir that cannot be made" 1 "state_dir /proc/canaryd.*\("
	config_with 's|^pin_dir: .*|pin_dir: /tmp/canaryd-no-bpffs|'
	refused "a pin_dir that is not on bpffs" 1 "pin_dir /tmp/canaryd-no-bpffs.*bpffs.*choose"
	config_with "s|^socket: .*|socket: /proc/canaryd/canaryd.sock|"
	refused "a socket that cannot be made" 1 "/proc/canaryd/canaryd.sock.*set .socket:"
}

test_pins() {
	config_with ''
	mkdir "$LAB_PIN_DIR"
	bpftool map create "$LAB_PIN_DIR/flows" type hash key 4 value 8 entries 16 name flows
	refused "pins of another layout" 1 "$LAB_PIN_DIR/flows.*layout.*detach"
	rm "$LAB_PIN_DIR/flows"
	bpftool map create "$LAB_PIN_DIR/reasons" type array key 4 value 8 entries 1 name reasons
	refused "a single pin of another layout" 1 "$LAB_PIN_DIR/reasons.*layout.*detach"
	rm -r "$LAB_PIN_DIR"
}

test_journal() {
	config_with "s|^state_dir: .*|state_dir: $LAB_DIR/damaged|"
	mkdir "$LAB_DIR/damaged"
	head -c 8192 /dev/urandom >"$LAB_DIR/damaged/journal.db"
	refused "a damaged journal" 1 "$LAB_DIR/damaged/journal.db.*\("
}

# A canaryd that runs well; what another one does must not disturb it.
test_second() {
	config_with ''
	cp "$config" "$LAB_DIR/canaryd.yaml"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
	refused "the same again" 1 "another canaryd.*$LAB_SOCKET"
	config_with "s|^socket: .*|socket: $LAB_DIR/other.sock|; s|^state_dir: .*|state_dir: $LAB_DIR/other|"
	refused "another socket, the same pins" 1 "another canaryd.*$LAB_PIN_DIR"
	config_with "s|^socket: .*|socket: $LAB_DIR/other.sock|; s|^state_dir: .*|state_dir: $LAB_DIR/other|
		s|^pin_dir: .*|pin_dir: $LAB_PIN_DIR-other|"
	refused "another socket, other pins, the same interface" 1 "node0 has another XDP program.*detach"
	config_with "s|^socket: .*|socket: $LAB_DIR/other.sock|; s|^pin_dir: .*|pin_dir: $LAB_PIN_DIR-other|"
	refused "the same journal" 1 "another canaryd.*$LAB_STATE_DIR.*set another"
	check "the first one serves on" lab_ctl status
	load --to "$LAB_VIP4:80" --rate 500 --count 200 --timeout 3
	check_equal "and steers on" "$(of "$REPORT" '.versions')" '{"v1":200}'
	check_exit "detach" 0 lab_ctl detach --yes
	lab_wait_for 10 "canaryd to end" stopped canaryd || return
	lab_stop canaryd
	check_equal "after it, the daemon ends with 0" $? 0
	check_equal "and nothing is left" "$(situation)" "$(situation_at_first)"
}

stopped() { ! lab_running "$1"; }
situation_at_first() { echo "$first"; }

lab_up start || bail "the lab does not come up"
first=$(situation)
checkout_serve || bail "the servers do not start"
test_arguments
test_configuration
test_interface
test_privilege
test_places
test_pins
test_journal
test_second
plan
