#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A record replays to what was decided also where others came in between: operators, a security report, a canary without
# backends, restarts and a kill of canaryd, and at last the kernel's breaker.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Each decision, as both the journal and a replay have them.
decisions() { jq -cs 'map(select(.decision) | [.decision, .state, .step, .weight_to, .sli, .reason])[]'; }
journal() { local id; for id in "$@"; do lab_ctl rollout why "$id" -j | jq -c '.decisions[]' | decisions; done; }

checkout_config() {
	lab_config
	cat <<-END
		record: $LAB_DIR/ticks.jsonl
		judge: {warmup_s: 1, no_data_s: 2, delta: 3, delta_promotion: 4}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {window_s: 20, min_failures: 10, ratio_percent: 20}
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8082"]}
		      - {name: v3, backends: ["$LAB_BACKEND4:8083"]}
		    rollout: {steps: [{weight: 20, min_s: 1, manual: true}, {weight: 50, min_s: 1}], bake_s: 1, undo_window_s: 600}
	END
}

checkout_serve() {
	lab_serve v1 v1 8081 --seed 1 --base-ms 1 && lab_serve v2 v2 8082 --seed 2 --base-ms 1 &&
		lab_serve v3 v3 8083 --seed 3 --base-ms 1
}

held_by() { lab_wait_for 60 "the hold: $1" is .rollout.held "$1" || bail "it is not held: $1"; }
state_is() { lab_wait_for 60 "the state $1" is .rollout.state "$1" || bail "it is not $1"; }
ctl() { lab_ctl "$@" >/dev/null || bail "canaryctl $* fails"; }
serve_again() { lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"; }
ticked() { [ "$(wc -l <"$LAB_DIR/ticks.jsonl")" -gt "$1" ]; }
# What happens between two ticks is in the record with the second one.
wait_tick() { lab_wait_for 10 "a tick" ticked $(($(wc -l <"$LAB_DIR/ticks.jsonl") + 1)); }

checkout_up hands
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 800 --duration 200 --requests-per-connection 2 --timeout 3

ctl rollout start checkout --canary v2
held_by manual
ctl rollout pause checkout
wait_tick
lab_stop canaryd
serve_again
ctl rollout resume checkout
held_by manual
ctl backend drain checkout "$LAB_BACKEND4:8082"
held_by backends
ctl backend undrain checkout "$LAB_BACKEND4:8082"
held_by manual
ctl alert raise checkout v2 --key CVE-1 --summary 'it is open'
held_by alert
ctl alert resolve checkout v2
held_by manual
ctl sli mute checkout latency --for 1h
wait_tick
lab_stop canaryd KILL
serve_again
ctl sli unmute checkout latency
ctl rollout resume checkout
state_is promoted
ctl rollout undo checkout
ctl rollout start checkout --canary v3
ctl rollout start checkout --canary v2 --replace
held_by manual
ctl rollout abort checkout
wait_tick
lab_tell v3 refuse=1 >/dev/null
check_exit "the breaker takes the last one back" 7 lab_ctl rollout start checkout --canary v3 --wait --timeout 60
wait_tick

output=$("$LAB_BUILD/canaryctl" replay -j -c "$LAB_DIR/canaryd.yaml" --service checkout "$LAB_DIR/ticks.jsonl")
check_equal "the replay comes to that, too" "$?:$(tail -n 1 <<<"$output" | jq -r .outcome)" 7:rolled_back
check_equal "by the same decisions" "$(decisions <<<"$output")" "$(journal 1 2 3 4)"
check "among them the operator's, the reports' and the breaker's" \
	[ "$(grep -cE '"(pause|resume|undo|abort)"|has no backend|security page|breaker tripped' <<<"$(journal 1 2 3 4)")" -ge 9 ]
check_equal "the record says where canaryd began, and with what" \
	"$(jq -c 'select(.restart) | .restart | [has("ticks"), .evidence]' "$LAB_DIR/ticks.jsonl" | paste -sd ' ')" \
	"[false,null] [true,true] [true,true]"
check_equal "without a plan the weights are judged, and the breaker is heard" \
	"$("$LAB_BUILD/canaryctl" replay -j --service checkout "$LAB_DIR/ticks.jsonl" | tail -n 1 | jq -r '.reason[:26]')" "the kernel's breaker tripp"
check_equal "a record without all that is one still" \
	"$(jq -c 'del(.decided, .restart, .kept, .refused, .breaker, .no_backend, .alert, .gate)' "$LAB_DIR/ticks.jsonl" |
		"$LAB_BUILD/canaryctl" replay -j --service checkout - | tail -n 1 | jq -r '.outcome | length > 0')" true
lab_stop load INT
plan
