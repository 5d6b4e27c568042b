#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Alerts of real incidents at an Alertmanager and at a webhook, played by lab-sink: a canary that breaks, a service that is
# down, a rollout that is held; each is one incident, and over when it is over.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1, max_s: 600, manual: true}, {weight: 60, min_s: 1, max_s: 600}]'

# Some evidence there may be by chance, and a ticket for it: drift is off.
alerts_config() {
	checkout_config
	cat <<-END
		alerts:
		  - {url: "http://127.0.0.1:9093", kind: alertmanager}
		  - {url: "http://127.0.0.1:9094/hook", kind: webhook}
		alert_rules: {drift: off, held_s: 3, repeat_s: 2, resolve_s: 3, runbook_url: "https://runbooks.example/"}
	END
}

# What the Alertmanager was told, alert by alert; and the webhook.
told() { jq -c '.body[]' "$LAB_DIR/alertmanager.requests" 2>/dev/null; }
hooked() { jq -c '.body' "$LAB_DIR/webhook.requests" 2>/dev/null; }
# fired NAME, resolved NAME: by the webhook
fired() { hooked | jq -se --arg name "$1" 'any(.[]; .labels.alertname == $name and .status == "firing")'; }
resolved() { hooked | jq -se --arg name "$1" 'any(.[]; .labels.alertname == $name and .status == "resolved")'; }
# repeated NAME TIMES: to the Alertmanager
repeated() { [ "$(told | jq -c --arg name "$1" 'select(.labels.alertname == $name)' | wc -l)" -ge "$2" ]; }
labels_of() { told | jq -cS --arg name "$1" 'select(.labels.alertname == $name) | .labels' | sort -u; }

test_quiet() {
	lab_wait_for 20 "traffic" is '(.versions[] | select(.role == "baseline") | .attempts > 500)' true
	check_equal "nothing is told while all is well" "$(told)$(hooked)" ""
}

test_held() {
	check "a rollout starts" lab_ctl rollout start checkout
	lab_wait_for 60 "the hold" is .rollout.held manual || return
	check "held for long, there is a ticket" lab_wait_for 20 "RolloutHeld" fired RolloutHeld
	check "an Alertmanager is told again and again" lab_wait_for 20 "three times" repeated RolloutHeld 3
	check_equal "of one incident" "$(labels_of RolloutHeld)" \
		'{"alertname":"RolloutHeld","service":"checkout","severity":"ticket","version":"v2"}'
	check "which ends in the future" jq -e '.endsAt > .startsAt' <<<"$(told | head -1)"
	check "with a runbook" grep -q 'https://runbooks.example/RolloutHeld' <<<"$(told | head -1)"
	check_equal "the webhook once" "$(hooked | wc -l)" 1
	check "it is in the status" jq -e '.alerts.firing[0].alertname == "RolloutHeld" and .alerts.receivers[0].sent > 0' \
		<<<"$(lab_ctl status -j)"
}

# In the middle of the incident: it goes on, with the labels and the beginning that it had.
test_restart() {
	local before
	before=$(told | wc -l)
	lab_stop canaryd
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check "the next daemon tells the Alertmanager on" lab_wait_for 30 "two more" repeated RolloutHeld $((before + 2))
	check_equal "of the same incident" "$(told | jq -c 'select(.labels.alertname == "RolloutHeld") | .startsAt' | sort -u | wc -l)" 1
	check_equal "and the webhook nothing more" "$(hooked | wc -l)" 1
}

test_error_delta() {
	check "the canary breaks" lab_tell v2 "errors=0.5"
	lab_wait_for 30 "the rollback" is .rollout.state rolled_back || return
	check "a page for the difference" lab_wait_for 10 "CanaryErrorDelta" fired CanaryErrorDelta
	check_equal "of the canary" "$(labels_of CanaryErrorDelta)" \
		'{"alertname":"CanaryErrorDelta","service":"checkout","severity":"page","version":"v2"}'
	check "a ticket for the rollback" lab_wait_for 10 "RolloutRolledBack" fired RolloutRolledBack
	check "the hold is over" lab_wait_for 20 "its end" resolved RolloutHeld
	check "so is the difference" lab_wait_for 40 "its end" resolved CanaryErrorDelta
	check "the rollback is still a ticket" jq -e '[.alerts.firing[].alertname] == ["RolloutRolledBack"]' <<<"$(lab_ctl status -j)"
}

test_service_down() {
	check "the baseline fails" lab_tell v1 "refuse=1"
	check "a page" lab_wait_for 30 "ServiceDown" fired ServiceDown
	check_equal "of the baseline" "$(labels_of ServiceDown)" \
		'{"alertname":"ServiceDown","service":"checkout","severity":"page","version":"v1"}'
	lab_tell v1 clear >/dev/null
	check "over when it serves again" lab_wait_for 40 "its end" resolved ServiceDown
	check_equal "each began once and ended once" "$(hooked | jq -r '"\(.labels.alertname) \(.status)"' | sort | uniq -d)" ""
}

test_receiver_gone() {
	lab_stop webhook
	lab_tell v1 "refuse=1" >/dev/null
	check "a receiver that is gone" lab_wait_for 30 "a failed try" receiver 1 '.failed > 0 and .waiting > 0'
	lab_sink webhook 9094
	check "gets what it missed" lab_wait_for 60 "the delivery" receiver 1 '.waiting == 0'
	check "and nothing was dropped" receiver 1 '.dropped == 0'
}

receiver() { lab_ctl status -j | jq -e ".alerts.receivers[$1] | $2"; }

lab_up alerts || bail "the lab does not come up"
lab_sink alertmanager 9093 || bail "the Alertmanager does not start"
lab_sink webhook 9094 || bail "the webhook does not start"
alerts_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 400 --duration 600 --timeout 3
test_quiet
test_held
test_restart
test_error_delta
test_service_down
test_receiver_gone
plan
