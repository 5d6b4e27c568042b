#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the kernel counted is what the clients and the servers counted, for every fault alone and for all together. Each
# comparison goes on from the one before, so that what is counted late or twice shows in the next.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/counts.sh
. tests/e2e/counts.sh

# A version has a name of its own, so that one name is one row of counters. The servers of `far` are behind the node.
write_config() {
	lab_config
	cat <<-END
		max_versions: 16
		max_backends: 32
		judge: {alpha: 1e-9, hold_evidence: 1e8, guard_evidence: 1e12, warmup_s: 86400}
		services:
	END
	service web "$LAB_VIP4:80" tcp 30 "four $LAB_BACKEND4:8101 $LAB_BACKEND4:8102 $LAB_BACKEND4:8103"
	service web6 "[$LAB_VIP6]:80" tcp 30 "six [$LAB_BACKEND6]:8101 [$LAB_BACKEND6]:8102 [$LAB_BACKEND6]:8103"
	service strict "$LAB_VIP4:82" tcp 0.5 "strict4 $LAB_BACKEND4:8110"
	service strict6 "[$LAB_VIP6]:82" tcp 0.5 "strict6 [$LAB_BACKEND6]:8110"
	service udp "$LAB_VIP4:80" udp 0.5 "udp4 $LAB_BACKEND4:8120"
	service udp6 "[$LAB_VIP6]:80" udp 0.5 "udp6 [$LAB_BACKEND6]:8120"
	service far "$LAB_VIP4:81" tcp 60 "old 10.77.1.2:80" "new 10.77.2.2:80"
	service far6 "[$LAB_VIP6]:81" tcp 60 "old6 [fd00:77:1::2]:80" "new6 [fd00:77:2::2]:80"
}

# service NAME VIP PROTOCOL TIMEOUT VERSION…: a version is "NAME ADDRESS…", the first one the baseline
service() {
	local name=$1 vip=$2 protocol=$3 timeout=$4 version words
	shift 4
	cat <<-END
		  - name: $name
		    vip: '$vip'
		    protocol: $protocol
		    response_timeout_s: $timeout
		    syn_timeout_s: $timeout
		    breaker: {enabled: false}
		    rescue: false
		    baseline: ${1%% *}
		    rollout: {steps: [{weight: 50, manual: true}]}
		    versions:
	END
	for version; do
		read -ra words <<<"$version"
		echo "      - {name: ${words[0]}, backends: [$(printf '"%s", ' "${words[@]:1}")]}"
	done
}

serve_routed() {
	local name=$1 ns=$2 net=$3
	lab_start "$name" "$ns" "$LAB_BUILD/lab-server" --name "$name" --control "$LAB_DIR/$name.control" --base-ms 1 \
		--listen "10.77.$net.2:80" --listen "[fd00:77:$net::2]:80"
	lab_wait_for 10 "$name to serve" lab_tell "$name" stats || bail "lab-server does not start"
}

start_servers() {
	local port
	for port in 8101 8102 8103; do
		lab_serve "s$port" "s$port" "$port" --base-ms 1 --seed "$port" || bail "lab-server does not start"
	done
	lab_serve strict strict 8110 --base-ms 1 || bail "lab-server does not start"
	lab_serve udp udp 8120 --base-ms 1 --udp || bail "lab-server does not start"
	serve_routed old b1 1
	serve_routed new b2 2
}

tell_web() {
	local port
	for port in 8101 8102 8103; do lab_tell "s$port" "$1" >/dev/null || bail "a server cannot be told '$1'"; done
}

# ---- faults of the server, one request a connection ----

fault() {
	tell_web "clear $1"
	agree "$1" four "$LAB_VIP4:80" "$2"
	agree "$1" six "[$LAB_VIP6]:80" "$2"
}

