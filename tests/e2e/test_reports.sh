#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Others report a version as a security problem: it is not released, a rollout of it is held or goes back, the receivers
# of alerts are told once, and a restart of canaryd forgets nothing.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1000, max_s: 2000}, {weight: 60, min_s: 1, max_s: 600}]'

reports_config() {
	checkout_config
	cat <<-END
		alerts:
		  - {url: "http://127.0.0.1:9095/hook", kind: webhook}
		alert_rules: {resolve_s: 3, rolled_back: off}
	END
}

# post ROUTE BODY: the status and, in $LAB_DIR/answer, what it answers.
post() {
	curl -s -o "$LAB_DIR/answer" -w '%{http_code}' --unix-socket "$LAB_SOCKET" -d "$2" "http://canaryd/v1/$1"
}
answered() { jq -r '.error.message' "$LAB_DIR/answer" | grep -qE -- "$1"; }
raise() { lab_ctl alert raise checkout "$@"; }
resolve() { lab_ctl alert resolve checkout "$@"; }
# What the webhook was told, line by line: "firing v2 CVE-1"
hooked() { jq -r '.body | "\(.status) \(.labels.version) \(.labels.key // "-")"' "$LAB_DIR/webhook.requests" 2>/dev/null; }
told() { [ "$(hooked | grep -cx -- "$1")" -eq "${2:-1}" ]; }
reason_has() { checkout .rollout.reason | grep -qE -- "$1"; }
why_has() { lab_ctl rollout why checkout | tr -s ' \n' ' ' | grep -qE -- "$1"; }

test_bad_input() {
	check_equal "no JSON: 400" "$(post alerts 'CVE-1 in v2')" 400
	check_equal "no summary: 400" "$(post alerts '{"service": "checkout"}')" 400
	check "it names the field" answered '^summary: is missing'
	check_equal "a severity that is none: 400" "$(post alerts '{"service": "checkout", "summary": "s", "severity": "high"}')" 400
	check "it names the field" answered '^severity: "high" is none'
	check_equal "no such version: 404" "$(post alerts '{"service": "checkout", "summary": "s", "version": "v9"}')" 404
	check "it names the field" answered '^version: service checkout has no version v9'
	check_equal "no such service: 404" "$(post alerts '{"service": "nope", "summary": "s"}')" 404
	check_equal "nothing to resolve: 404" "$(post alerts/resolve '{"service": "checkout"}')" 404
	check_exit "canaryctl wants a summary" 2 raise v2
	check_exit "and one action" 2 raise v2 --summary s --hold --rollback
}

test_before_a_rollout() {
	check "a version is reported" raise v2 --summary 'it is open'
	check_exit "it is not released" 1 lab_ctl rollout start checkout
	check "for that reason" grep -qE 'security page from uid [0-9]+: it is open' <<<"$(lab_ctl rollout start checkout 2>&1)"
	check_equal "by 409" "$(post rollouts '{"service": "checkout"}')" 409
	check_equal "nothing has begun" "$(checkout .rollout)" null
	check "the receivers are told" lab_wait_for 20 "the alert" told 'firing v2 -'
	check "resolved" resolve v2
	check "they are told of that too" lab_wait_for 20 "its end" told 'resolved v2 -'
	check "it is released now" lab_ctl rollout start checkout
}

test_hold() {
	check "the canary is reported" raise --key CVE-1 --summary 'remote code execution' --description 'libfoo 1.2'
	check "the rollout is held" lab_wait_for 20 "the hold" is .rollout.held alert
	check "by the words of the report" reason_has "^security page from uid $(id -u): remote code execution$"
	check_equal "the weight stays" "$(checkout .weight.wanted)" 0.2
	check "the receivers are told" lab_wait_for 20 "the alert" told 'firing v2 CVE-1'
	check "status shows it" grep -qE 'page SecurityAlert of v2 \(CVE-1\) remote code execution .*holds a rollout' \
		<<<"$(lab_ctl status | tr -s ' \n' ' ')"
	check "why has who reported it" why_has "noted at 20 % v2: security page from uid $(id -u): remote code execution"
	check_exit "a promotion is refused" 1 lab_ctl rollout promote checkout
	check_exit "so is going on" 1 lab_ctl rollout resume checkout
	check_exit "a wait for the outcome ends undecided" 8 lab_ctl rollout wait checkout --timeout 60
	check "a ticket holds nothing, and is another" raise --severity ticket --summary 'an old library'
	check "the receivers are told of it" lab_wait_for 20 "the ticket" told 'firing v2 -' 2
}

test_restart() {
	lab_stop canaryd
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check "after a restart it is held on" lab_wait_for 20 "the hold" is .rollout.held alert
	check_equal "by two reports" "$(lab_ctl status -j | jq -c '[.alerts.firing[].key] | sort')" '["","CVE-1"]'
	check "resolved" resolve --key CVE-1
	check "the hold is over" lab_wait_for 20 "its end" is '.rollout.held == "alert"' false
	check "the receivers are told" lab_wait_for 20 "its end" told 'resolved v2 CVE-1'
	check "and nobody twice" told 'firing v2 CVE-1'
	check "why has who resolved it" why_has "v2: resolved by uid $(id -u): security page: remote code execution"
	check "the ticket too" resolve
	check "its end is told" lab_wait_for 20 "its end" told 'resolved v2 -' 2
}

test_time() {
	check "a report with an end" raise --key CVE-2 --summary 'a flood' --for 1
	check "begins" lab_wait_for 20 "the alert" told 'firing v2 CVE-2'
	check "and is over" lab_wait_for 20 "its end" told 'resolved v2 CVE-2'
	check "which why has" why_has 'v2: its time is over: security page from uid [0-9]+: a flood'
	check "one of the baseline holds nothing" raise v1 --summary 'an old kernel'
	check "it is told" lab_wait_for 20 "the alert" told 'firing v1 -'
	check "the rollout goes on" is '.rollout.held == "alert" or .rollout.ended != null' false
}

test_rollback() {
	check "a report that takes the canary back" raise --key CVE-3 --summary 'a back door' --rollback
	check "does" lab_wait_for 20 "the rollback" is .rollout.state rolled_back
	check_equal "the weight is 0" "$(checkout .weight.wanted)" 0
	check "for that reason" reason_has '^security page from uid [0-9]+: a back door$'
	check_exit "and it is not released again" 1 lab_ctl rollout start checkout
}

lab_up rep || bail "the lab does not come up"
lab_sink webhook 9095 || bail "the webhook does not start"
reports_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 100 --duration 600 --timeout 3
test_bad_input
test_before_a_rollout
test_hold
test_restart
test_time
test_rollback
plan
