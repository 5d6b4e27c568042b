#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The last line of defence in mode dsr: without the daemon the lease runs out and new flows go to the baseline; a canary
# that closes without an answer, which only the client's acknowledgements tell, trips the breaker. Clients of one that is
# a black hole are the baseline's with their first retransmission, IPv4 and IPv6.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/dsr.sh
. tests/e2e/dsr.sh
# shellcheck source=tests/e2e/rescue.sh
. tests/e2e/rescue.sh

write_config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/; s/^lease:.*/lease: {s: 2}/'
	cat <<-END
		judge: {alpha: 1e-9, hold_evidence: 1e8, guard_evidence: 1e12, warmup_s: 86400}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    mode: dsr
		    tunnel_source: 10.77.0.1
		    baseline: v1
		    breaker: {window_s: 1}
		    rollout: {steps: [{weight: 50, manual: true}]}
		    versions:
		      - {name: v1, backends: ["10.77.1.2:80"]}
		      - {name: v2, backends: ["10.77.2.2:80"]}
	END
	rescued_service dark4 "$LAB_VIP4:81" 10.77.0.1 10.77.1.2:81 10.77.2.2:81
	rescued_service dark6 "'[$LAB_VIP6]:81'" fd00:77::1 "[fd00:77:1::2]:81" "[fd00:77:2::2]:81"
}

# rescued_service NAME VIP SOURCE BASELINE CANARY
rescued_service() {
	cat <<-END
		  - name: $1
		    vip: $2
		    mode: dsr
		    tunnel_source: "$3"
		    baseline: v1
		    breaker: {enabled: false}
		    rollout: {steps: [{weight: 100, manual: true}]}
		    versions: [{name: v1, backends: ["$4"]}, {name: v2, backends: ["$5"]}]
	END
}

serve() {
	lab_start "v$1" "b$1" "$LAB_BUILD/lab-server" --name "v$1" --control "$LAB_DIR/v$1.control" --base-ms 1 \
		--listen "$LAB_VIP4:80" --listen "$LAB_VIP4:81" --listen "[$LAB_VIP6]:81"
	lab_wait_for 10 "v$1 to serve" lab_tell "v$1" stats || bail "lab-server does not start"
}

# The versions that serve 100 new connections.
served() {
	load --to "$LAB_VIP4:80" --rate 1000 --count 100 --timeout 5
	of "$REPORT" '.versions | keys | join(" ")' | tr -d '"'
}
served_by() { [ "$(served)" = "$1" ]; }

test_lease() {
	check "a rollout begins" lab_ctl rollout start checkout
	check "both serve" lab_wait_for 20 "both versions" served_by "v1 v2"
	kill -STOP "$(lab_pid canaryd)"
	check "SIGSTOP: the lease runs out, the baseline serves alone" lab_wait_for 30 "the baseline" served_by v1
	check_within "counted as diverted" "$(lab_kernel v1 | jq .diverted)" 1 100000
	kill -CONT "$(lab_pid canaryd)"
	check "SIGCONT: both serve" lab_wait_for 20 "both versions" served_by "v1 v2"
}

test_breaker() {
	lab_tell v2 empty=1 >/dev/null
	load --to "$LAB_VIP4:80" --rate 500 --count 1500 --timeout 5
	lab_wait_for 10 "the rollback" is .rollout.state rolled_back
	check_equal "the breaker took the canary back" "$(checkout '[.rollout.state, .weight.applied] | @json')" '["rolled_back",0]'
	check_equal "by what the clients acknowledged" "$(checkout .breaker.tripped.kind)" empty_close
	check "the baseline serves alone" served_by v1
	note "$(checkout .rollout.reason)"
}

test_rescue() {
	lab_ctl rollout start dark4 >/dev/null && lab_ctl rollout start dark6 >/dev/null || bail "the rollouts do not start"
	lab_tell v2 blackhole=1 >/dev/null
	unanswered "black hole, IPv4" "$LAB_VIP4:81" 4 200
	unanswered "black hole, IPv6" "[$LAB_VIP6]:81" 6 200
	lab_tell v2 clear >/dev/null
}

lab_up dsrdef routed || bail "the lab does not come up"
prepare || bail "the network is not ready"
serve 1
serve 2
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_lease
test_rescue
test_breaker
plan
