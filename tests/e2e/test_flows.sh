#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Samples of flows: what failed and what was slow is listed with its kind, version, backend and how long the client waited,
# as many as the clients saw, and leads to its trace; what the rate limit leaves out is told; of a client no more is seen
# than may be; and who follows goes on over a restart.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

ON_V1=${LAB_CLIENTS4[1]} ON_V2=${LAB_CLIENTS4[2]} # which version a client's flows go to

# service NAME PORT SAMPLES BREAKER: nobody is judged, everybody has a cohort
service() {
	cat <<-END
		  - name: $1
		    vip: $LAB_VIP4:$2
		    baseline: v1
		    breaker: {$4}
		    rescue: false
		    samples: {$3}
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:${2}01"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:${2}02"]}
		    rollout: {steps: [{weight: 50, manual: true}]}
		    cohorts:
		      - {name: old, action: baseline, prefixes: [$ON_V1]}
		      - {name: new, action: canary, prefixes: [$ON_V2]}
	END
}

config() {
	lab_config
	cat <<-END
		judge: {alpha: 1e-9, hold_evidence: 1e8, guard_evidence: 1e12, warmup_s: 86400}
		services:
	END
	service checkout 80 "slow_response_s: $1, slow_connect_s: 0" "enabled: false"
	service whole 81 "ipv4_prefix: 32, traces: true, trace_url: 'https://traces.example/t/{{trace_id}}'" "enabled: false"
	service fuse 82 "" "min_failures: 3, window_s: 3600"
}

# flows FILTER ARG…: a value out of the list
flows() {
	local filter=$1
	shift
	lab_ctl flows "$@" -j | jq -cS "$filter"
}
flows_are() { [ "$(flows "$1" "${@:3}")" = "$2" ]; }

# fail SERVICE PORT COUNT FAULT: so many requests to v2, which does that to each; from ports that none had before
next_port=20000
fail() {
	lab_tell "$1-v2" "$4=1" >/dev/null
	load --to "$LAB_VIP4:$2" --count "$3" --rate 1000 --source "$ON_V2" --source-ports "$next_port-$((next_port + $3 - 1))"
	next_port=$((next_port + $3))
	lab_tell "$1-v2" clear >/dev/null
}

KINDS='[.flows[] | select(.version == "v2") | .kind] | group_by(.) | map({(.[0]): length}) | add // {}'

test_nothing() {
	check_equal "nothing has failed: nothing is listed" "$(flows '[.flows, .left_out]' checkout)" '[[],{"failed":0,"slow":0}]'
	check_equal "and it says so" "$(lab_ctl flows checkout | head -n 1)" "checkout  0 failed, 0 slow; none left out"
}

test_failures() {
	local seen='{}'
	fail checkout 80 4 errors && seen=$(of "$REPORT" "$seen + {http_5xx: .responses[\"5xx\"]}")
	fail checkout 80 3 reset && seen=$(of "$REPORT" "$seen + {reset_before_response: .resets_before}")
	fail checkout 80 2 reset_mid && seen=$(of "$REPORT" "$seen + {reset_mid_response: .resets_mid}")
	fail checkout 80 5 empty && seen=$(of "$REPORT" "$seen + {empty_close: .empty_closes}")
	fail checkout 80 6 refuse && seen=$(of "$REPORT" "$seen + {refused}")
	check_equal "clients saw failures of five kinds" "$seen" \
		'{"empty_close":5,"http_5xx":4,"refused":6,"reset_before_response":3,"reset_mid_response":2}'
	lab_wait_for 10 "the samples" flows_are "$KINDS" "$seen" checkout
	check_equal "each is listed, by its kind" "$(flows "$KINDS" checkout --failed)" "$seen"
	check_equal "with its backend, and no more of the client than its network" \
		"$(flows '[.flows[] | [.backend, .client, .class]] | unique' checkout v2)" \
		"[[\"$LAB_BACKEND4:8002\",\"192.0.2.0/24\",\"failed\"]]"
	check_equal "while connecting there is no request yet, then it is the first" \
		"$(flows '[.flows[] | [.kind == "refused", .request]] | unique' checkout)" '[[false,1],[true,0]]'
	check_equal "nothing of it is the other version's, or slow" \
		"$(flows '.flows | length' checkout v1) $(flows '.flows | length' checkout --slow)" "0 0"
	check_equal "none was left out" "$(flows '.left_out' checkout)" '{"failed":0,"slow":0}'
	check "people read it in words" grep -qE \
		'^[0-9:]{8}  connection refused +[0-9.]+ m?s  v2 +10\.77\.0\.1:8002  192\.0\.2\.0/24' <<<"$(lab_ctl flows checkout)"
	check_equal "status has the last ones" "$(checkout '[.failed_flows[] | .kind] | unique | sort | .[]' | tr '\n' ' ')" \
		"empty_close refused "
}

