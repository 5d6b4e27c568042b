#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No client pays for a canary that does not answer, and no daemon is needed for it: with canaryd killed, 20,000 connections
# to a canary that refuses are all served, by the baseline; those to one that is a black hole are served after their first
# retransmission. IPv4 and IPv6; backends of the node and, behind it, of another host.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/rescue.sh
. tests/e2e/rescue.sh

N=20000
config() {
	local steps='[{weight: 100, min_s: 600, max_s: 1200}]'
	lab_config | sed 's/^lease: .*/lease: {on_expiry: hold}/'
	cat <<-END
		services:
		  - name: alone
		    vip: $LAB_VIP4:82
		    baseline: v1
		    versions: [{name: v1, backends: ["$LAB_BACKEND4:8085"]}]
		  - name: local4
		    vip: $LAB_VIP4:80
		    baseline: v1
		    breaker: {enabled: false}
		    versions: [{name: v1, backends: ["$LAB_BACKEND4:8081"]}, {name: v2, backends: ["$LAB_BACKEND4:8082"]}]
		    rollout: {steps: $steps}
		  - name: local6
		    vip: "[$LAB_VIP6]:80"
		    baseline: v1
		    breaker: {enabled: false}
		    versions: [{name: v1, backends: ["[$LAB_BACKEND6]:8081"]}, {name: v2, backends: ["[$LAB_BACKEND6]:8082"]}]
		    rollout: {steps: $steps}
		  - name: routed4
		    vip: $LAB_VIP4:81
		    baseline: v1
		    breaker: {enabled: false}
		    versions: [{name: v1, backends: ["10.77.1.2:8083"]}, {name: v2, backends: ["10.77.2.2:8084"]}]
		    rollout: {steps: $steps}
		  - name: routed6
		    vip: "[$LAB_VIP6]:81"
		    baseline: v1
		    breaker: {enabled: false}
		    versions: [{name: v1, backends: ["[fd00:77:1::2]:8083"]}, {name: v2, backends: ["[fd00:77:2::2]:8084"]}]
		    rollout: {steps: $steps}
	END
}

# serve_behind NAME VERSION NS ADDR4 ADDR6 PORT: a server on another host than the node.
serve_behind() {
	lab_start "$1" "$3" "$LAB_BUILD/lab-server" --name "$2" --control "$LAB_DIR/$1.control" --listen "$4:$6" --listen "[$5]:$6"
	lab_wait_for 10 "$1 to serve" lab_tell "$1" stats || bail "$1 does not start"
}

lab_up rescue routed || bail "the lab does not come up"
config >"$LAB_DIR/canaryd.yaml"
lab_serve v1 v1 8081 --listen "$LAB_BACKEND4:8085" && lab_serve v2 v2 8082 || bail "the servers do not start"
serve_behind v1r v1 b1 10.77.1.2 fd00:77:1::2 8083
serve_behind v2r v2 b2 10.77.2.2 fd00:77:2::2 8084
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for service in local4 local6 routed4 routed6; do
	lab_ctl rollout start "$service" >/dev/null || bail "the rollout of $service does not start"
done
lab_stop canaryd KILL
counted
connect "$LAB_VIP4:82" 4 3000
ALONE=$REPORT
for server in v2 v2r; do lab_tell "$server" refuse=1 >/dev/null || bail "$server does not heed"; done
refused "refused, IPv4" "$LAB_VIP4:80" 4 $N
note "a service of v1 alone: $(times "$ALONE"); with p99 a rescue takes $(jq -n --argjson a "$ALONE" --argjson r "$REPORT" \
	'$r.connect_seconds.p99 / $a.connect_seconds.p99 * 100 | round / 100') times that (make bench compares without the others' noise)"
refused "refused, IPv6" "[$LAB_VIP6]:80" 6 2000
refused "refused, IPv4, routed" "$LAB_VIP4:81" 4 2000
refused "refused, IPv6, routed" "[$LAB_VIP6]:81" 6 2000
lab_tell v1 refuse=1 >/dev/null || bail "v1 does not heed"
all_refuse "IPv4" "$LAB_VIP4:80" 4
all_refuse "IPv6" "[$LAB_VIP6]:80" 6
lab_tell v1 clear >/dev/null || bail "v1 does not heed"
for server in v2 v2r; do lab_tell "$server" "clear blackhole=1" >/dev/null || bail "$server does not heed"; done
unanswered "black hole, IPv4" "$LAB_VIP4:80" 4 200
unanswered "black hole, IPv6" "[$LAB_VIP6]:80" 6 200
unanswered "black hole, IPv4, routed" "$LAB_VIP4:81" 4 100
unanswered "black hole, IPv6, routed" "[$LAB_VIP6]:81" 6 100
plan