test_faults() {
	fault errors=0 '.responses["2xx"]'
	fault errors=0.1 '.responses["5xx"]'
	fault reset=0.1 .resets_before
	fault reset_mid=0.1 .resets_mid
	fault empty=0.1 .empty_closes
	fault refuse=1 .refused
	fault "errors=0.1 reset=0.1 reset_mid=0.1 empty=0.1" .empty_closes
	tell_web clear
}

# ---- keep-alive ----

test_keep_alive() {
	agree_keep_alive "no faults" four "$LAB_VIP4:80"
	agree_keep_alive "no faults" six "[$LAB_VIP6]:80"
	tell_web "errors=0.05 reset=0.05 reset_mid=0.05 empty=0.05"
	agree_keep_alive "all faults" four "$LAB_VIP4:80"
	agree_keep_alive "all faults" six "[$LAB_VIP6]:80"
	tell_web clear
}

# ---- servers ----

# What a lab-server and the kernel's rows of its backends agree on, at both families.
of_server() {
	of "$STATS" '{established: .connections, requests, http_2xx: (.responses["200"] + .resets_mid), http_5xx: .responses["503"],
		reset_before_response: .resets_before, reset_mid_response: .resets_mid, empty_close: .empty_closes}'
}

# backend_counts PORT: sums over the backends at it, whose address holds it in network order
backend_counts() {
	{ lab_pinned backends && lab_pinned backend_stats; } | jq -cS -s --argjson port "$1" '
		(($port % 256) * 256 + ($port / 256 | floor)) as $network
		| [.[0][].formatted | select(.value.in_use != 0 and .value.endpoint.port == $network and
			.value.endpoint.protocol == 6) | .key] as $keys
		| reduce (.[1][].formatted | select(.key | IN($keys[])) | .values[].value | to_entries[]) as $counter
			({}; .[$counter.key] += $counter.value)'
}

test_servers() {
	local port
	for port in 8101 8102 8103; do
		stats "s$port"
		check_equal "port $port: the kernel counted what the server counted" \
			"$(backend_counts "$port" | jq -cS --argjson server "$(of_server)" 'with_entries(select(.key | in($server)))')" \
			"$(of_server)"
	done
	check_equal "the backends' counts are the versions' counts" \
		"$(for port in 8101 8102 8103; do backend_counts "$port"; done | jq -cS -s 'map(to_entries) | add |
			reduce .[] as $counter ({}; .[$counter.key] += $counter.value)')" \
		"$({ lab_kernel four && lab_kernel six; } | jq -cS -s 'map(to_entries) | add |
			reduce .[] as $counter ({}; .[$counter.key] += $counter.value)')"
}

# What `canaryctl status` says of a service's versions is what the maps hold, and so are its backends' counts added up.
status_counters() { lab_ctl status "$1" -j | jq -cS --arg name "$1" '.services[] | select(.name == $name) | .versions[0].counters'; }

status_sum() {
	lab_ctl status "$1" -j | jq -cS --arg name "$1" '[.services[] | select(.name == $name) | .versions[0].backends[].counters |
		to_entries[]] | reduce .[] as $counter ({}; .[$counter.key] += $counter.value)'
}

status_is() { [ "$("$1" "$2")" = "$(lab_kernel "$3" | jq -cS .)" ]; }

test_status() {
	check "canaryctl status has the kernel's counts" lab_wait_for 10 "the next tick" status_is status_counters web four
	check "and its backends' add up to them" lab_wait_for 10 "the next tick" status_is status_sum web four
}

# ---- what never happens ----

