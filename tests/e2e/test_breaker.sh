#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The breaker trips in the packet that carries the failure, with no daemon to see it: a canary that begins to refuse while
# canaryd is stopped costs exactly as many connections as the bound has, IPv4 and IPv6, and of many that begin at once none
# that begins after the trip. The daemon that goes on, or starts again, makes it a rollback with that reason.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

BOUND=10
vips() {
	checkout_config | sed 's/breaker: .*/breaker: {window_s: 3600, min_failures: '$BOUND'}/'
	cat <<-END
		  - name: checkout6
		    vip: "[$LAB_VIP6]:80"
		    baseline: v1
		    breaker: {window_s: 3600, min_failures: $BOUND}
		    rescue: false
		    versions:
		      - {name: v1, backends: ["[$LAB_BACKEND6]:8081"]}
		      - {name: v2, backends: ["[$LAB_BACKEND6]:8082"]}
		    rollout: {steps: $STEPS, on_fail: hold}
		  - name: burst
		    vip: $LAB_VIP4:81
		    baseline: v1
		    breaker: {window_s: 3600, min_failures: $BOUND}
		    rescue: false
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8083"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8084"]}
		    rollout: {steps: $STEPS}
	END
}

# one_by_one VIP: clients one after another; how many were refused, and served by whom.
CLIENTS=40
one_by_one() {
	local i reports=()
	for ((i = 0; i < CLIENTS; i++)); do
		load --to "$1" --rate 1000 --count 1 --timeout 5
		reports+=("$REPORT")
	done
	COUNTS=$(printf '%s\n' "${reports[@]}" | jq -cs '[map(.refused), map(.versions.v1), map(.versions.v2)] | map(add // 0)')
}

breaker() { lab_pinned breakers | jq -c ".[$1].formatted.value"; }
trips() { of "$(breaker "$1")" '[.tripped_attempts, .tripped_failures, .tripped]'; }

# Where the kernel has it, in the order of the configuration.
expect_trip() {
	local what=$1 id=$2
	check_equal "$what: exactly $BOUND clients were refused, then the baseline served" "$COUNTS" "[$BOUND,$((CLIENTS - BOUND)),0]"
	check_equal "$what: the kernel says why" "$(trips "$id")" "[$BOUND,$BOUND,$3]"
	check_equal "$what: nothing more went to the canary" "$(lab_pinned breakers | jq ".[$id].formatted.value.attempts")" "$4"
}

# burst ID: many clients at once. When the trip was, and when flows began, is what the programs wrote down of the packets:
# no user space is in the way. A packet that another CPU had in hand at that moment may have seen the breaker before.
BURST=500
burst() {
	local took
	load --to "$LAB_VIP4:81" --rate 50000 --count $BURST --timeout 10 --source "${LAB_CLIENTS4[1]}" --source-ports 20000-20999
	check_equal "burst: whoever was not refused is served" "$(of "$REPORT" '.refused + .versions.v1')" $BURST
	check_equal "burst: tripped by its bound" "$(trips "$1" | jq -c '.[:2]')" "[$BOUND,$BOUND]"
	took=$(lab_pinned flows | jq -c --argjson breaker "$(breaker "$1")" '
		[.[].formatted.value | select(.service == '"$1"') | {version, after: (.opened_ns - $breaker.tripped_ns)}]
		| group_by(.version == $breaker.tripped_version) | (.[0] | map(.after)) as $baseline | (.[1] | map(.after)) as $canary
		| {canary: ($canary | length), late: ($canary | map(select(. > 0)) | length), first: ($canary | min),
		   next: ($baseline | map(select(. > 0)) | min)}')
	check_within "burst: of flows that began after the trip the canary got" "$(of "$took" .late)" 0 $(($(nproc --all) - 1))
	note "burst: $BOUND failures in $(of "$took" '-.first / 1000 | round') µs tripped it, after $(of "$took" .canary) flows in all;" \
		"the next flow, $(of "$took" '.next / 1000 | round') µs later, was the baseline's"
}

state() { lab_ctl status "$1" -j | jq -r ".services[] | select(.name == \"$1\") | .rollout | [.state, .held] | @json"; }
state_is() { [ "$(state "$1")" = "$2" ]; }
reason='the kernel.s breaker tripped: 10 of 10 attempts failed within .* s, the last: refused'
reason_of() { lab_ctl rollout why "$1" -j | jq -r '.decisions[-1].reason'; }

STEPS='[{weight: 100, min_s: 600, max_s: 1200}]'
lab_up breaker || bail "the lab does not come up"
vips >"$LAB_DIR/canaryd.yaml"
checkout_serve && lab_serve v3 v1 8083 || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for service in checkout checkout6 burst; do
	lab_ctl rollout start "$service" >/dev/null || bail "the rollout of $service does not start"
done

kill -STOP "$(lab_pid canaryd)"
lab_tell v2 refuse=1 >/dev/null
one_by_one "$LAB_VIP4:80"
expect_trip "IPv4, daemon stopped" 0 1 $BOUND
burst 2
kill -CONT "$(lab_pid canaryd)"
lab_wait_for 15 "the rollback" state_is checkout '["rolled_back",null]'
check_equal "IPv4: the daemon that goes on rolls back" $? 0
check "IPv4: with the breaker's reason" grep -qE "$reason" <<<"$(reason_of checkout)"
note "$(reason_of checkout)"
check "IPv4: and says so in its log" grep -q "breaker has tripped by the flow of" "$LAB_DIR/canaryd.log"

lab_stop canaryd KILL
one_by_one "[$LAB_VIP6]:80"
expect_trip "IPv6, daemon killed" 1 1 $BOUND
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
lab_wait_for 15 "the hold" state_is checkout6 '["held","failed"]'
check_equal "IPv6: the daemon that starts again holds, as on_fail has it" $? 0
check "IPv6: with the breaker's reason" grep -qE "$reason" <<<"$(reason_of checkout6)"
check "IPv6: status says so" grep -q "the breaker has tripped" <<<"$(lab_ctl status checkout6)"
check "IPv6: flow says so" grep -q "the breaker has tripped" <<<"$(lab_ctl flow "[${LAB_CLIENTS6[0]}]:40000" checkout6)"

lab_tell v2 clear >/dev/null
check_exit "a breaker that has tripped is reset" 0 lab_ctl breaker reset checkout6
check_exit "one that has not is not" 1 lab_ctl breaker reset checkout6
check_exit "the rollout goes on" 0 lab_ctl rollout resume checkout6
one_by_one "[$LAB_VIP6]:80"
check_equal "with the canary" "$COUNTS" "[0,0,$CLIENTS]"
plan
