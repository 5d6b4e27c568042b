#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hooks of every kind around real rollouts: they are asked and told in order, a no holds the rollout by name, a hook that
# hangs never moves the weight up, and a rollback waits for none.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1, max_s: 600}, {weight: 60, min_s: 1, max_s: 600}]'

hooks_config() {
	checkout_config
	cat <<-END
		    hooks:
		      - {on: before_start, name: freeze, command: "$LAB_DIR/hook freeze"}
		      - {on: gate, name: tickets, url: "http://127.0.0.1:9300/gate", timeout_s: 3}
		      - {on: before_step, name: scale, command: "$LAB_DIR/hook scale", timeout_s: 20}
		      - {on: after_step, name: chat, url: "http://127.0.0.1:9300/after"}
		      - {on: promoted, name: party, command: "$LAB_DIR/hook party"}
		      - {on: rolled_back, name: sorry, command: "$LAB_DIR/hook sorry"}
		      - {on: rolled_back, name: deaf, command: "echo nobody is here >&2; exit 4"}
	END
}

# A hook that writes down what it was called for, and does what its file says.
make_hook() {
	cat >"$LAB_DIR/hook" <<-END
		#!/bin/sh
		jq -c "{hook, event, weight_from, weight_to, canary, baseline}" >>$LAB_DIR/calls
		if [ -e "$LAB_DIR/\$1.does" ]; then . "$LAB_DIR/\$1.does"; fi
	END
	chmod 755 "$LAB_DIR/hook"
	touch "$LAB_DIR/calls"
}

answer() { printf '%s\n%s\n' "$2" "${3:-}" >"$LAB_DIR/sink.answers/$1"; }
calls() { jq -r --arg hook "$1" 'select(.hook == $hook) | "\(.event) \(.weight_from) \(.weight_to)"' "$LAB_DIR/calls"; }
called() { [ "$(calls "$1" | wc -l)" -ge "${2:-1}" ]; }
requests() { jq -c --arg path "$1" 'select(.path == $path) | .body' "$LAB_DIR/sink.requests" 2>/dev/null; }
asked() { [ "$(requests "$1" | wc -l)" -ge "${2:-1}" ]; }
reason_has() { checkout .rollout.reason | grep -qE -- "$1"; }
why_has() { lab_ctl rollout why checkout -j | jq -r '.decisions[].reason' | grep -qE -- "$1"; }
start() { lab_ctl rollout start checkout; }

test_before_start() {
	echo 'echo "frozen until Monday" >&2; exit 1' >"$LAB_DIR/freeze.does"
	check_exit "a start that a hook does not want fails" 1 start
	check "it names the hook and its last line" \
		grep -qE 'freeze.*exit status 1: frozen until Monday' <<<"$(start 2>&1)"
	check_equal "no rollout was begun" "$(checkout .rollout)" null
	check_equal "the API says 409" "$(curl -s -o "$LAB_DIR/answer" -w '%{http_code}' --unix-socket "$LAB_SOCKET" \
		-d '{"service": "checkout"}' http://canaryd/v1/rollouts)" 409
	check "and why" jq -e '.error.code == "conflict" and (.error.message | test("freeze.*frozen until Monday"))' "$LAB_DIR/answer"
	rm "$LAB_DIR/freeze.does"
}

# Started in the background, as it waits for a hook that hangs.
test_start_hangs() {
	local starter code
	echo 'exec sleep 1000' >"$LAB_DIR/freeze.does"
	start >"$LAB_DIR/start.out" 2>&1 &
	starter=$!
	check "a start waits for a hook that hangs" lab_wait_for 20 "the question" is .starting.hook 'freeze (before_start)'
	check "status names it" grep -qE 'the start of v2 waits: hook freeze' <<<"$(lab_ctl status | tr -s ' \n' ' ')"
	check "so does why" grep -qE 'the start of v2 waits: hook freeze' <<<"$(lab_ctl rollout why checkout 2>/dev/null | tr -s ' \n' ' ')"
	check_exit "another start is refused" 1 start
	check "an operator gets out of it" lab_ctl rollout abort checkout
	wait "$starter"
	code=$?
	check_equal "the start has failed" "$code" 1
	check "for that reason" grep -q 'not started: aborted by an operator' "$LAB_DIR/start.out"
	check_equal "no rollout was begun" "$(checkout '[.rollout, .starting]' | tr -d ' \n')" '[null,null]'
	check_exit "there is nothing more to abort" 1 lab_ctl rollout abort checkout
	check "and nothing of the hook is left" lab_wait_for 10 "the end of the hook" no_sleep
	rm "$LAB_DIR/freeze.does"
}

