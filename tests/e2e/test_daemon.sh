#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever becomes of the daemon, packets flow on at the weights they had; the daemon that starts again takes over maps,
# flows and the rollout.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

stopped() { ! lab_running "$1"; }
start_again() { lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"; }
connections() { lab_kernel "$1" | jq '.connections // 0'; }
at_least() { [ "$(connections "$1")" -ge "$2" ]; }
rollout() { checkout '.rollout | [.id, .state, .step] | @json'; }
evidence() { checkout '[.rollout.slis[].counts.canary.attempts] | max // 0'; }
program_on() { lab_ns node ip -j -d link show "$1" | jq '.[0].xdp.prog.id'; }
program() { program_on node0; }

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 500 --duration 250 \
		--requests-per-connection 2 --timeout 5 "${SOURCES[@]}"
}

failures='.refused + .connect_timeouts + .unreachable + .resets_before + .resets_mid + .empty_closes +
	.response_timeouts + .truncated + .malformed + .version_changes + .responses["5xx"]'

check_load() {
	lab_stop load INT
	REPORT=$(tail -n 1 "$LAB_DIR/load.log")
	check_equal "$1: no client failed, of $(of "$REPORT" .connected)" "$(of "$REPORT" "$failures")" 0
}

# share_holds WHAT N: the share of the next N connections that go to v2 is the weight, within 4 standard errors.
share_holds() {
	local what=$1 n=$2 before v1 v2
	before=$(lab_kernel_by_version)
	lab_wait_for 30 "$n more connections" at_least v1 $(($(of "$before" .v1.connections) + n / 2)) || lab_running canaryd
	read -r v1 v2 < <(lab_kernel_by_version | jq -r --argjson before "$before" \
		'[.v1.connections - $before.v1.connections, .v2.connections - $before.v2.connections] | @tsv')
	check_within "$what: the share of $((v1 + v2)) new connections" "$(awk "BEGIN { print $v2 / ($v1 + $v2) }")" \
		"$(awk -v n=$((v1 + v2)) 'BEGIN { print 0.5 - 2 / sqrt(n) }')" "$(awk -v n=$((v1 + v2)) 'BEGIN { print 0.5 + 2 / sqrt(n) }')"
}

test_killed() {
	local before=$1 seen
	lab_stop canaryd KILL
	check_equal "kill -9: the daemon is gone" "$(lab_ctl status >/dev/null 2>&1; echo $?)" 6
	share_holds "kill -9: without a daemon" 2000
	start_again
	check_equal "kill -9: the same rollout goes on" "$(rollout)" "$before"
	check_equal "kill -9: maps and flows are taken over" "$(grep -c 'took over' "$LAB_DIR/canaryd.log")" 1
	share_holds "kill -9: with the next daemon" 1000
	seen=$(checkout '.versions[] | select(.name == "v2") | .counters.connections')
	check_within "kill -9: what the kernel counted before is not lost" "$seen" 1000 1000000
}

test_terminated() {
	local before=$1 evidence_before evidence_after
	evidence_before=$(evidence)
	lab_stop canaryd
	check_equal "SIGTERM: canaryd ends with 0" $? 0
	share_holds "SIGTERM: without a daemon" 1000
	start_again
	evidence_after=$(evidence)
	check_equal "SIGTERM: the same rollout goes on" "$(rollout)" "$before"
	check_within "SIGTERM: the evidence is not lost" "$evidence_after" "$evidence_before" 10000000
}

test_stalled() {
	local before=$1 at
	at=$(connections v2)
	kill -STOP "$(lab_pid canaryd)"
	lab_wait_for 30 "1500 connections unwatched" at_least v2 $((at + 1500))
	kill -CONT "$(lab_pid canaryd)"
	lab_wait_for 10 "the daemon to answer" lab_ctl status
	check_equal "SIGSTOP, SIGCONT: no decision comes of it" "$(rollout)" "$before"
}

