#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A flood of SYNs from random sources against a guarded service in the middle of a rollout: open connections of real clients
# are not evicted and go on, new clients are served, neither breaker nor judge blames the canary, and status tells of it.
# And a canary with max_flows: what is beyond goes to the baseline.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

FLOOD=40000 # more than twice the table
TABLE=16384

write_config() {
	STEPS='[{weight: 50, min_s: 3600, max_s: 7200}]'
	checkout_config | sed -e "s/^services:/flow_table: $TABLE\nservices:/" \
		-e 's/breaker: .*/breaker: {window_s: 3600, min_failures: 5, ratio_percent: 1}\n    flood_limit: 300/'
	cat <<-END
		  - name: capped
		    vip: $LAB_VIP4:81
		    baseline: c1
		    versions:
		      - {name: c1, backends: ["$LAB_BACKEND4:8083"]}
		      - {name: c2, backends: ["$LAB_BACKEND4:8084"], max_flows: 20}
		    rollout: {steps: [{weight: 100, min_s: 3600, max_s: 7200}]}
	END
}

table() { lab_ctl status -j | jq ".flow_table.$1"; }
is_at() { lab_ctl status "$1" -j | jq -e ".services[0].weight.applied == $2"; }

flood() { lab_ns client "$LAB_BUILD/lab-flood" --to "$LAB_VIP4:80" --count "$FLOOD" --rate 8000 --seed "$1"; }

# A connection for each, open before the flood and after it.
keep_open() {
	lab_start keepers client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --source "${LAB_CLIENTS4[1]}" --source-ports 20001-20040 \
		--rate 1000 --count 40 --requests-per-connection 60 --think-ms 250 --timeout 30
	lab_wait_for 10 "the connections" keepers_are_open || bail "the clients do not connect"
}

keepers_are_open() { [ "$(lab_kernel | jq .established)" -ge 40 ]; }
keepers_are_done() { ! kill -0 "$(lab_pid keepers)"; }

test_flood() {
	local probation sent
	keep_open
	sent=$(flood 1)
	check_equal "the flood was sent" "$(of "$sent" .sent)" "$FLOOD"
	lab_start flood client "$LAB_BUILD/lab-flood" --to "$LAB_VIP4:80" --count "$FLOOD" --rate 8000 --seed 2
	load --to "$LAB_VIP4:80" --source "${LAB_CLIENTS4[2]}" --source-ports 30001-30200 --rate 60 --count 200 --timeout 30
	check_equal "new clients in the flood are served" \
		"$(of "$REPORT" '[.responses["2xx"], .refused, .connect_timeouts]')" '[200,0,0]'
	lab_wait_for 60 "the open connections to end" keepers_are_done || not_ok "the open connections end"
	REPORT=$(cat "$LAB_DIR/keepers.log")
	check_equal "open connections go on, where they were" "$(of "$REPORT" '[.responses["2xx"], .version_changes]')" '[2400,0]'
	check_equal "none lost track" "$(lab_kernel | jq .lost_track)" 0
	probation=$(table probation)
	check_within "most of the flood was on probation" "$probation" "$FLOOD" $((2 * FLOOD + 1000))
	check_within "the table did not fill" "$(table entries)" 0 $((TABLE / 2))
	check_equal "nothing was evicted" "$(table evicted)" 0
	check_within "real clients proved themselves" "$(table promoted)" 1 1000
}

# The flood's SYNs are answered or not, but no failure of the canary's.
test_not_blamed() {
	check_equal "the breaker has not tripped" "$(lab_pinned breakers | jq '[.[].formatted.value.tripped] | add')" 0
	check_equal "the rollout goes on" "$(checkout '.weight.applied')" 0.5
}

# Thirty connections that stay, with a cap of twenty; when they are gone there is room again.
test_max_flows() {
	lab_start sitters client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:81" --source "${LAB_CLIENTS4[3]}" --source-ports 40001-40030 \
		--rate 10 --count 30 --requests-per-connection 40 --think-ms 250 --timeout 30
	lab_wait_for 30 "the connections to end" sitters_are_done || not_ok "the connections end"
	REPORT=$(cat "$LAB_DIR/sitters.log")
	check_equal "all are served" "$(of "$REPORT" '.responses["2xx"]')" 1200
	check_within "the canary had as many as it may" "$(of "$REPORT" '.versions.c2 / 40')" 19 22
	check_equal "the others went to the baseline, and the kernel says why" \
		"$(lab_kernel c1 | jq .over_capacity)" "$(of "$REPORT" '.versions.c1 / 40')"
}

sitters_are_done() { ! kill -0 "$(lab_pid sitters)"; }

lab_up flood || bail "the lab does not come up"
lab_ns node ip route add 198.18.0.0/15 via "${LAB_CLIENTS4[0]}" || bail "no route"
write_config >"$LAB_DIR/canaryd.yaml"
checkout_serve && lab_serve c1 c1 8083 --base-ms 1 && lab_serve c2 c2 8084 --base-ms 1 || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
lab_ctl rollout start checkout >/dev/null && lab_ctl rollout start capped >/dev/null || bail "the rollouts do not start"
lab_wait_for 30 "the weights" is_at checkout 0.5 || bail "the canary gets no flows"
lab_wait_for 30 "the weights" is_at capped 1 || bail "the canary gets no flows"
test_flood
test_not_blamed
test_max_flows
plan