# Of each connection the second request fails.
test_place() {
	lab_tell whole-v2 "errors=1" >/dev/null
	load --to "$LAB_VIP4:81" --count 1 --requests-per-connection 3 --think-ms 50 --source "$ON_V2" --source-ports 4711-4711
	lab_tell whole-v2 clear >/dev/null
	lab_wait_for 10 "the samples" flows_are '.flows | length' 3 whole
	check_equal "the requests of a connection are told apart, and how old it was" \
		"$(flows '[.flows[].request, (.flows | .[2].age_seconds > 0.1 and .[2].waited_seconds < .[2].age_seconds)]' whole)" \
		'[1,2,3,true]'
	check_equal "clients are listed whole where that is configured" "$(flows '[.flows[].client] | unique' whole)" \
		"[\"$ON_V2:4711\"]"
	check_equal "their ports are nowhere else" "$(grep -c "$ON_V2" "$LAB_DIR/canaryd.log")" 0
}

# A failure leads to its trace, as the client sent it: ask [TRACEPARENT] makes a request of curl's to v2.
TRACE_ID=4bf92f3577b34da6a3ce929d0e0e4736 TRACE_LINK=https://traces.example/t/4bf92f3577b34da6a3ce929d0e0e4736
ask() {
	local header=()
	[ -z "${1:-}" ] || header=(--header "TraceParent: $1")
	lab_ns client curl -s -o /dev/null -w '%{http_code}' --max-time 10 --interface "$ON_V2" "${header[@]}" "http://$LAB_VIP4:81/"
}

test_traces() {
	local first asked
	first=$(flows .last whole)
	lab_tell whole-v2 "errors=1" >/dev/null
	asked="$(ask "00-$TRACE_ID-00f067aa0ba902b7-01") $(ask) $(ask "00-00000000000000000000000000000000-00f067aa0ba902b7-01")"
	lab_tell whole-v2 clear >/dev/null
	check_equal "three requests failed, two with a traceparent, one of them valid" "$asked" "503 503 503"
	check "the failed one leads to its trace, the others to none" lab_wait_for 10 "the samples" \
		flows_are "[.flows[] | select(.seq > $first) | [.kind, .trace_id, .trace_url]]" \
		"[[\"http_5xx\",\"$TRACE_ID\",\"$TRACE_LINK\"],[\"http_5xx\",null,null],[\"http_5xx\",null,null]]" whole
	check_equal "people get the link" "$(lab_ctl flows whole | grep -c "^ *trace $TRACE_LINK\$")" 1
	check_equal "where traces are not asked for there are none" "$(flows '.traces' checkout)" false
}

