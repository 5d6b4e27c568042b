#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode dsr with real servers in namespaces of their own, which take the client's packets out of their tunnels and answer
# straight to the client, by a link that canaryd does not see. What it counts from the client's side alone is what the
# clients and the servers count; what it cannot see it calls unavailable.
#
#   client --- node (canaryd) --- b1, b2        requests, in tunnels; b3: the same by way of the client's link
#   client ---------------------- b1, b2        replies
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/counts.sh
. tests/e2e/counts.sh
# shellcheck source=tests/e2e/dsr.sh
. tests/e2e/dsr.sh

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/'
	cat <<-END
		max_versions: 32
		max_backends: 32
		judge: {warmup_s: 1, no_data_s: 2}
		services:
	END
	service two "$LAB_VIP4:80" tcp 10.77.0.1 10.77.1.2:80 10.77.2.2:80
	service two6 "'[$LAB_VIP6]:80'" tcp fd00:77::1 "[fd00:77:1::2]:80" "[fd00:77:2::2]:80"
	service one "$LAB_VIP4:81" tcp 10.77.0.1 10.78.1.2:81
	service one6 "'[$LAB_VIP6]:81'" tcp fd00:77::1 "[fd00:78:1::2]:81"
	service udp "$LAB_VIP4:53" udp 10.77.0.1 10.77.1.2:53 10.77.2.2:53
	service udp6 "'[$LAB_VIP6]:53'" udp fd00:77::1 "[fd00:77:1::2]:53"
}

start_servers() {
	local i
	for i in 1 2; do
		serve_at "b$i" "b$i" --listen "$LAB_VIP4:80" --listen "[$LAB_VIP6]:80" --listen "$LAB_VIP4:81" --listen "[$LAB_VIP6]:81"
		serve_at "u$i" "b$i" --udp --listen "$LAB_VIP4:53" --listen "[$LAB_VIP6]:53"
	done
}

# ---- the counts ----

# A reset of the server is seen by the client alone: its request is counted when it has waited for too long.
client_counts() {
	jq -cS --argjson request "$last_request_bytes" '{
		connections: .attempts, established: .connected, requests, syn_timeout: .refused,
		answered: (.responses["2xx"] + .responses["5xx"]), response_timeout: .resets_before,
		empty_close: .empty_closes, request_bytes: (.requests * $request)
	} | with_entries(select(.value != 0))' <<<"$REPORT"
}

test_tcp() {
	agree "no faults" two-old "$LAB_VIP4:80" '.responses["2xx"]'
	agree "no faults" two6-old "[$LAB_VIP6]:80" '.responses["2xx"]'
	agree "one interface" one-old "$LAB_VIP4:81" '.responses["2xx"]'
	agree "one interface" one6-old "[$LAB_VIP6]:81" '.responses["2xx"]'
	agree_keep_alive "no faults" two-old "$LAB_VIP4:80"
	agree_keep_alive "no faults" two6-old "[$LAB_VIP6]:80"
	lab_tell b1 "errors=0.1 reset=0.1 empty=0.1" >/dev/null
	agree "faults" two-old "$LAB_VIP4:80" .empty_closes
	agree "faults" two6-old "[$LAB_VIP6]:80" .resets_before
	lab_tell b1 "clear refuse=1" >/dev/null
	agree "refused" two-old "$LAB_VIP4:80" .refused
	agree "refused" two6-old "[$LAB_VIP6]:80" .refused
	lab_tell b1 clear >/dev/null
}

# What b1 counted of all its addresses.
test_servers() {
	stats b1
	check_equal "the kernel counted what the server counted" \
		"$(for v in two-old two6-old one-old one6-old; do lab_kernel $v; done |
			jq -cS -s '{established: map(.established) | add, requests: map(.requests) | add}')" \
		"$(of "$STATS" '{established: .connections, requests}')"
}

