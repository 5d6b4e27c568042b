#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where flows go. The same 20,000 5-tuples connect at every weight of a rollout whose steps wait for an operator (at 0,
# before and after it, a fifth of them): each share is measured by the kernel and by the client, and a raise may only have moved flows to the canary. With a fixed
# seed and fixed 5-tuples the hash gives the same shares in every run.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

flows=20000
few=4000
weights=(1 5 25 50 100)

# The judge lets every canary pass that answers at all: this test is about where flows go, not about when.
write_config() {
	lab_config
	cat <<-END
		seed: 20240229
		max_versions: 16
		judge: {alpha: 1e-9, alpha_promotion: 0.5, margin: 100, margin_promotion: 100, delta: 10, delta_promotion: 10,
		        p0: 0.5, block_s: 0, hold_evidence: 1e8, warmup_s: 0, guard_evidence: 1e12, no_data_s: 30,
		        noise: false, aa: false, burn_ratio: 1000, history_s: 2}
		services:
	END
	service split "$LAB_VIP4:80" "" "$LAB_BACKEND4" 8101 8111 3 "${weights[@]}"
	service six "'[$LAB_VIP6]:80'" "" "[$LAB_BACKEND6]" 8101 8111 3 25
	service datagrams "$LAB_VIP4:80" "protocol: udp" "$LAB_BACKEND4" 8101 8111 3 25
	service sticky "$LAB_VIP4:81" "affinity: client" "$LAB_BACKEND4" 8104 8114 1 50
}

# service NAME VIP LINE ADDRESS PORT-OF-V1 PORT-OF-V2 BACKENDS WEIGHT…: v1 and v2 have their ports one after the other
service() {
	local name=$1 vip=$2 line=$3 address=$4 v1=$5 v2=$6 n=$7
	shift 7
	cat <<-END
		  - name: $name
		    vip: $vip
		    baseline: v1
		    rescue: false
		    ${line:-affinity: flow}
		    versions:
		      - {name: v1, backends: [$(addresses "$address" "$v1" "$n")]}
		      - {name: v2, backends: [$(addresses "$address" "$v2" "$n")]}
		    rollout:
		      steps: [$(printf '{weight: %s, min_s: 0, manual: true}, ' "$@")]
	END
}

addresses() {
	local i
	for ((i = 0; i < $3; i++)); do printf '"%s:%s", ' "$1" "$(($2 + i))"; done
}

serve() {
	local version=$1 port=$2 i listens=()
	for i in 1 2 3; do listens+=(--listen "$LAB_BACKEND4:$((port + i))" --listen "[$LAB_BACKEND6]:$((port + i))"); done
	lab_serve "$version" "$version" "$port" "${listens[@]}" --udp --base-ms 1 || bail "lab-server does not start"
}

# The JSON of one service.
service_status() { lab_ctl status "$1" -j | jq -c --arg name "$1" '.services[] | select(.name == $name)'; }

rollout_is() { service_status "$1" | jq -e "$2"; }

start() {
	local service=$1 percent=$2
	lab_ctl rollout start "$service" --force >/dev/null || bail "the rollout of $service does not start"
	wait_for_weight "$service" "$percent"
}

wait_for_weight() {
	lab_wait_for 60 "$1 to be at $2 %" rollout_is "$1" ".weight.applied * 100 - $2 | fabs < 1e-6" ||
		bail "$1 does not come to $2 %: $(service_status "$1" | jq -c .rollout)"
}

# Lets the gate pass that the step waits at. The evidence is the load that went before; where that was cut up by a
# machine too busy to answer in time, a few more flows are.
pass_gate() {
	local try
	for try in {1..15}; do
		if lab_wait_for 2 "the gate of $1" rollout_is "$1" '.rollout.held == "manual"' 2>/dev/null; then
			check "canaryctl rollout resume lets the gate pass" lab_ctl rollout resume "$1"
			return
		fi
		note "load $try for the gate of $1"
		load --to "$LAB_VIP4:80" --rate 1000 --count 2000 --timeout 30 "${sources4[@]}"
	done
	bail "$1 does not come to its gate: $(service_status "$1" | jq -c .rollout)"
}

# Four standard errors around what N flows at PERCENT should be.
within_4_errors() {
	local what=$1 count=$2 n=$3 percent=$4
	check_within "$what" "$count" \
		"$(awk -v n="$n" -v p="$percent" 'BEGIN { p /= 100; print n * p - 4 * sqrt(n * p * (1 - p)) }')" \
		"$(awk -v n="$n" -v p="$percent" 'BEGIN { p /= 100; print n * p + 4 * sqrt(n * p * (1 - p)) }')"
}

connections() { jq -cn "{v1: $(lab_kernel v1 | jq .connections), v2: $(lab_kernel v2 | jq .connections)}"; }