test_gate() {
	answer gate 403 'CHG-7 is not approved'
	check "a start that all agree to" start
	check "the first step's hook ran before" grep -qx 'before_step 0 0.2' <<<"$(calls scale)"
	lab_wait_for 60 "the gate to be asked" asked /gate || return
	check "a gate's no holds the rollout" lab_wait_for 20 "the hold" is .rollout.held gate
	check "by its name and answer" reason_has 'gate tickets does not agree: answered 403: CHG-7 is not approved'
	check_equal "the weight stays" "$(checkout .weight.wanted)" 0.2
	check "it is asked again" lab_wait_for 30 "the second question" asked /gate 2
	check_equal "the weight stays all the same" "$(checkout .weight.wanted)" 0.2
	check_equal "with what it is about" "$(requests /gate | head -1 | jq -c '[.event, .hook, .service, .canary, .baseline, .step, .weight_from, .weight_to]')" \
		'["gate","tickets","checkout","v2","v1",1,0.2,0.6]'
	check "and evidence" jq -e '.evidence.value >= .evidence.bound and .counts.canary.attempts > 0' <<<"$(requests /gate | head -1)"
}

test_gate_hangs() {
	answer gate 0
	check "a gate that hangs holds it too" lab_wait_for 40 "the hold by silence" reason_has 'gate tickets does not agree: no answer within 3 s'
	check "rollout why names it" grep -q 'gate tickets does not agree: no answer within 3 s' <<<"$(lab_ctl rollout why checkout | tr -s ' \n' ' ')"
	lab_wait_for 40 "the question that hangs" asked /gate 3
	check_equal "and the weight stays" "$(checkout .weight.wanted)" 0.2
}

test_promotion() {
	answer gate 204
	check "a gate that agrees lets it go" lab_wait_for 40 "the second step" called scale 2
	check_equal "a step's hook runs once" "$(calls scale | sed -n 2p)" "before_step 0.2 0.6"
	# The last step is left for the bake, and the bake for the promotion, from 60 % to all.
	check "promoted" lab_wait_for 90 "the promotion" is .rollout.state promoted
	check "the last hook before all of it" grep -qx 'before_step 0.6 1' <<<"$(calls scale)"
	check "it is told" lab_wait_for 10 "the party" called party
	check_equal "of what happened" "$(calls party)" "promoted 0.6 1"
	check "every step was told of" lab_wait_for 10 "after_step" asked /after 3
	check_equal "no step's hook ran twice" "$(calls scale | sort | uniq -d)" ""
	check "why has the gate's hold" why_has 'gate tickets does not agree'
}

test_step_fails() {
	: >"$LAB_DIR/calls"
	echo 'test "$CANARYD_WEIGHT" != 60 || { echo "no more machines"; exit 7; }' >"$LAB_DIR/scale.does"
	lab_ctl rollout start checkout --canary v1 >/dev/null || bail "the second rollout does not start"
	check "a step's hook that fails holds it for an operator" lab_wait_for 60 "the hold" is .rollout.held other
	check "by its name" reason_has 'hook scale \(before_step\) does not agree: exit status 7: no more machines'
	check_equal "the weight stays" "$(checkout .weight.wanted)" 0.2
	check_equal "it ran once" "$(calls scale | grep -c '0.2 0.6')" 1
	echo 'exec sleep 1000' >"$LAB_DIR/scale.does"
	check "resumed" lab_ctl rollout resume checkout
	check "it runs again" lab_wait_for 30 "the hook" called scale 3
}

# The step's hook hangs as the canary breaks.
test_rollback() {
	check "the canary breaks" lab_tell v1 "errors=1"
	check "the rollback waits for nobody" lab_wait_for 15 "the rollback" is .rollout.state rolled_back
	check "it is told" lab_wait_for 10 "sorry" called sorry
	check_equal "from where to where" "$(calls sorry)" "rolled_back 0.2 0"
	check "what was told in vain is in the story" lab_wait_for 15 "the note" why_has 'hook deaf \(rolled_back\) was told in vain: exit status 4: nobody is here'
	check "and nothing of the hook is left" lab_wait_for 10 "the end of the hook" no_sleep
}

no_sleep() { ! pgrep -f "^sleep 1000" -P "$(lab_pid canaryd)" >/dev/null; }

lab_up hooks || bail "the lab does not come up"
make_hook
lab_sink sink 9300 || bail "the sink does not start"
hooks_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 400 --duration 600 --timeout 3
test_before_start
test_start_hangs
test_gate
test_gate_hangs
test_promotion
test_step_fails
test_rollback
plan