test_udp() {
	local address version
	for version in udp udp6; do
		address="$LAB_VIP4:53"
		if [ $version = udp6 ]; then address="[$LAB_VIP6]:53"; fi
		fresh "$address" 500 --udp --rate 500 --timeout 3 --requests-per-connection 3
		check_equal "$version: all answered" "$(of "$REPORT" '.responses["2xx"]')" 1500
		same "$version" $version-old '{"connections": 500, "request_bytes": 6000}'
	done
}

# ---- the judge ----

two() { lab_ctl status two -j | jq -c "$1"; }
two_is() { [ "$(two "$1")" = "$2" ]; }

test_unavailable() {
	check_equal "what needs the reply is null" "$(two '.services[0].versions[0] |
		[.ttfb_seconds, .connect_seconds, .counters.refused, .counters.http_2xx, .counters.response_bytes]')" \
		'[null,null,null,null,null]'
	check_equal "and what does not, is not" "$(two '.services[0].versions[0].counters.answered > 0')" true
	check "the text says so" sh -c "'$LAB_BUILD/canaryctl' --socket '$LAB_SOCKET' status two | grep 'unavailable in mode dsr: ttfb'"
	check_exit "a rollout of datagrams, of which nothing is seen, is refused" 1 lab_ctl rollout start udp
	note "$(lab_ctl rollout start udp 2>&1)"
}

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1500 --duration 100 --timeout 3 "${SOURCES[@]}"
	lab_wait_for 10 "traffic" two_is '.services[0].versions[0].rate > 500' true
}

new_served() { [ "$(lab_kernel two-new | jq '.connections // 0')" -ge "$1" ]; }

# taken_back FAULT KIND: a canary that falls ill is taken back by the judge, for that kind of failure.
taken_back() {
	local fault=$1 kind=$2 before
	before=$(lab_kernel two-new)
	check "$fault: a rollout begins" lab_ctl rollout start two
	lab_wait_for 20 "the canary's traffic" new_served "$(($(jq '.connections // 0' <<<"$before") + 100))"
	lab_tell b2 "$fault" >/dev/null
	lab_wait_for 60 "the rollback" two_is '.services[0].rollout.state' '"rolled_back"'
	check_equal "$fault: rolled back" "$(two '.services[0] | [.rollout.state, .weight.applied]')" '["rolled_back",0]'
	check_equal "$fault: latency has no part in it" "$(two '.services[0].rollout.slis[] | select(.name == "latency") |
		[.state, .dry_run, .canary]')" '["unavailable",true,null]'
	check_within "$fault: $kind" "$(lab_kernel two-new | jq --argjson before "$before" ".$kind - (\$before.$kind // 0)")" 3 100000
	note "$(two '.services[0].rollout.reason')"
	lab_tell b2 clear >/dev/null
}

# Flows of the baseline that are open before stay with it through all of it.
test_rollouts() {
	lab_start established client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1000 --count 40 \
		--requests-per-connection 100000 --think-ms 100 --timeout 5
	lab_wait_for 10 "the established flows" new_is_old
	mapfile -t SOURCES < <(lab_sources 4)
	start_load
	taken_back blackhole=1 syn_timeout
	taken_back delay_ms=60000 response_timeout
	check "a good canary: a rollout begins" lab_ctl rollout start two
	lab_wait_for 90 "the promotion" two_is '.services[0].rollout.state' '"promoted"'
	check_equal "a good canary is promoted" "$(two '.services[0] | [.rollout.state, .baseline]')" '["promoted","two-new"]'
	lab_stop load INT
	lab_stop established INT
	REPORT=$(cat "$LAB_DIR/established.log")
	check_equal "flows that were open before are untouched" "$(of "$REPORT" '[.connected, .responses["2xx"] == .versions.b1,
		.refused + .resets_before + .resets_mid + .response_timeouts + .empty_closes]')" '[40,true,0]'
}

new_is_old() { [ "$(two '.services[0].versions[] | select(.name == "two-old") | .active_flows')" -ge 40 ]; }

lab_up dsr routed || bail "the lab does not come up"
prepare || bail "the network is not ready"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_tcp
test_servers
test_udp
test_unavailable
test_rollouts
plan