# share WHAT PERCENT COUNT ARG…: so many flows; the kernel's share is the client's, and near PERCENT.
share() {
	local what=$1 percent=$2 count=$3 before
	shift 3
	before=$(connections)
	load --count "$count" --timeout 30 "$@"
	SPLIT=$(jq -cn "[$(connections), $before] | {v1: (.[0].v1 - .[1].v1), v2: (.[0].v2 - .[1].v2)}")
	check_equal "$what: the kernel's share is the client's" "$SPLIT" \
		"$(of "$REPORT" '{v1: (.versions.v1 // 0), v2: (.versions.v2 // 0)}')"
	check_equal "$what: every flow is answered" "$(of "$REPORT" '.responses["2xx"]')" "$count"
	within_4_errors "$what: $percent % of $count" "$(of "$SPLIT" .v2)" "$count" "$percent"
}

# tuples NAME PERCENT COUNT: the same 5-tuples each time; where each went is left in $LAB_DIR/flows.NAME, sorted.
tuples() {
	local name=$1 percent=$2 count=$3
	share "split at $name" "$percent" "$count" --to "$LAB_VIP4:80" --rate 5000 "${sources4[@]}" \
		--source-ports 10000-11249 --flows "$LAB_DIR/flows"
	sort "$LAB_DIR/flows" >"$LAB_DIR/flows.$name"
	check_equal "split at $name: $count different 5-tuples" "$(cut -d' ' -f1 "$LAB_DIR/flows.$name" | uniq | wc -l)" "$count"
}

# moved FROM TO A B: how many of the 5-tuples went from version A to version B
moved() { join "$LAB_DIR/flows.$1" "$LAB_DIR/flows.$2" | grep -c " $3 ok $4 ok$"; }

# The flow command of the API for many clients over one connection: "CLIENT VERSION SOURCE POSITION" a line.
ask() {
	sed "s,.*,url = \"http://canaryd/v1/flow?service=$1\&client=&\"," |
		curl --silent --show-error --globoff --unix-socket "$LAB_SOCKET" --config - |
		jq -r '"\(.client) \(.version) \(.source) \(.position)"' | sort
}

# 1 in 8 of the 5-tuples is asked for: what the program says must be where the connection went.
agrees() {
	local name=$1
	awk 'NR % 8 == 0 { print $1, $2 }' "$LAB_DIR/flows.$name" >"$LAB_DIR/went"
	cut -d' ' -f1 "$LAB_DIR/went" | ask split >"$LAB_DIR/asked"
	check_equal "split at $name: 2,500 flows asked for" "$(wc -l <"$LAB_DIR/asked")" 2500
	check "split at $name: the flow command says where connections went" \
		diff "$LAB_DIR/went" <(cut -d' ' -f1,2 "$LAB_DIR/asked")
	check_equal "split at $name: canaryctl flow says the same" \
		"$(lab_ctl flow "$(head -n 1 "$LAB_DIR/went" | cut -d' ' -f1)" split -j | jq -r .version)" \
		"$(head -n 1 "$LAB_DIR/went" | cut -d' ' -f2)"
}

# Connections of each backend of a version of split, as the daemon shows them, once it has counted all of them.
backends_of() {
	lab_wait_for 10 "the daemon to have counted" counted_all "$1" || bail "the daemon does not count as the kernel does"
	backend_counts "$1"
}

backend_counts() {
	service_status split | jq -c --arg version "$1" '[.versions[] | select(.name == $version) | .backends[].counters.connections]'
}

counted_all() { [ "$(backend_counts "$1" | jq add)" -eq "$(lab_kernel "$1" | jq .connections)" ]; }

# spread VERSION BEFORE N: N flows since then, a third for each backend
spread() {
	local new count n=$3
	new=$(jq -cn "[$(backends_of "$1"), $2] | transpose | map(.[0] - .[1])")
	check_equal "$1 has $n new flows on its backends" "$(jq add <<<"$new")" "$n"
	for count in $(jq '.[]' <<<"$new"); do within_4_errors "a third of them for each of three" "$count" "$n" 33.33333; done
}

# ---- the tests ----

# Connections that are open all the time, each asking twice a second.
hold_open() {
	local name=$1 ports=$2
	lab_start "$name" client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 1000 --count 300 --timeout 30 \
		--requests-per-connection 1000000 --think-ms 500 --source "${LAB_CLIENTS4[0]}" --source-ports "$ports" --flows "$LAB_DIR/$name.flows" --progress
	lab_wait_for 30 "300 connections" answered "$name" 300
}

# answered NAME N: whether its last line of progress has at least N answers
answered() { [ "$(answers "$1")" -ge "$2" ]; }

answers() { sed -n 's/.* open, \([0-9]*\) of 2xx.*/\1/p' "$LAB_DIR/$1.log" | tail -n 1; }

