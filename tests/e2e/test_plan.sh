#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A plan that cannot decide at the service's real traffic is refused, by canaryctl plan and by a start, with what could;
# force starts it all the same and is noted.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# A minute is not enough for the second step at ten requests a second, but is at fifteen hundred.
STEPS='[{weight: 20, min_s: 1, max_s: 36000}, {weight: 50, min_s: 1, max_s: 60}, {weight: 100, min_s: 1, max_s: 36000}]'

traffic() { curl -s --unix-socket "$LAB_SOCKET" http://localhost/v1/services/checkout/traffic | jq -r "$1"; }
rate_is_known() { [ "$(traffic '.rate != null')" = true ]; }
post() { curl -s --unix-socket "$LAB_SOCKET" -o "$LAB_DIR/answer" -w '%{http_code}' -d "$1" http://localhost/v1/rollouts; }
one_line() { "$@" 2>&1 | tr -s ' \n' ' '; }
state() { checkout '[.rollout.state, .canary, (.weight.applied * 100 | round)] | @json'; }

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate "$1" --duration 250 --timeout 3
}

test_unknown() {
	check_exit "without traffic there is no plan" 1 lab_ctl plan checkout
	check "but a start" lab_ctl rollout start checkout
	lab_ctl rollout abort checkout >/dev/null
	check "that says so" grep -q "whether this plan can decide is not known" <<<"$(one_line lab_ctl rollout start checkout)"
	lab_ctl rollout abort checkout >/dev/null
}

test_refused() {
	lab_wait_for 30 "the traffic to be known" rate_is_known || bail "the traffic does not get known"
	check_within "the traffic is what it is" "$(traffic .rate)" 1 40
	check_exit "a plan that cannot decide" 1 lab_ctl plan checkout
	check "names step, share or time" grep -qE \
		"step 2 of 3, 50 %, cannot decide: at [0-9.]+ requests/s.*takes about .*max_s is 60 s raise its max_s to" \
		<<<"$(one_line lab_ctl plan checkout)"
	check_exit "a start of it" 1 lab_ctl rollout start checkout
	check "says the same" grep -qE "step 2 of 3, 50 %, cannot decide.*--force" <<<"$(one_line lab_ctl rollout start checkout)"
	check_equal "the API: 409" "$(post '{"service": "checkout"}')" 409
	check "undecidable" jq -e '.error.code == "undecidable" and (.error.mend | test("max_s"))' "$LAB_DIR/answer"
	check_equal "nothing has changed" "$(state)" '["aborted",null,0]'
	check_equal "with a backend of its own too" "$(post "{\"service\": \"checkout\", \"canary\": \"v3\",
		\"backends\": [\"$LAB_BACKEND4:8083\"]}")" 409
	check_equal "which is not added" "$(checkout '[.versions[].name] | @json')" '["v1","v2"]'
}

test_force() {
	check_equal "force: no truth value" "$(post '{"service": "checkout", "force": 1}')" 400
	check "--force starts it all the same" grep -q "started by force: step 2 of 3" \
		<<<"$(one_line lab_ctl rollout start checkout --force)"
	check_equal "it runs" "$(state)" '["running","v2",20]'
	check "the journal has it" grep -q "^note started by force: step 2 of 3, 50 %" <<<"$(lab_ctl rollout why checkout -j |
		jq -r '.decisions[] | "\(.decision) \(.reason)"')"
	lab_ctl rollout abort checkout >/dev/null
}

test_enough() {
	lab_stop load INT
	start_load 1500
	check "with more traffic the plan can decide" lab_wait_for 60 "canaryctl plan" lab_ctl plan checkout
	check "and starts" lab_ctl rollout start checkout
	lab_ctl rollout abort checkout >/dev/null
	lab_stop load INT
}

checkout_up plan
test_unknown
start_load 10
test_refused
test_force
test_enough
plan
