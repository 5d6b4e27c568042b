#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an operator can rely on around a rollout: blue/green and the way back, a canary in the place of another, A/B,
# expiry, blackouts; with real traffic, and with the daemon restarted in between.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# config ROLLOUT [LINE [BUDGET]]: the service with three versions; ROLLOUT in braces, LINE on the top level.
config() {
	lab_config
	cat <<-END
		${2:-}
		judge: {warmup_s: 1, no_data_s: 5, budget_failures: ${3:-0}}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    syn_timeout_s: 1
		    response_timeout_s: 2
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8082"]}
		      - {name: v3, backends: ["$LAB_BACKEND4:8083"]}
		    rollout: $1
	END
}

# with ROLLOUT [LINE]: canaryd, started again with that configuration; the journal is the same.
with() {
	lab_stop canaryd
	config "$@" >"$LAB_DIR/canaryd.yaml"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
}

state() { checkout '.rollout.state'; }
reason() { checkout '.rollout.reason'; }
rollout() { lab_ctl rollout "$@"; }
decisions() { rollout why checkout -j | jq -r '[.decisions[].decision] | join(" ")'; }

# one_line CMD…: what it said, however it was wrapped
one_line() { "$@" 2>&1 | tr -s ' \n' ' '; }

# all_to VERSION WHAT: every new connection from now on goes there.
all_to() {
	load --to "$LAB_VIP4:80" --rate 500 --count 200 --timeout 3
	check_equal "$2" "$(of "$REPORT" '.versions')" "{\"$1\":200}"
}

STILL='{steps: [{weight: 20, min_s: 600, max_s: 3600}, {weight: 100}]}' # a rollout that stays where it is

test_blue_green_and_undo() {
	local generation
	with '{steps: [{weight: 100, min_s: 1}], bake_s: 1, undo_window_s: 600}'
	check_exit "undo before there was a rollout" 1 rollout undo checkout
	check_exit "blue/green is promoted" 0 rollout start checkout --canary v2 --wait --timeout 60
	check_equal "in one step and a bake" "$(decisions)" "start advance promote"
	all_to v2 "the new version serves"
	generation=$(checkout .generation)
	check "undo" rollout undo checkout
	check_equal "the old version is the baseline again" "$(checkout '"\(.baseline) \(.canary) \(.weight.applied)"')" "v1 null 0"
	check_equal "in a generation of its own" "$(checkout .generation)" $((generation + 1))
	all_to v1 "every new connection goes to it"
	check_equal "the rollout says so" "$(state)" undone
	check "and why" grep -q "undone by an operator" <<<"$(reason)"
	with "$STILL"
	check_equal "a restart of the daemon changes nothing of it" "$(checkout '"\(.baseline) \(.rollout.state)"')" "v1 undone"
	check_exit "what is undone cannot be undone again" 1 rollout undo checkout
	check "and the message says why" grep -q "is undone, not promoted" <<<"$(one_line rollout undo checkout)"
}

test_undo_too_late() {
	with '{steps: [{weight: 100, min_s: 1}], bake_s: 1, undo_window_s: 0.5}'
	rollout start checkout --canary v2 >/dev/null && rollout promote checkout >/dev/null || bail "no promotion"
	sleep 1
	check_exit "undo after the window" 1 rollout undo checkout
	check "names the window and the mend" grep -q "undo_window_s.*0.5\|500 ms.*rollout start checkout --canary v1" \
		<<<"$(one_line rollout undo checkout)"
	check_equal "nothing has changed" "$(checkout .baseline)" v2
	rollout start checkout --canary v1 >/dev/null && rollout promote checkout >/dev/null || bail "no way back to v1"
}

