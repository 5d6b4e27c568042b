#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's tables are full, and a version that is gone still has a connection: no other version gets its place, and its
# flows, before that has ended.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# config NAME PORT: the canary
config() {
	lab_config
	cat <<-END
		max_backends: 2
		max_versions: 2
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {enabled: false}
		    rescue: false
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: $1, backends: ["$LAB_BACKEND4:$2"]}
		    rollout: {steps: [{weight: 100, manual: true}]}
	END
}

reload() {
	config "$1" "$2" >"$LAB_DIR/canaryd.yaml"
	kill -HUP "$(lab_pid canaryd)"
}
versions_are() { [ "$(checkout '[.versions[].name] | join(" ")')" = "$1" ]; }
open_on_v2() { [ "$(checkout '.versions[] | select(.name == "v2") | .active_flows')" = "$1" ]; }
refusals() { grep -c "no place for backend $LAB_BACKEND4:8083.*flows yet" "$LAB_DIR/canaryd.log"; }
refused_more() { [ "$(refusals)" -gt "$1" ]; }
takes_v3() {
	reload v3 8083
	lab_wait_for 3 "v3" versions_are "v1 v3" 2>/dev/null
}

lab_up pl || bail "the lab does not come up"
for v in 1 2 3; do serve_at v$v node --listen "$LAB_BACKEND4:808$v"; done
config v2 8082 >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_ctl rollout start checkout --force >/dev/null || bail "no rollout"
lab_start client client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1 --count 1 --timeout 30 \
	--requests-per-connection 100000 --think-ms 20
lab_wait_for 20 "a connection to v2" open_on_v2 1 || bail "there is none"
lab_ctl rollout abort checkout >/dev/null

reload v3 8083
check "while a flow is on its place, nobody gets it" lab_wait_for 30 "the refusal" refused_more 0
check "the configuration stays" lab_wait_for 30 "the one before" versions_are "v1 v2"
stats v3
check_equal "v3 got nothing" "$(of "$STATS" .connections)" 0
lab_stop client INT
REPORT=$(tail -n 1 "$LAB_DIR/client.log")
check_equal "and the connection went on" "$(of "$REPORT" '[.resets_before, .resets_mid, .empty_closes, .version_changes]')" "[0,0,0,0]"
check "when it has ended, the place is free" lab_wait_for 60 "v3" takes_v3
plan