metric() { curl -s --unix-socket "$LAB_SOCKET" http://localhost/metrics | awk -v name="$1" 'index($0, name) == 1 { sum += $NF } END { print sum + 0 }'; }
failed_in_kernel() { lab_ctl status checkout -j | jq '[.services[0].versions[] | .counters | .http_5xx + .refused + .syn_timeout +
	.reset_before_response + .reset_mid_response + .empty_close + .response_timeout + .abort_waiting] | add'; }
told() { echo $(($(metric 'canaryd_flow_samples_total{service="checkout",class="failed"}') +
	$(metric 'canaryd_flow_samples_left_out_total{service="checkout",class="failed"}'))); }
is_told() { [ "$(told)" -eq "$1" ]; }

# Far more at once than a processor may tell of in a second.
test_left_out() {
	local count=$((100 * $(nproc))) before
	before=$(told)
	fail checkout 80 $count errors
	check_equal "a burst fails" "$(of "$REPORT" '.responses["5xx"]')" $count || note "$REPORT"
	lab_wait_for 10 "all to be told of" is_told $((before + count))
	check_equal "what is listed and what was left out is all that failed" "$(told) $(failed_in_kernel)" \
		"$((before + count)) $((before + count))"
	check_equal "the burst was too much to list" "$(flows '.left_out.failed > 0' checkout)" true
	check_equal "which people are told" "$(lab_ctl flows checkout --failed | grep -c "the kernel's rate limit left out [1-9]")" 1
	check_equal "nobody else's room was taken" "$(flows '.left_out' whole)" '{"failed":0,"slow":0}'
}

slow_is() { flows '[.slow_response_s, .slow_connect_s]' "$1"; }
above() { flows "(.slow_response_s // 0) > $2" "$1" | grep -q true; }

test_slow() {
	check_equal "slow is what the configuration says" "$(slow_is checkout)" '[0.2,null]'
	lab_tell checkout-v2 "delay_ms=300" >/dev/null
	load --to "$LAB_VIP4:80" --count 3 --source "$ON_V2"
	load --to "$LAB_VIP4:80" --count 5 --source "$ON_V1"
	lab_wait_for 10 "the samples" flows_are '[.flows[].kind]' '["slow_response","slow_response","slow_response"]' checkout --slow
	check_equal "whoever waited for longer is listed, with the time" \
		"$(flows '[.flows[] | [.version, .class, .waited_seconds > 0.3, .client]] | unique' checkout --slow)" \
		'[["v2","slow",true,"192.0.2.0/24"]]'
	check "in words, too" grep -qE 'slow response +3[0-9][0-9] ms  v2 ' <<<"$(lab_ctl flows checkout --slow)"
}

# enough SOURCE SECONDS: so many requests to `whole` that slow is told by them, and is more than so long
enough() {
	load --to "$LAB_VIP4:81" --count 120 --rate 400 --source "$1"
	lab_wait_for 10 "what slow is" above whole "$2"
}

test_slow_as_the_baseline() {
	check_equal "without any responses nothing is slow" "$(slow_is whole)" '[null,null]'
	enough "$ON_V1" 0
	check "after a hundred it is by the baseline's" above whole 0.0009
	check_equal "its connections, too" "$(flows '.slow_connect_s > 0' whole)" true
	lab_tell whole-v2 "delay_ms=400" >/dev/null
	load --to "$LAB_VIP4:81" --count 2 --source "$ON_V2"
	check "what takes longer is listed" lab_wait_for 10 "the samples" \
		flows_are '[.flows[] | select(.kind == "slow_response")] | length' 2 whole v2
	lab_ctl rollout promote whole >/dev/null || bail "no promotion"
	enough "$ON_V2" 0.4
	check "after a promotion it is by the new baseline's" above whole 0.4
	lab_tell whole-v2 clear >/dev/null
}

# Of a service whose room no burst has taken.
test_follow() {
	local before
	lab_start follow host "$LAB_BUILD/canaryctl" --socket "$LAB_SOCKET" flows whole --failed --follow -j
	before=$(flows '.flows | length' whole --failed)
	lab_wait_for 10 "what is there" lines_are "$before"
	fail whole 81 1 reset
	lab_wait_for 10 "one more" lines_are $((before + 1))
	check_equal "who follows sees a new one" "$(tail -n 1 "$LAB_DIR/follow.log" | jq -r .kind)" reset_before_response
	lab_stop canaryd
	lab_wait_for 10 "it to notice" grep -q 'waiting for it' "$LAB_DIR/follow.log"
	check_exit "without canaryd there is nothing to list" 6 lab_ctl flows checkout
	fail whole 81 1 empty
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	lab_wait_for 10 "what failed meanwhile" lines_are $((before + 3))
	check_equal "and after a restart what failed meanwhile" "$(tail -n 1 "$LAB_DIR/follow.log" | jq -r .kind)" empty_close
	check "what is slow is as it was" above whole 0.4
	check_equal "each of them once" "$(grep '^{' "$LAB_DIR/follow.log" | jq .seq | sort | uniq -d)" ""
	lab_stop follow INT
	check_equal "an interrupted one ends well" $? 0
}
lines_are() { [ "$(wc -l <"$LAB_DIR/follow.log")" -eq "$1" ]; }

test_refused() {
	check "a service that is not there" grep -q "no service nothing" <<<"$(lab_ctl flows nothing 2>&1)"
	check_exit "exit code" 1 lab_ctl flows nothing
	check "nor is a version" grep -q 'no such version' <<<"$(lab_ctl flows checkout v9 2>&1)"
	check_equal "a wrong kind" "$(curl -s --unix-socket "$LAB_SOCKET" 'http://localhost/v1/services/checkout/flows?kind=lost' |
		jq -r .error.message)" "kind is neither failed nor slow"
	check_equal "a wrong number" "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$LAB_SOCKET" \
		'http://localhost/v1/services/checkout/flows?after=-1')" 400
}

test_reload() {
	config 0.5 >"$LAB_DIR/canaryd.yaml"
	kill -HUP "$(lab_pid canaryd)"
	check "after a reload slow is what the file says" lab_wait_for 15 "it" flows_are '[.slow_response_s, .slow_connect_s]' \
		'[0.5,null]' checkout
	check "and where it says nothing as it was" above whole 0.4
}

# The log, too, has no more of a client than its network.
test_trip() {
	fail fuse 82 4 reset
	lab_wait_for 10 "the breaker" grep -q 'by the flow of' "$LAB_DIR/canaryd.log"
	check "the log has the network of whose flow tripped the breaker" grep -q 'by the flow of 192.0.2.0/24:' "$LAB_DIR/canaryd.log"
}

lab_up fl || bail "the lab does not come up"
port=80
config 0.2 >"$LAB_DIR/canaryd.yaml"
for name in checkout whole fuse; do
	serve_at $name-v1 node --listen "$LAB_BACKEND4:${port}01"
	serve_at $name-v2 node --listen "$LAB_BACKEND4:${port}02"
	port=$((port + 1))
done
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for name in checkout whole fuse; do lab_ctl rollout start $name --force >/dev/null 2>&1 || bail "no rollout of $name"; done
test_nothing
test_failures
test_place
test_traces
test_left_out
test_slow
test_slow_as_the_baseline
test_follow
test_refused
test_reload
test_trip
plan
