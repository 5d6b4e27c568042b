#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A good canary is promoted, an operator is heard, and what canaryctl ends with is what a pipeline can go by.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

post() { # ROUTE [BODY]
	curl -s --unix-socket "$LAB_SOCKET" -o "$LAB_DIR/answer" -w '%{http_code}' -X POST -d "${2:-}" "http://localhost$1"
}

stopped() { ! lab_running "$1"; }
verb() { lab_ctl rollout "$1" checkout >/dev/null; }
state() { checkout '.rollout | [.state, .held] | @json'; }

split_now() { bpftool -j map lookup pinned "$LAB_PIN_DIR/splits" key 0 0 0 0 | jq -c ".formatted.value | .view[.active] | $1"; }

# The name of the version the kernel's split has as baseline.
kernel_baseline() {
	lab_pinned versions | jq -r --argjson index "$(split_now .baseline)" '.[] | select(.formatted.key == $index).formatted.value.name'
}

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 800 --duration 250 \
		--requests-per-connection 2 --timeout 3 "${SOURCES[@]}"
}

restart() {
	lab_stop canaryd
	check_equal "$1: canaryd ends with 0" $? 0
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
}

test_promoted() {
	check_exit "a good canary: rollout start --wait ends with 0" 0 lab_ctl rollout start checkout --wait --timeout 100
	check_equal "the decisions" "$(lab_ctl rollout why checkout -j | jq -c '[.decisions[] | [.decision, .weight_to]]')" \
		'[["start",0.2],["advance",0.5],["advance",1],["advance",1],["promote",1]]'
	check_equal "each advance names its evidence" "$(lab_ctl rollout why checkout -j |
		jq '[.decisions[1, 2] | .value >= .bound and .bound > 1 and .counts.canary.attempts > 0] | all')" true
	check_equal "v2 is the baseline" "$(checkout '[.baseline, .canary, .weight.applied] | @json')" '["v2",null,0]'
	check_equal "in the kernel" "$(kernel_baseline) $(split_now '[.canary, .canary_threshold]')" 'v2 [65535,0]'
	restart "after the promotion"
	check_equal "after a restart too" "$(checkout '[.baseline, .rollout.state, .rollout.id] | @json')" '["v2","promoted",1]'
	check_equal "in the kernel too" "$(kernel_baseline)" v2
	load --to "$LAB_VIP4:80" --rate 500 --count 200
	check_equal "clients are served by v2" "$(of "$REPORT" .versions)" '{"v2":200}'
}

# Without --canary it is v1 now that is the other one.
test_no_data() {
	check_exit "no traffic: rollout start --wait ends with 8" 8 lab_ctl rollout start checkout --wait --timeout 6
	check_equal "it is held" "$(state)" '["held","no_data"]'
	check_equal "of v1, the other version now" "$(checkout .canary)" v1
	start_load
	lab_wait_for 20 "traffic to lift the hold" is .rollout.state running
	check_equal "traffic lifts the hold" $? 0
}

test_verbs() {
	check_equal "a second start while one runs" "$(post /v1/rollouts '{"service":"checkout","canary":"v1"}')" 409
	check "names what to do first" grep -q 'rollout abort checkout' "$LAB_DIR/answer"
	check_exit "canaryctl: too" 1 lab_ctl rollout start checkout
	check_equal "resume of one that runs" "$(post /v1/services/checkout/resume)" 409
	check_exit "pause" 0 verb pause
	check_equal "is paused" "$(state)" '["paused",null]'
	check_equal "at the weight it had" "$(checkout '.rollout.weight >= 0.2 and (.weight.applied - .rollout.weight | fabs) < 1e-9')" true
	check_equal "pause again" "$(post /v1/services/checkout/pause)" 409
	check_exit "waiting for one that is paused is undecided" 8 lab_ctl rollout wait checkout --timeout 1
	restart "while paused"
	check_equal "a restart keeps the pause" "$(state)" '["paused",null]'
	check_exit "resume" 0 verb resume
	check_equal "is running" "$(state)" '["running",null]'
	lab_start pipeline host "$LAB_BUILD/canaryctl" --socket "$LAB_SOCKET" rollout wait checkout
	check_exit "abort" 0 verb abort
	check_equal "is aborted" "$(checkout '[.rollout.state, .canary, .weight.applied, .baseline] | @json')" '["aborted",null,0,"v2"]'
	lab_wait_for 10 "rollout wait to end" stopped pipeline
	lab_stop pipeline
	check_equal "who waited ends with 1" $? 1
}