released() {
	local name=$1 report
	lab_stop "$name" INT
	report=$(tail -n 1 "$LAB_DIR/$name.log")
	check_equal "$name: every request of 300 open connections is answered" \
		"$(of "$report" '[.connected, .requests - .responses["2xx"], .unfinished]')" '[300,0,0]'
	check_equal "$name: none ever changed its version" "$(of "$report" .version_changes)" 0
	HELD_OPEN=$report
}

test_raises() {
	local previous=0 percent before
	for percent in "${weights[@]}"; do
		wait_for_weight split "$percent"
		before=$(backends_of v2)
		tuples "$percent" "$percent" "$flows"
		agrees "$percent"
		check_equal "from $previous % to $percent %: no flow goes back to v1" "$(moved "$previous" "$percent" v2 v1)" 0
		check_within "from $previous % to $percent %: flows go to v2" "$(moved "$previous" "$percent" v1 v2)" 20 "$flows"
		if [ "$percent" = 25 ]; then hold_open between 21000-21299; fi
		if [ "$percent" != 100 ]; then pass_gate split; fi
		previous=$percent
	done
	spread v2 "$before" "$flows"
}

# Asked for an open connection the answer is where it is, not where the hash would send it now.
test_open_flows() {
	local i
	for i in {20000..20299}; do echo "${LAB_CLIENTS4[0]}:$i"; done | ask split >"$LAB_DIR/asked"
	check_equal "at 100 % the flow command knows the open connections of v1" \
		"$(cut -d' ' -f2,3 "$LAB_DIR/asked" | sort | uniq -c | xargs)" "300 v1 flow"
}

test_abort() {
	local since_before since_between
	check "canaryctl rollout abort" lab_ctl rollout abort split
	wait_for_weight split 0
	tuples abort 0 "$few"
	check_equal "after the abort every flow is back" "$(moved 0 abort v1 v1)" "$few"
	since_before=$(answers before) since_between=$(answers between)
	lab_wait_for 30 "the open connections to go on" answered before $((since_before + 600))
	lab_wait_for 30 "the open connections to go on" answered between $((since_between + 600))
	released before
	check_equal "before: all of them v1's" "$(of "$HELD_OPEN" '.versions | keys')" '["v1"]'
	released between
	within_4_errors "between: 25 % of them v2's, weights and abort notwithstanding" \
		"$(grep -c ' v2 ok$' "$LAB_DIR/between.flows")" 300 25
	check_equal "between: answered by both to the end" "$(of "$HELD_OPEN" '.versions | keys')" '["v1","v2"]'
}

test_other_families() {
	start six 25
	share "IPv6" 25 4000 --to "[$LAB_VIP6]:80" --rate 3000 "${sources6[@]}" --source-ports 10000-10249
	start datagrams 25
	share "UDP" 25 3000 --to "$LAB_VIP4:80" --udp --rate 1000 "${sources4[@]}" --source-ports 10000-10249
}

test_client_affinity() {
	local i
	start sticky 50
	load --to "$LAB_VIP4:81" --rate 1000 --count 800 --timeout 30 "${sources4[@]}" --flows "$LAB_DIR/flows"
	check_equal "client affinity: every flow is answered" "$(of "$REPORT" '.responses["2xx"]')" 800
	sed 's/:[0-9]*//' "$LAB_DIR/flows" | sort -u >"$LAB_DIR/clients"
	check_equal "client affinity: 16 clients, one version each" "$(wc -l <"$LAB_DIR/clients")" 16
	check_equal "client affinity: and both versions serve" "$(cut -d' ' -f2 "$LAB_DIR/clients" | sort -u | xargs)" "v1 v2"
	sed 's/ /:7 /' "$LAB_DIR/clients" | cut -d' ' -f1 | ask sticky | sed 's/:7 / /' | cut -d' ' -f1,2 >"$LAB_DIR/asked"
	check "client affinity: the flow command says which" \
		diff <(cut -d' ' -f1,2 "$LAB_DIR/clients") "$LAB_DIR/asked"
	for i in {0..2499}; do echo "10.1.$((i / 250)).$((i % 250)):7"; done | ask sticky >"$LAB_DIR/asked"
	within_4_errors "client affinity: half of 2,500 clients" "$(grep -c ' v2 ' "$LAB_DIR/asked")" 2500 50
}

lab_up split || bail "the lab does not come up"
mapfile -t sources4 < <(lab_sources 4)
mapfile -t sources6 < <(lab_sources 6)
serve v1 8101
serve v2 8111
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
tuples 0 0 "$few"
spread v1 '[0, 0, 0]' "$few"
hold_open before 20000-20299
start split 1
test_raises
test_open_flows
test_abort
test_other_families
test_client_affinity
plan
