#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# canaryd --dry-run touches nothing. canaryd --shadow decides, in a journal of its own, and every flow goes to the baseline;
# a canaryd that steers takes up nothing of it.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

all_to_v1() {
	load --to "$LAB_VIP4:80" --rate 500 --count "$1" --timeout 5
	check_equal "$2" "$(outcome)" "[$1,null,0]"
}
waits_in_vain() { [ "$(checkout '[.rollout.state, .weight.wanted > 0, .weight.applied] | @json')" = "[\"$1\",true,0]" ]; }

reloaded() { [ "$(grep -c "shadow: nothing is steered" "$LAB_DIR/canaryd.log")" -gt "$1" ] && lab_ctl status; }

lab_up shadow || bail "the lab does not come up"
CONFIG=$LAB_DIR/canaryd.yaml
checkout_config >"$CONFIG"
cat >>"$CONFIG" <<-END
	    hooks: [{"on": before_start, command: "touch $LAB_DIR/hook-ran"}]
	    cohorts: [{name: office, action: canary, prefixes: ["0.0.0.0/0"]}]
END

DRY=$(lab_ns node "$LAB_BUILD/canaryd" --dry-run -c "$CONFIG") || bail "--dry-run fails: $DRY"
check "it names the hooks" grep -q '^interface node0: XDP, native where its driver has it; tc egress, by ' <<<"$DRY"
check "and the programs" grep -q '^program canary_split  *xdp' <<<"$DRY"
check "and the maps" grep -qE '^map flows +lru_hash +262144 entries' <<<"$DRY"
check "and the services" grep -q "^service checkout: tcp $LAB_VIP4:80, mode dnat, without rescue, baseline v1" <<<"$DRY"
check "who may not ask the kernel is not told what it has" grep -q 'by TCX or clsact (only root' \
	<<<"$(lab_ns node setpriv --bounding-set=-all --inh-caps=-all "$LAB_BUILD/canaryd" --dry-run -c "$CONFIG")"
check "nothing is pinned" test ! -e "$LAB_PIN_DIR"
check "nothing is attached" test -z "$(lab_ns node bpftool net show dev node0 | grep canary)"
check "no journal is made" test -z "$(ls "$LAB_STATE_DIR")"

checkout_serve || bail "the servers do not start"
lab_start canaryd node "$LAB_BUILD/canaryd" --shadow -c "$CONFIG"
lab_wait_for 15 "canaryd to answer" lab_ctl status || bail "canaryd --shadow does not start: $(cat "$LAB_DIR/canaryd.log")"
check "the status says so" grep -q 'shadow: nothing is steered' <<<"$(lab_ctl status)"
all_to_v1 100 "a cohort of the canary goes to the baseline"
check "a rollout starts" lab_ctl rollout start checkout --force
check "its weight is wanted, and not applied" lab_wait_for 20 "the rollout" waits_in_vain held
all_to_v1 200 "flows go to the baseline all the same"
check "what is decided is told as what would be" grep -q 'would: ' <<<"$(lab_ctl rollout why checkout)"
check_equal "the kernel has no canary" "$(lab_pinned splits | jq '.[0].formatted.value | .view[.active].canary')" 65535
check "no hook ran" test ! -e "$LAB_DIR/hook-ran"

kill -HUP "$(lab_pid canaryd)"
check "another configuration goes on with it" lab_wait_for 20 "the rollout" waits_in_vain held
lab_ctl rollout promote checkout >/dev/null
check_equal "a promotion is one of the journal" "$(checkout .baseline)" v2
kill -HUP "$(lab_pid canaryd)"
check "another configuration comes after it" lab_wait_for 20 "canaryd to reload" reloaded 2
all_to_v1 100 "and moves no flow"

lab_stop canaryd
lab_canaryd "$CONFIG" || bail "canaryd does not start"
check_equal "a canaryd that steers knows nothing of it" "$(checkout '[.baseline, .rollout] | @json')" '["v1",null]'
check "nor says that it is a shadow" test "$(lab_ctl status -j | jq .shadow)" = false
check "it runs hooks" lab_ctl rollout start checkout --force
check "namely" test -e "$LAB_DIR/hook-ran"
lab_stop canaryd
check_exit "beside a rollout that is under way it does not start" 1 \
	lab_ns node "$LAB_BUILD/canaryd" --shadow -c "$CONFIG"

plan