test_nothing_runs() {
	local verb
	for verb in pause resume promote abort; do
		check_equal "$verb when nothing runs" "$(post "/v1/services/checkout/$verb")" 409
		check_exit "canaryctl rollout $verb too" 1 verb "$verb"
	done
	check_equal "no such verb" "$(post /v1/services/checkout/fly)" 404
	check_equal "no such service" "$(post /v1/services/shop/abort)" 404
	check_equal "a rollout of the baseline" "$(post /v1/rollouts '{"service":"checkout","canary":"v2"}')" 400
	check_equal "a rollout of no version" "$(post /v1/rollouts '{"service":"checkout","canary":"v9"}')" 404
	check_equal "a rollout of no service" "$(post /v1/rollouts '{"service":"shop"}')" 404
}

# A version that the configuration does not know, with a backend of its own.
test_new_version() {
	lab_serve v3 v3 8083 --base-ms 1 || bail "v3 does not start"
	check_equal "no ADDR:PORT" "$(post /v1/rollouts '{"service":"checkout","canary":"v3","backends":["here"]}')" 400
	check_equal "a backend of another version" \
		"$(post /v1/rollouts "{\"service\":\"checkout\",\"canary\":\"v3\",\"backends\":[\"$LAB_BACKEND4:8082\"]}")" 400
	check_equal "no list" "$(post /v1/rollouts '{"service":"checkout","canary":"v3","backends":"10.77.0.1:8083"}')" 400
	check_equal "none of them is a version now" "$(checkout '[.versions[].name] | @json')" '["v1","v2"]'
	check_exit "--canary NAME --backend ADDR:PORT" 0 \
		lab_ctl rollout start checkout --canary v3 --backend "$LAB_BACKEND4:8083"
	lab_wait_for 20 "traffic of v3" is '.versions[] | select(.name == "v3") | .attempts > 50' true
	check_equal "v3 serves clients" $? 0
	restart "with a version added"
	check_equal "the version survives" "$(checkout '[.canary, .rollout.state] | @json')" '["v3","running"]'
	check "config show has it" grep -q "$LAB_BACKEND4:8083" <(lab_ctl config show)
	check_exit "promote" 0 verb promote
	check_equal "is promoted" "$(checkout '[.rollout.state, .baseline, .canary] | @json')" '["promoted","v3",null]'
	check_equal "in the kernel" "$(kernel_baseline)" v3
	restart "with a baseline added"
	check_equal "the baseline survives" "$(checkout .baseline)" v3
	lab_stop load INT
	REPORT=$(tail -n 1 "$LAB_DIR/load.log")
	check_equal "no client ever failed" "$(of "$REPORT" '.refused + .connect_timeouts + .resets_before + .resets_mid +
		.empty_closes + .response_timeouts + .responses["5xx"]')" 0
}

# The file comes first: a version of the journal that it contradicts does not keep the daemon from starting.
test_contradiction() {
	sed -i "s|^      - {name: v2, .*|&\n      - {name: v4, backends: [\"$LAB_BACKEND4:8083\"]}|" "$LAB_DIR/canaryd.yaml"
	restart "with the added version's backend in the file under another name"
	check "says that the added version is left out" grep -q 'v3.*left out' "$LAB_DIR/canaryd.log"
	check_equal "the baseline is the file's then" "$(checkout '[.baseline, [.versions[].name]] | @json')" '["v1",["v1","v2","v4"]]'
}

test_history() {
	check_equal "the history, newest first" "$(lab_ctl rollout history checkout -j |
		jq -c '[.rollouts[] | [.id, .canary, .state]]')" '[[3,"v3","promoted"],[2,"v1","aborted"],[1,"v2","promoted"]]'
	check "rollout history" lab_ctl rollout history
	check "rollout why NUMBER" lab_ctl rollout why 2
	check_exit "rollout why of none" 1 lab_ctl rollout why 77
	check_equal "what an operator did is there" "$(lab_ctl rollout why 2 -j | jq -c '[.decisions[].decision] |
		map(select(. != "advance")) | [.[0], .[-3:]]')" '["start",["pause","resume","abort"]]'
}

checkout_up rollout
mapfile -t SOURCES < <(lab_sources 4)
start_load
test_promoted
lab_stop load INT
test_no_data
test_verbs
test_nothing_runs
test_new_version
test_history
test_contradiction
plan