# An upgrade is a restart with the same pins: new programs, the same maps.
test_upgrades() {
	local before=$1 i programs=() ids
	for i in 1 2 3 4 5; do
		lab_stop canaryd
		start_again
		programs+=("$(program)")
	done
	ids=$(printf '%s\n' "${programs[@]}" | sort -u | wc -l)
	check_equal "5 upgrades: each brings its own program" "$ids" 5
	check_equal "5 upgrades: the same rollout goes on" "$(rollout)" "$before"
	check_load "through kill, stop, stall and 5 upgrades"
}

node0_down() { lab_ns node ip link del node0; }

node0_up() {
	lab_veth client client0 "${LAB_CLIENTS4[0]}/24" "${LAB_CLIENTS6[0]}/64" node node0 192.0.2.1/24 2001:db8::1/64 &&
		lab_ns node ip address add "$LAB_VIP4/32" dev node0 &&
		lab_wait_for 10 "the links" lab_network_ready
}

steered() { # whether a client's connection is answered and counted by the kernel programs
	load --to "$LAB_VIP4:80" --rate 100 --count 1 --timeout 1
	[ "$(of "$REPORT" '.responses["2xx"]')" = 1 ]
}

test_interface() {
	node0_down
	node0_up || bail "the interface does not come back"
	lab_wait_for 10 "canaryd to take the new interface" steered
	check_equal "an interface that was deleted and made again is taken again" $? 0
	node0_down
	lab_stop canaryd
	node0_up || bail "the interface does not come back"
	start_again
	check "also when it came while no daemon ran" steered
	node0_down
	check "without its interface the daemon serves on" lab_ctl status
	node0_up || bail "the interface does not come back"
	lab_wait_for 10 "canaryd to take the new interface" steered
}

# Steers on a second interface for one run of the daemon: with the name of a VLAN, which bpffs does not take as it is.
test_fewer_interfaces() {
	lab_stop canaryd
	lab_ns node ip link add node0.7 type veth peer name other1
	sed 's/^interfaces: .*/interfaces: [node0, node0.7]/' "$LAB_DIR/canaryd.yaml" >"$LAB_DIR/two.yaml"
	lab_canaryd "$LAB_DIR/two.yaml" || bail "canaryd does not start on two interfaces"
	check "a second interface has the program too" test "$(program_on node0.7)" = "$(program)"
	lab_stop canaryd
	start_again
	check_equal "an interface taken out of the configuration is let go" "$(program_on node0.7)" null
	check "the other one is steered on" steered
	lab_ns node ip link del node0.7
}

left() {
	lab_ns node ip -j -d link show node0 | jq '.[0].xdp.prog.id'
	find /sys/fs/bpf -path "*$LAB_ID*"
	find "$LAB_DIR" -name canaryd.sock
}

test_detach() {
	check_exit "detach" 0 lab_ctl detach --yes
	lab_wait_for 10 "canaryd to end" stopped canaryd
	lab_stop canaryd
	check_equal "detach: canaryd ends with 0" $? 0
	check_equal "detach: nothing is left" "$(left)" null
	load --to "$LAB_VIP4:80" --rate 100 --count 3 --timeout 1
	check_equal "detach: nobody steers any more" "$(of "$REPORT" .connected)" 0
	start_again
	check "detach: and a daemon can start again" steered
	check_equal "detach: with the rollout where the journal has it" "$(rollout)" "$1"
}

STEPS='[{weight: 50, min_s: 600, max_s: 1200}, {weight: 100, min_s: 1}]'
checkout_up daemon
mapfile -t SOURCES < <(lab_sources 4)
start_load
lab_ctl rollout start checkout >/dev/null || bail "the rollout does not start"
lab_wait_for 20 "traffic of the canary" at_least v2 500
lab_wait_for 20 "the judge to begin" is '.rollout.phase' step
test_killed '[1,"running",0]'
test_terminated '[1,"running",0]'
test_stalled '[1,"running",0]'
test_upgrades '[1,"running",0]'
lab_ctl rollout abort checkout >/dev/null
test_interface
test_fewer_interfaces
test_detach '[1,"aborted",0]'
plan
