#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What canaryd records replays to the same decisions at the same ticks: a rollout that an SLI and a hook hold before it is
# promoted, then one that is taken back; and a record that cannot be written is in nobody's way.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Each decision of the last rollout, as both the journal and a replay have them.
decisions() { jq -cs 'map(select(.decision) | [.decision, .state, .step, .weight_to, .sli, .reason])'; }
journal() { lab_ctl rollout why "$1" -j | jq -c '.decisions[]' | decisions; }
replay() { "$LAB_BUILD/canaryctl" replay -j -c "$LAB_DIR/canaryd.yaml" --service checkout "$@"; }

# The times of the decisions, in ticks of the record.
ticks_of() { jq -cs 'map(select(.decision) | .t)'; }
journal_times() { lab_ctl rollout why "$1" -j | jq -c '[.decisions[1:][].t]'; }

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 800 --duration 120 \
		--requests-per-connection 2 --timeout 3
}

checkout_config() {
	lab_config
	cat <<-END
		record: $LAB_DIR/ticks.jsonl
		judge: {warmup_s: 1, no_data_s: 2, delta: 3, delta_promotion: 4}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {enabled: false}
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8082"]}
		      - {name: v3, backends: ["$LAB_BACKEND4:8083"]}
		    rollout: {steps: [{weight: 20, min_s: 1}, {weight: 100, min_s: 1}], bake_s: 1}
		    hooks: [{on: gate, name: tickets, command: "test -e $LAB_DIR/approved"}]
		    slis: [{name: login, kind: exec, command: "test ! -e $LAB_DIR/locked", interval_s: 2, timeout_s: 2, gate: true, for_s: 0}]
	END
}

checkout_serve() {
	lab_serve v1 v1 8081 --seed 1 --base-ms 1 && lab_serve v2 v2 8082 --seed 2 --base-ms 1 &&
		lab_serve v3 v3 8083 --seed 3 --base-ms 1
}

# The times in the journal are taken after the tick's work, those of the record before: less than a tick apart.
check_times() {
	check_equal "$1" "$(jq -cn --argjson a "$2" --argjson b "$3" '[$a, $b] | transpose | all(.[0] - .[1] | fabs < 0.2)')" true ||
		note "$2 $3"
}

grown() { [ "$(wc -c <"$LAB_DIR/ticks.jsonl")" -gt $(($1 + 2000)) ]; }

checkout_up record
start_load
touch "$LAB_DIR/locked"
lab_ctl rollout start checkout --canary v2 >/dev/null || bail "the rollout does not start"
check "an SLI beyond the packet holds" lab_wait_for 60 "the hold" is .rollout.held sli
rm "$LAB_DIR/locked"
check "a hook holds" lab_wait_for 60 "the gate" is .rollout.held gate
touch "$LAB_DIR/approved"
check "a good canary is promoted" lab_ctl rollout wait checkout --timeout 90
sleep 1
cp "$LAB_DIR/ticks.jsonl" "$LAB_DIR/promoted.jsonl"
output=$(replay "$LAB_DIR/promoted.jsonl")
check_equal "its replay is promotable" "$?:$(tail -n 1 <<<"$output" | jq -r .outcome)" 0:promotable
check_equal "with the same decisions" "$(decisions <<<"$output")" "$(journal 1)"
check_times "at the same ticks" "$(ticks_of <<<"$output" | jq -c '.[1:]')" "$(journal_times 1)"

lab_tell v3 errors=0.2 >/dev/null
check_exit "a bad one is taken back" 7 lab_ctl rollout start checkout --canary v3 --wait --timeout 60
sleep 1
cp "$LAB_DIR/ticks.jsonl" "$LAB_DIR/both.jsonl"
output=$(replay "$LAB_DIR/both.jsonl")
check_equal "the replay of both ends with the rollback" "$?:$(tail -n 1 <<<"$output" | jq -r .outcome)" 7:rolled_back
check_equal "with the same decisions again" "$(decisions <<<"$output")" \
	"$(jq -cn --argjson a "$(journal 1)" --argjson b "$(journal 2)" '$a + $b')"
check_equal "with another constant it goes another way" \
	"$(replay --guard-failures 1e6 --margin 90 --margin-promotion 95 --p0-rollback 0.5 "$LAB_DIR/both.jsonl" | tail -n 1 | jq -r .outcome)" undecided
check_exit "cut in the middle of a line it is read up to there" 7 bash -c \
	"head -c -40 '$LAB_DIR/both.jsonl' | '$LAB_BUILD/canaryctl' replay -j -c '$LAB_DIR/canaryd.yaml' --service checkout -"

# The host dies in the middle of a line: the next daemon goes on behind the last whole one.
lab_stop canaryd KILL
truncate -s -40 "$LAB_DIR/ticks.jsonl"
size=$(wc -c <"$LAB_DIR/ticks.jsonl")
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_wait_for 10 "more lines" grown "$size"
check "a record that was cut off goes on with a whole line" jq -es 'length > 0' "$LAB_DIR/ticks.jsonl"
check_exit "and replays to the end" 7 replay "$LAB_DIR/ticks.jsonl"

rm "$LAB_DIR/ticks.jsonl"
lab_stop canaryd
mkdir "$LAB_DIR/ticks.jsonl"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
check "a record that cannot be written is named" lab_wait_for 10 "the warning" grep -q "cannot record" "$LAB_DIR/canaryd.log"
check_equal "and in nobody's way" "$(checkout .baseline)" v2
lab_stop load INT
plan