test_replace() {
	local id
	with "$STILL"
	rollout start checkout --canary v2 >/dev/null || bail "v2 does not start"
	id=$(checkout .rollout.id)
	check_exit "another canary meanwhile" 1 rollout start checkout --canary v3
	check "is told of --replace" grep -q -- "--canary v3 --replace" <<<"$(one_line rollout start checkout --canary v3)"
	check_exit "a canary that is none" 1 rollout start checkout --canary v9 --replace
	check_equal "has ended nothing" "$(checkout '"\(.canary) \(.rollout.state)"')" "v2 running"
	check "--replace" rollout start checkout --canary v3 --replace
	check_equal "the new one is at its first step" "$(checkout '"\(.canary) \(.rollout.state) \(.weight.applied * 100 | round)"')" \
		"v3 running 20"
	check_equal "the old one is aborted" "$(rollout why "$id" -j | jq -r .state)" aborted
	check "superseded, it says" grep -q "superseded by v3" <<<"$(rollout why "$id" -j | jq -r .reason)"
	check "the same again is refused" grep -q "under way" <<<"$(one_line rollout start checkout --canary v3 --replace)"
	rollout abort checkout >/dev/null
}

test_ab() {
	with '{steps: [{weight: 50, min_s: 1, max_s: 4}], promote: never}'
	check_exit "an A/B test ends by its time, with 0" 0 rollout start checkout --canary v2 --wait --timeout 60
	check_equal "completed, and nothing is promoted" "$(checkout '"\(.rollout.state) \(.baseline) \(.weight.applied)"')" \
		"completed v1 0"
	check "it says what was measured" grep -q "complete after .*: errors: canary" <<<"$(reason)"
}

test_adaptive() {
	with '{steps: [{weight: 10, min_s: 1}, {weight: 30, min_s: 1}, {weight: 100, min_s: 1}], bake_s: 1, adaptive: true}' '' 60
	check_exit "adaptive steps lead to the same end" 0 rollout start checkout --canary v2 --wait --timeout 120
	check "each with its arithmetic" test "$(rollout why checkout -j | jq '[.decisions[] | select(.reason |
		test("% next: a regression of 3 times would cost .* failures .* of 60 are left"))] | length')" -ge 2
	rollout why checkout -j | jq -r '.decisions[] | "# \(.decision) \(.weight_to) \(.reason)"'
	rollout undo checkout >/dev/null || bail "no way back to v1"
}

test_expiry() {
	with '{steps: [{weight: 20, min_s: 600, max_s: 3600}], expire_s: 4}'
	rollout start checkout --canary v2 >/dev/null && rollout pause checkout >/dev/null || bail "no pause"
	check "a paused rollout expires" lab_wait_for 30 "the expiry" is .rollout.state aborted
	check "and says so" grep -q "^expired: paused for" <<<"$(reason)"
	check_equal "after a warning" "$(decisions)" "start pause pause abort"
	check_equal "and the weight is 0" "$(checkout .weight.applied)" 0
}

test_blackout() {
	local window
	window="blackouts: [{from: $(date -d '1 hour ago' +%Y-%m-%dT%H:%M), to: $(date -d '1 hour' +%Y-%m-%dT%H:%M)}]"
	with "$STILL"
	rollout start checkout --canary v2 >/dev/null || bail "v2 does not start"
	with "$STILL" "$window"
	check "in a blackout the rollout is held" lab_wait_for 15 "the hold" is .rollout.held blackout
	check_exit "and not promoted" 1 rollout promote checkout
	with "$STILL"
	check "after it, it goes on by itself" lab_wait_for 30 "the resumption" is .rollout.state running
	with "$STILL" "$window"
	lab_tell v2 errors=0.5 >/dev/null
	check "a bad canary is taken back in a blackout too" lab_wait_for 60 "the rollback" is .rollout.state rolled_back
	lab_tell v2 errors=0 >/dev/null
	check_exit "a start in a blackout" 1 rollout start checkout --canary v2
	check "names its end" grep -q "open until 20" <<<"$(one_line rollout start checkout --canary v2)"
}

lab_up policy || bail "the lab does not come up"
for i in 1 2 3; do
	lab_serve "v$i" "v$i" "808$i" --seed "$i" --base-ms 1 || bail "the servers do not start"
done
config "$STILL" >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t sources < <(lab_sources 4)
lab_start traffic client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 500 --duration 280 \
	--requests-per-connection 4 --timeout 3 "${sources[@]}"
test_blue_green_and_undo
test_undo_too_late
test_replace
test_ab
test_adaptive
test_expiry
test_blackout
plan
