#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SYN floods in mode dnat, in both families at once: open connections of real clients are not evicted and go on, new ones are
# served, neither breaker nor judge blames the canary, and status tells of it. And canaries with max_flows: what is beyond
# goes to the baseline.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/flood.sh
. tests/e2e/flood.sh

TABLE=16384
FLOODED=([checkout4]="$LAB_VIP4:80" [checkout6]="[$LAB_VIP6]:80")
declare -A CAPPED=([capped4]="$LAB_VIP4:81" [capped6]="[$LAB_VIP6]:81")

# capped NAME BACKEND: the ports of its two versions are 8083 and 8084
capped() {
	cat <<-END
		  - name: $1
		    vip: "${CAPPED[$1]}"
		    baseline: $1-v1
		    versions:
		      - {name: $1-v1, backends: ["$2:8083"]}
		      - {name: $1-v2, backends: ["$2:8084"], max_flows: 20}
		    rollout: {steps: [{weight: 100, min_s: 3600, max_s: 7200}]}
	END
}

# checkout NAME BACKEND
checkout() {
	guarded "$1"
	echo "    versions: [{name: $1-v1, backends: [\"$2:8081\"]}, {name: $1-v2, backends: [\"$2:8082\"]}]"
}

write_config() {
	lab_config
	cat <<-END
		flow_table: $TABLE
		judge: {warmup_s: 1, no_data_s: 2, delta: 3, delta_promotion: 4}
		services:
	END
	checkout checkout4 "$LAB_BACKEND4"
	checkout checkout6 "[$LAB_BACKEND6]"
	capped capped4 "$LAB_BACKEND4"
	capped capped6 "[$LAB_BACKEND6]"
}

# Thirty connections that stay, with a cap of twenty.
begin_capped() {
	local name
	for name in "${!CAPPED[@]}"; do
		lab_ctl rollout start "$name" >/dev/null && lab_wait_for 30 "the weight of $name" weight_is "$name" 1 ||
			bail "the canary of $name gets no flows"
		lab_start "sitters-$name" client "$LAB_BUILD/lab-client" --to "${CAPPED[$name]}" --source-ports 40001-40030 \
			--source "$(source_for "${CAPPED[$name]}" 3)" \
			--rate 10 --count 30 --requests-per-connection 40 --think-ms 250 --timeout 30
	done
}

test_max_flows() {
	local name
	for name in "${!CAPPED[@]}"; do
		lab_wait_for 30 "the connections to end" is_over "sitters-$name" || not_ok "$name: the connections end"
		REPORT=$(cat "$LAB_DIR/sitters-$name.log")
		check_equal "$name: all are served" "$(of "$REPORT" '.responses["2xx"]')" 1200
		check_within "$name: the canary had as many as it may" "$(of "$REPORT" '.versions.c2 / 40')" 19 22
		check_equal "$name: the others went to the baseline, and the kernel says why" \
			"$(lab_kernel "$name-v1" | jq .over_capacity)" "$(of "$REPORT" '.versions.c1 / 40')"
	done
}

lab_up flood || bail "the lab does not come up"
flood_routes || bail "no routes"
write_config >"$LAB_DIR/canaryd.yaml"
checkout_serve && lab_serve c1 c1 8083 --base-ms 1 && lab_serve c2 c2 8084 --base-ms 1 || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
begin_rollouts
keep_open
begin_capped
begin_floods
test_new_clients
test_open_connections
test_table
test_not_blamed
test_max_flows
plan
