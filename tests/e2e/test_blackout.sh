#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Alerts around a blackout window: while it is open nobody is told of anything, and what is over by its end is never told;
# afterwards they are told what is so then. The window's end comes by the clock that canaryd sees.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1, max_s: 600}, {weight: 50, min_s: 1000, max_s: 2000}]'

blackout_config() {
	lab_config
	echo "blackouts: [{from: $(date -d '1 hour ago' +%Y-%m-%dT%H:%M), to: $(date -d '1 hour' +%Y-%m-%dT%H:%M)}]"
	echo 'alert_rules: {held_s: 1, repeat_s: 1, resolve_s: 2}'
	checkout_config | sed -n '/^judge:/,$p'
	cat <<-END
		alerts:
		  - {url: "http://127.0.0.1:9093", kind: alertmanager}
		  - {url: "http://127.0.0.1:9094/hook", kind: webhook}
	END
}

hooked() { jq -c '.body' "$LAB_DIR/webhook.requests" 2>/dev/null; }
told() { [ "$(hooked | jq -r '"\(.labels.alertname) \(.status)"' | grep -cx "$1")" -ge 1 ]; }
quiet() { ! firing "$1"; }
all() { [ "$(checkout '.versions[] | select(.name == "v1") | .attempts')" -gt "$1" ]; }

test_inside() {
	check_exit "in the window no rollout starts" 1 lab_ctl rollout start checkout
	lab_tell v1 refuse=1 >/dev/null
	check "an incident in the window is seen" lab_wait_for 40 "it" firing ServiceDown
	check_equal "and marked as not told" "$(lab_ctl status -j | jq -c '.alerts.firing | map(.told)')" '[false]'
	lab_tell v1 clear >/dev/null
	check "one that is over by its end" lab_wait_for 60 "its end" quiet ServiceDown
	lab_tell v1 refuse=1 >/dev/null
	check "another one lasts" lab_wait_for 40 "it" firing ServiceDown
	sleep 3
	check_equal "nobody has been told of it" "$(hooked | grep ServiceDown)$(grep ServiceDown "$LAB_DIR/alertmanager.requests")" ""
}

test_after() {
	lab_clock +7200
	check "after the window they are told what is so" lab_wait_for 20 "the page" told 'ServiceDown firing'
	check_equal "once, and of nothing that was over" "$(hooked | jq -r '"\(.labels.alertname) \(.status)"' | grep ServiceDown)" "ServiceDown firing"
	check "the Alertmanager too" lab_wait_for 20 "it" grep -q ServiceDown "$LAB_DIR/alertmanager.requests"
	lab_tell v1 clear >/dev/null
	check "and when it is over" lab_wait_for 60 "its end" told 'ServiceDown resolved' || note "$(lab_ctl status -j | jq .alerts) $(tail -5 "$LAB_DIR/canaryd.log")"
}

# From before the window into it, with a rollout under way, and out of it; then back.
test_rollout() {
	lab_clock -7200
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	lab_clock +0
	check "a window that opens holds the rollout" lab_wait_for 60 "the hold" is .rollout.held blackout
	sleep 3
	check_equal "at its weight" "$(checkout .weight.wanted)" 0.2
	check "and tells nobody that it is held" test "$(hooked | grep -c RolloutHeld)" -eq 0
	lab_clock +7200
	check "after it the rollout goes on" lab_wait_for 90 "the next step" is .weight.wanted 0.5 || note "$(lab_ctl status checkout; lab_ctl rollout why checkout)"
	check "rollout why has both" grep -q 'a blackout window is open until' <<<"$(lab_ctl rollout why checkout | tr -s ' \n' ' ')"
	lab_ctl rollout abort checkout >/dev/null
	lab_clock +0
}

lab_up blackout || bail "the lab does not come up"
lab_clock +0
lab_sink alertmanager 9093 || bail "the Alertmanager does not start"
lab_sink webhook 9094 || bail "the webhook does not start"
blackout_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 400 --duration 290 --timeout 3 "${SOURCES[@]}"
lab_wait_for 30 "traffic" all 500
test_rollout
test_inside
test_after
plan
