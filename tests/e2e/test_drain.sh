#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Backends that an operator takes out, both transports: open connections go on and no client notices, new ones go elsewhere,
# a deadline that takes away what is left, and a restart of canaryd in between.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

b1=$LAB_BACKEND4:8081 b2=$LAB_BACKEND4:8082

write_config() {
	lab_config
	cat <<-END
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {enabled: false}
		    versions:
		      - {name: v1, backends: ["$b1", "$b2"]}
		  - name: echo
		    vip: $LAB_VIP4:53
		    protocol: udp
		    baseline: v1
		    udp_idle_s: 300
		    breaker: {enabled: false}
		    versions:
		      - {name: v1, backends: ["$b1", "$b2"]}
	END
}

backend() { lab_ctl backend list "$1" -j | jq -r ".[].backends[] | select(.address == \"$2\") | $3"; }
state_is() { [ "$(backend "$1" "$2" .state)" = "$3" ]; }
flows_are() { [ "$(backend "$1" "$2" .active_flows)" = "$3" ]; }
has_flows() { [ "$(backend "$1" "$2" .active_flows)" -gt 0 ]; }
served() { stats "$1" && of "$STATS" .responses.\"200\"; }
datagrams() { stats "$1" && of "$STATS" .udp.datagrams; }

# keep_alive NAME: twenty connections, a request on each now and then, until it is stopped.
keep_alive() {
	lab_start "$1" client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 200 --count 20 --timeout 30 \
		--requests-per-connection 100000 --think-ms 50
	lab_wait_for 10 "the connections to be open" all_are_open
}
all_are_open() { [ "$(lab_ctl status checkout -j | jq '.services[0].versions[0].active_flows')" -ge 20 ]; }

test_keep_alive() {
	local before report
	keep_alive steady
	lab_wait_for 10 "flows on $b1" has_flows checkout "$b1" || bail "no connection at $b1"
	check "canaryctl backend drain" lab_ctl backend drain checkout "$b1"
	check_equal "it is draining, and gets no new flows" "$(backend checkout "$b1" '[.state, .usable] | @csv')" '"draining",false'
	check "canaryctl status says how many are left" grep -qE "$b1 of v1 is draining with [0-9]+ flows" <(lab_ctl status checkout)
	before=$(served b1)
	lab_wait_for 10 "open connections to go on" served_more b1 "$before"
	load --to "$LAB_VIP4:80" --rate 1000 --count 300 --timeout 30 --source "${LAB_CLIENTS4[3]}"
	check_equal "new ones are answered, all by the other" "$(of "$REPORT" '[.responses["2xx"], .versions.b2]')" "[300,300]"
	lab_stop canaryd KILL
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check_equal "a restart of canaryd remembers it" "$(backend checkout "$b1" '[.state, .usable] | @csv')" '"draining",false'
	lab_ctl backend drain checkout "$b1" --wait >"$LAB_DIR/wait.out" 2>&1 &
	local waiter=$!
	lab_stop steady INT
	report=$(tail -n 1 "$LAB_DIR/steady.log")
	check_equal "no open connection was broken or moved" "$(of "$report" \
		'[.resets_before, .resets_mid, .resets_after, .empty_closes, .response_timeouts, .refused, .version_changes]')" '[0,0,0,0,0,0,0]'
	wait "$waiter"
	check_equal "drain --wait ends with the last of them" "$?" 0
	check "and says so" grep -q "$b1 drained" "$LAB_DIR/wait.out"
	check_equal "none was taken away" "$(backend checkout "$b1" .counters.drained)" 0
	check "canaryctl backend undrain" lab_ctl backend undrain checkout "$b1"
	load --to "$LAB_VIP4:80" --rate 1000 --count 300 --timeout 30 --source "${LAB_CLIENTS4[3]}"
	check_within "it gets its share again" "$(of "$REPORT" '.versions.b1 // 0')" 75 225
}
served_more() { [ "$(served "$1")" -gt "$(($2 + 20))" ]; }

test_deadline() {
	local left
	keep_alive stubborn
	lab_wait_for 10 "flows on $b2" has_flows checkout "$b2" || bail "no connection at $b2"
	left=$(backend checkout "$b2" .active_flows)
	check "a drain with a deadline ends" lab_ctl backend drain checkout "$b2" --deadline 1 --wait
	check_equal "what was left is taken away, and counted" "$(backend checkout "$b2" '[.state, .counters.drained] | @csv')" "\"drained\",$left"
	lab_stop stubborn INT
	check "its clients are told by a reset" [ "$(of "$(tail -n 1 "$LAB_DIR/stubborn.log")" '.resets_before + .resets_mid + .resets_after')" -ge 1 ]
	check "canaryctl backend undrain" lab_ctl backend undrain checkout "$b2"
}

# Twenty sockets send again and again: one flow each.
test_datagrams() {
	local before other
	lab_start asking client "$LAB_BUILD/lab-client" --udp --to "$LAB_VIP4:53" --rate 100 --count 20 --timeout 30 \
		--requests-per-connection 100000 --think-ms 50
	lab_wait_for 10 "flows on $b1" has_flows echo "$b1" || bail "no datagram flow at $b1"
	check "datagram flows are drained" lab_ctl backend drain echo "$b1" --deadline 1 --wait
	lab_wait_for 10 "flows on $b2" flows_are echo "$b2" 20
	before=$(datagrams b1) other=$(datagrams b2)
	lab_wait_for 10 "more datagrams" asked_more "$other"
	check_equal "at the deadline those that are left move" "$(datagrams b1)" "$before"
	lab_stop asking INT
	check_equal "and no datagram stays unanswered" "$(of "$(tail -n 1 "$LAB_DIR/asking.log")" '.response_timeouts')" 0
}

asked_more() { [ "$(datagrams b2)" -gt "$(($1 + 50))" ]; }

test_refused() {
	check_exit "an address that is none" 1 lab_ctl backend drain checkout nowhere
	check_exit "a backend that is none" 1 lab_ctl backend drain checkout 192.0.2.1:80
	check_exit "one that is not drained" 1 lab_ctl backend undrain checkout "$b1"
	lab_ctl backend drain checkout "$b1" >/dev/null
	check_exit "the baseline's last" 1 lab_ctl backend drain checkout "$b2"
	check "but with --force" lab_ctl backend drain checkout "$b2" --force
	check "which canaryctl status says" grep -q "v1 has no backend for new flows" <(lab_ctl status checkout)
	lab_ctl backend undrain checkout "$b1" >/dev/null
	lab_ctl backend undrain checkout "$b2" >/dev/null
	check_equal "all are back" "$(lab_ctl backend list checkout -j | jq -c '[.[].backends[] | .usable]')" "[true,true]"
}

lab_up drain || bail "the lab does not come up"
lab_serve b1 b1 8081 --seed 1 --base-ms 1 --udp && lab_serve b2 b2 8082 --seed 2 --base-ms 1 --udp || bail "the servers do not start"
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_keep_alive
test_deadline
test_datagrams
test_refused
plan