# Of $REPORT: a response later than the response timeout of half a second is counted as timed out, and then as late.
no_answer_in_time() {
	of "$REPORT" "{connections: .attempts, established: .connected, requests, response_timeout: .requests,
		late_response: .responses[\"2xx\"], request_bytes: (.requests * $last_request_bytes), response_bytes: .bytes}"
}

# Each SYN is sent again at least once within the client's 2.5 s.
no_answer_at_all() {
	of "$REPORT" '{connections: .attempts, syn_timeout: .connect_timeouts}'
}

test_timeouts() {
	local what version address
	for version in strict4 strict6; do
		address="$LAB_VIP4:82"
		if [ "$version" = strict6 ]; then address="[$LAB_VIP6]:82"; fi
		lab_tell strict "clear delay_ms=1200" >/dev/null
		fresh "$address" 300 --rate 500 --timeout 30
		check_equal "$version: 300 late answers" "$(of "$REPORT" '.responses["2xx"]')" 300
		same "late answers, $version" "$version" "$(no_answer_in_time)"
		lab_tell strict "clear blackhole=1" >/dev/null
		fresh "$address" 200 --rate 500 --timeout 2.5
		check_equal "$version: 200 unanswered connections" "$(of "$REPORT" .connect_timeouts)" 200
		check_within "$version: each tried more than once" "$(of "$REPORT" .syn_retransmits)" 200 1000
		same "a black hole, $version" "$version" "$(no_answer_at_all)"
		lab_tell strict clear >/dev/null
	done
	lab_wait_for 30 "further sweeps" daemon_older_by 1 "$(lab_ctl status -j | jq .uptime_s)"
	same "a black hole once more: each was counted once" strict4 '{}'
	same "a black hole once more: each was counted once" strict6 '{}'
}

daemon_older_by() { lab_ctl status -j | jq -e ".uptime_s > $2 + $1"; }

# The client gives up first. Over the same 5-tuples it comes back, which is how the kernel learns of a lost SYN.
test_aborts() {
	local again
	lab_tell old "clear delay_ms=60000" >/dev/null
	fresh "$LAB_VIP4:81" 200 --rate 500 --timeout 2
	check_equal "200 answers not waited for" "$(of "$REPORT" .response_timeouts)" 200
	same "answers not waited for" old "$(of "$REPORT" "{connections: .attempts, established: .connected, requests,
		abort_waiting: .response_timeouts, request_bytes: (.requests * $last_request_bytes)}")"
	lab_tell old "clear blackhole=1" >/dev/null
	for again in 0 100; do
		load --to "$LAB_VIP4:81" --rate 1000 --count 100 --timeout 0.5 --source "${LAB_CLIENTS4[3]}" --source-ports 30000-30099
		same "$again connections given up and tried anew" old "{\"connections\": 100, \"abort_connect\": $again}"
	done
	lab_tell old clear >/dev/null
	load --to "$LAB_VIP4:81" --rate 1000 --count 100 --timeout 30 --source "${LAB_CLIENTS4[3]}" --source-ports 30000-30099
	same "the 100 connections answered in the end" old "$(client_counts | jq -c '.abort_connect = 100')"
}

# ---- UDP ----

test_udp() {
	local version address
	for version in udp4 udp6; do
		address="$LAB_VIP4:80"
		if [ "$version" = udp6 ]; then address="[$LAB_VIP6]:80"; fi
		agree_udp "datagrams" "$version" "$address"
		check_equal "datagrams, $version: all answered" "$(of "$REPORT" '.responses["2xx"]')" 1500
		lab_tell udp empty=0.2 >/dev/null
		agree_udp "unanswered datagrams" "$version" "$address"
		check_within "unanswered datagrams, $version: it happened" "$(of "$REPORT" .response_timeouts)" 1 499
		lab_tell udp clear >/dev/null
	done
}

# ---- latency ----

# Both directions of time are nested: the server begins to count after the kernel has seen the request and ends before
# the kernel sees the response, the client begins before and ends after. So each quantile of the kernel's lies between
# the server's and the client's, each of the same requests. A histogram knows a value to the bucket: 1.09 % from its middle.
error=1.0109

# histogram VERSION KIND: the 738 buckets, over CPUs and both slots; KIND 0 connect, 1 ttfb
histogram() {
	local key slot
	key=$(lab_pinned versions | jq --arg version "$1" '.[].formatted | select(.value.in_use != 0 and .value.name == $version) | .key')
	for slot in 0 1; do
		bpftool -j map lookup pinned "$LAB_PIN_DIR/latency" key $(((key * 2 + slot) * 2 + $2)) 0 0 0
	done | jq -c -s '[.[].formatted.values[].value.bucket] | transpose | map(add)'
}

# quantile BUCKETS SHARE: the middle of the bucket in which so many are at or below it
quantile() {
	jq -r --argjson share "$2" '(add * $share) as $wanted | . as $bucket
		| first(foreach range(length) as $i ([0, 0]; [$i, .[1] + $bucket[$i]]; select(.[1] >= $wanted))) | .[0]
		| pow(2; (. - 0.5) / 32 - 17)' <<<"$1"
}

test_latency() {
	local connect ttfb share name low high
	fresh "$LAB_VIP4:81" 1000 --rate 500 --timeout 30 --requests-per-connection 3
	check_equal "3000 requests, all answered" "$(of "$REPORT" '.responses["2xx"]')" 3000
	stats old
	connect=$(histogram old 0) ttfb=$(histogram old 1)
	check_equal "connect_seconds holds every connection" "$(jq add <<<"$connect")" 1000
	check_equal "ttfb_seconds holds every response" "$(jq add <<<"$ttfb")" 3000
	for share in 0.5 0.95 0.99; do
		name=p${share#0.}
		name=${name/p5/p50}
		name=${name/p505/p95}
		low=$(of "$STATS" ".service_seconds.$name / $error") high=$(of "$REPORT" ".ttfb_seconds.$name * $error")
		check_within "$name of ttfb_seconds is between the server's and the client's" "$(quantile "$ttfb" "$share")" "$low" "$high"
		check_within "$name of connect_seconds is at most the client's" "$(quantile "$connect" "$share")" 0.000001 \
			"$(of "$REPORT" ".connect_seconds.$name * $error")"
	done
	same "the keep-alive connections to a backend behind the node" old \
		"$(client_counts | jq -c ".request_bytes = $((1000 * (2 * request_bytes + last_request_bytes)))")"
}

# ---- like with like ----

# judged VERSION: what the kernel counts apart for the flows of the present rollout
judged() {
	{ lab_pinned versions && lab_pinned version_stats; } | jq -cS -s --arg version "$1" '
		(.[0][].formatted | select(.value.in_use != 0 and .value.name == $version) | .key) as $key
		| reduce (.[1][].formatted | select(.key == $key * 2 + 1) | .values[].value | to_entries[]) as $counter
			({}; .[$counter.key] += $counter.value) | {connections, requests, http_2xx}'
}

all_answered() { lab_kernel "$1" | jq -e '.requests == .http_2xx + .abort_waiting'; }

judged_since() { jq -cSn "[$(judged "$1"), $2] | .[0] as \$now | .[1] | with_entries(.value = \$now[.key] - .value)"; }

older_go_on() { [ "$(lab_kernel old | jq .http_2xx)" -ge "$1" ]; }

# Connections of before a rollout are stopped while it begins, so that it is known what of theirs came before.
test_generation() {
	local judged_before before total
	lab_start older client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:81" --rate 1000 --count 100 --timeout 60 \
		--requests-per-connection 1000000 --think-ms 100
	total=$(lab_kernel old | jq .http_2xx)
	lab_wait_for 30 "100 connections" older_go_on $((total + 200))
	kill -STOP "$(lab_pid older)"
	lab_wait_for 30 "all to be answered" all_answered old
	judged_before=$(judged old) before=$(lab_kernel old)
	check "a rollout begins" lab_ctl rollout start far --force
	kill -CONT "$(lab_pid older)"
	fresh "$LAB_VIP4:81" 1000 --rate 500 --timeout 30 --requests-per-connection 2
	check_equal "all of its requests are answered" "$(of "$REPORT" '.responses["2xx"]')" 2000
	total=$(lab_kernel old | jq .http_2xx)
	lab_wait_for 30 "the older connections to go on" older_go_on $((total + 200))
	lab_stop older INT
	same_generation "$judged_before" "$before"
}

same_generation() {
	local judged_old judged_new new=$REPORT
	judged_old=$(judged_since old "$1") judged_new=$(judged_since new '{"connections": 0, "requests": 0, "http_2xx": 0}')
	check_equal "judged of both versions: the flows of the rollout and no other" \
		"$(jq -cSn "[$judged_old, $judged_new] | {connections: (.[0].connections + .[1].connections),
			requests: (.[0].requests + .[1].requests), http_2xx: (.[0].http_2xx + .[1].http_2xx)}")" \
		'{"connections":1000,"http_2xx":2000,"requests":2000}'
	check_equal "judged of each: what the client had from it" \
		"$(jq -cn "{old: $judged_old.http_2xx, new: $judged_new.http_2xx}")" "$(of "$new" '.versions' | jq -c '{old, new}')"
	REPORT=$(tail -n 1 "$LAB_DIR/older.log")
	check_equal "the older connections kept their version" "$(of "$REPORT" '[.connected, .version_changes, .versions.new]')" \
		'[100,0,null]'
	check_equal "counted of old in all: both" "$(jq -n "$(lab_kernel old).http_2xx")" \
		"$(jq -n "$(jq .http_2xx <<<"${SEEN[old]}") + $(of "$REPORT" '.responses["2xx"]') + $judged_old.http_2xx")"
}

# The same over IPv6, to backends behind the node.
test_routed() {
	local counts
	check "a rollout of far6 begins" lab_ctl rollout start far6 --force
	fresh "[$LAB_VIP6]:81" "$flows" --rate 1000 --timeout 30
	counts=$(jq -cSn "{old6: $(kernel_since old6 | jq .http_2xx), new6: $(kernel_since new6 | jq .http_2xx)}")
	check_equal "backends behind the node, IPv6: versions as the client had them" \
		"$counts" "$(of "$REPORT" '{old6: .versions.old, new6: .versions.new}')"
	check_equal "backends behind the node, IPv6: all answered" "$(of "$REPORT" '.responses["2xx"]')" "$flows"
}

# ---- what is not ours ----

reason() { lab_pinned reasons | jq --arg name "$1" '[.[].formatted.values[].value[$name]] | add'; }

reason_since() { echo $(($(reason "$1") - $2)); }

test_others() {
	local before_service before_ip before_other all_before all_now
	lab_serve other other 9000 --base-ms 1 || bail "lab-server does not start"
	all_before=$(lab_kernel)
	before_service=$(reason not_service) before_ip=$(reason not_ip) before_other=$(reason other_protocol)
	lab_ns client ip neigh flush dev client0
	fresh "$LAB_BACKEND4:9000" 100 --rate 500
	check_equal "another port of the node answers" "$(of "$REPORT" .versions.other)" 100
	fresh "[$LAB_BACKEND6]:9000" 100 --rate 500
	check_equal "over IPv6 too" "$(of "$REPORT" .versions.other)" 100
	fresh "$LAB_BACKEND4:8101" 100 --rate 500
	check_equal "a backend answers who talks to it directly" "$(of "$REPORT" .versions.s8101)" 100
	check_within "their packets are counted as not_service" "$(reason_since not_service "$before_service")" 1200 4000
	check_within "ARP as not_ip" "$(reason_since not_ip "$before_ip")" 1 100
	check_within "neighbour discovery as other_protocol" "$(reason_since other_protocol "$before_other")" 1 100
	all_now=$(lab_kernel)
	check_equal "and no version has counted any of it" "$(of "$all_now" .)" "$(of "$all_before" .)"
}

lab_up counts routed || bail "the lab does not come up"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_latency
test_faults
test_keep_alive
test_servers
test_status
test_timeouts
test_aborts
test_udp
test_generation
test_routed
test_others
plan
