#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nobody should get: counters that go backwards, a counter of a Prometheus that falls, a clock that is set. Each is
# named in `rollout why`, and none moves the weight up; when it is over, the rollout goes on by itself. (Bad answers of
# queries are in test_slis, hooks that hang in test_hooks, records that were cut in test_record.)
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# With traffic that has no fault, each step but the last is left within seconds.
STEPS='[{weight: 20, min_s: 1, max_s: 600}, {weight: 50, min_s: 1000, max_s: 2000}]'

bad_config() {
	checkout_config
	cat <<-END
		    slis:
		      - {name: orders, kind: promql, url: 'http://127.0.0.1:9301/{{version}}', total: total, bad: 'bad', cumulative: true,
		         interval_s: 2, timeout_s: 2}
	END
}

# orders TOTAL: both versions have had so many in all, by the Prometheus; none of them bad.
orders() {
	local version
	for version in v1 v2; do
		printf '200\n{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1732312345,"%s"]}]}}' "$1" \
			>"$LAB_DIR/answer"
		mv "$LAB_DIR/answer" "$LAB_DIR/prometheus.answers/$version.api.v1.query"
	done
}

# Both queries get one answer: with every look more orders, all of them "bad" for both, which is no difference.
serve_orders() {
	local total=$1
	while :; do
		orders "$total"
		total=$((total + 50))
		sleep 0.1
	done
}

why_has() { lab_ctl rollout why checkout -j | jq -r '.decisions[].reason' | grep -qE -- "$1"; }
why_prints() { lab_ctl rollout why checkout | tr -s ' \n' ' ' | grep -qE -- "$1"; }
weight() { checkout '.weight.applied * 100 | round'; }
served() { [ "$(lab_kernel v2 | jq '.connections // 0')" -ge "$1" ]; }
version_index() { lab_pinned versions | jq -r --arg name "$1" '.[].formatted | select(.value.in_use != 0 and .value.name == $name) | .key'; }

# zero VERSION: its counters begin again, as those of a map that was made anew.
zero() {
	local index bytes
	index=$(($(version_index "$1") * 2 + 1))
	bytes=$(bpftool -j map show pinned "$LAB_PIN_DIR/version_stats" | jq .bytes_value)
	# shellcheck disable=SC2046 # a byte each
	bpftool map update pinned "$LAB_PIN_DIR/version_stats" key $(bytes_of "$index") value $(printf '0 %.0s' $(seq "$bytes"))
}
bytes_of() { echo $(($1 & 255)) $(($1 >> 8 & 255)) 0 0; }

keep_doing() { while :; do "$@"; sleep 0.5; done; }

# in_background NAME CMD…: until `over NAME`.
in_background() {
	local name=$1
	shift
	"$@" >"$LAB_DIR/$name.log" 2>&1 </dev/null &
	LAB_PIDS[$name]=$!
}

start() {
	local before
	before=$(lab_kernel v2 | jq '.connections // 0')
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	lab_wait_for 30 "the canary's traffic" served $((before + 300))
}
abort() { lab_ctl rollout abort checkout >/dev/null; }

# goes_on: what was bad is over, and the next step is taken.
goes_on() { check "$1: when it is over, the rollout goes on" lab_wait_for 90 "the next step" is .rollout.step 1 || note "$(checkout .rollout)"; }

test_counters_backwards() {
	check "the counters can be set back" zero v2
	in_background zero keep_doing zero v2
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	check "counters that go backwards hold it" lab_wait_for 60 "the hold" is .rollout.held error || note "$(checkout .rollout)"
	check "why names them" why_has 'suspect: the counters of v2 went backwards \(a map was made anew\?\), nothing was learnt'
	check "and prints them" why_prints 'held at 20 % .*the counters of v2 went backwards'
	sleep 12 # longer than one error holds, and than the step takes
	check_equal "as long as they do, the weight does not go up" "$(weight)" 20
	check_equal "and it is held once" "$(lab_ctl rollout why checkout -j | jq -c '[.decisions[].decision]')" '["start","hold"]'
	check_within "the rates are none of other worlds" "$(checkout '[.versions[].rate // 0] | max')" 0 100000
	lab_stop zero
	goes_on "counters"
	abort
}

test_counter_falls() {
	lab_stop orders
	start
	in_background orders serve_orders 10
	check "a counter that falls holds it" lab_wait_for 30 "the name of it" why_has '^orders: .*a counter fell: what it counts was started again' ||
		note "$(lab_ctl rollout why checkout)"
	goes_on "a counter that fell"
	abort
}

test_clock() {
	local shift
	in_background clock keep_setting
	start
	check "a clock that is set holds it" lab_wait_for 30 "the hold" is .rollout.held error || note "$(checkout .rollout)"
	check "why says by how much" why_has '^the clock was set 60 min (forward|back): blackouts'
	sleep 12
	check_equal "as long as it is, the weight does not go up" "$(weight)" 20
	lab_stop clock
	lab_clock +0
	goes_on "the clock"
	for shift in -86400 +0; do
		lab_clock "$shift"
		lab_wait_for 30 "the clock's hold" is .rollout.held error
		lab_wait_for 60 "its end" is .rollout.state running
	done
	check "back and forward are told apart" why_has 'the clock was set 24 h back'
	check "both ways" why_has 'the clock was set 24 h forward'
	check_equal "no step was taken for it" "$(weight)" 50
	abort
}

keep_setting() {
	while :; do
		lab_clock +3600
		sleep 3
		lab_clock +0
		sleep 3
	done
}

lab_up bad || bail "the lab does not come up"
lab_clock +0
lab_sink prometheus 9301 || bail "no Prometheus"
in_background orders serve_orders 1000
bad_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 500 --duration 290 \
	--requests-per-connection 2 --timeout 3 "${SOURCES[@]}"
test_counters_backwards
test_counter_falls
test_clock
plan
