#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A full disk: a canary that fails is taken back all the same, and it is written down when there is room; nothing moves
# up that could not be written.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

fill() { dd if=/dev/zero of="$LAB_STATE_DIR/ballast" bs=4k 2>/dev/null; }
make_room() { rm "$LAB_STATE_DIR/ballast"; }
decisions() { lab_ctl rollout why checkout -j | jq -c '[.decisions[].decision]'; }
served() { [ "$(lab_kernel v2 | jq '.connections // 0')" -ge "$1" ]; }
logged() { grep -q "$1" "$LAB_DIR/canaryd.log"; }
written() { [ "$(decisions)" = "$1" ]; }

start_load() {
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 800 --duration 200 \
		--requests-per-connection 2 --timeout 3 "${SOURCES[@]}"
}

test_no_way_up() {
	fill
	check_exit "a rollout that cannot be written does not start" 1 lab_ctl rollout start checkout
	check_equal "nothing has changed" "$(checkout '[.canary, .weight.applied] | @json')" '[null,0]'
	make_room
	check_exit "with room it starts" 0 lab_ctl rollout start checkout
	fill
	lab_wait_for 60 "a decision that is refused" logged 'journal.db'
	check_equal "a step that cannot be written is not taken" "$(checkout '[.rollout.step, (.weight.applied * 100 | round)] | @json')" '[0,20]'
	make_room
	lab_wait_for 20 "the step" is .rollout.step 1
	check_equal "with room it is taken" $? 0
	lab_ctl rollout abort checkout >/dev/null
}

test_way_back() {
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	lab_wait_for 20 "the canary's traffic" served $(($(lab_kernel v2 | jq .connections) + 50))
	fill
	lab_tell v2 refuse=1 >/dev/null
	lab_wait_for 30 "the rollback" is .rollout.state rolled_back
	check_equal "a canary that fails is taken back" "$(checkout '[.canary, .weight.applied] | @json')" '[null,0]'
	lab_wait_for 15 "the daemon to say that it is not written" logged 'yet to be written'
	check_equal "the daemon says that it is not written" $? 0
	check_equal "and it is not" "$(decisions)" '["start"]'
	make_room
	lab_wait_for 10 "it to be written" written '["start","roll_back"]'
	check_equal "with room it is written" "$(decisions)" '["start","roll_back"]'
}

# The daemon dies with the rollback unwritten: the next one does not try the canary again.
test_died_unwritten() {
	lab_tell v2 clear >/dev/null
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	lab_wait_for 20 "the canary's traffic" served $(($(lab_kernel v2 | jq .connections) + 50))
	fill
	lab_tell v2 refuse=1 >/dev/null
	lab_wait_for 30 "the rollback" is .rollout.state rolled_back
	lab_stop canaryd KILL
	make_room
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check_equal "killed with the rollback unwritten: the next daemon keeps to it" \
		"$(checkout '[.rollout.state, .canary, .weight.applied] | @json')" '["rolled_back",null,0]'
	check_equal "and it is written now" "$(decisions | jq -r '.[-1]')" roll_back
}

lab_up full-disk || bail "the lab does not come up"
mount -t tmpfs -o size=2m tmpfs "$LAB_STATE_DIR" || bail "no tmpfs"
lab_on_exit 'lab_stop canaryd; umount "$LAB_STATE_DIR"'
checkout_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
start_load
test_no_way_up
test_way_back
test_died_unwritten
plan
