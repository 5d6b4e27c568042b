# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# SYN floods of random sources against guarded services in the middle of a rollout. Sourced after lib.sh, by who says in
# FLOODED which they are, and in TABLE how many flows there is room for.

FORGED=12000 # SYNs to each service: those of all are to be more than the table takes
KEEPERS=20   # connections to each that stay open
TURNS=40     # requests of each of these
NEW=60       # new connections in the flood, to each

declare -A FLOODED=() # service → its address

# guarded NAME: the part of a service's configuration that all have
guarded() {
	cat <<-END
		  - name: $1
		    vip: "${FLOODED[$1]}"
		    baseline: $1-v1
		    syn_timeout_s: 1
		    flood_limit: 100
		    rescue: false
		    breaker: {window_s: 3600, min_failures: 5, ratio_percent: 1}
		    rollout: {steps: [{weight: 50, min_s: 3600, max_s: 7200}]}
	END
}

# Nobody answers for the forged sources, and nobody complains.
flood_routes() {
	lab_ns node ip route add 198.18.0.0/15 via "${LAB_CLIENTS4[0]}" && lab_ns node ip route add 2001:2::/48 via "${LAB_CLIENTS6[0]}" &&
		lab_ns client ip route add blackhole 198.18.0.0/15 && lab_ns client ip route add blackhole 2001:2::/48
}

# source_for ADDRESS NUMBER: a client's address of the same family
source_for() {
	local family=4
	if [[ $1 = \[* ]]; then family=6; fi
	local -n sources="LAB_CLIENTS$family"
	echo "${sources[$2]}"
}

status_of() { lab_ctl status "$1" -j | jq -c ".services[0] | $2"; }
weight_is() { [ "$(status_of "$1" .weight.applied)" = "$2" ]; }
table() { lab_ctl status -j | jq ".flow_table.$1"; }
of_versions() { lab_kernel_by_version | jq --arg service "$1-" "[to_entries[] | select(.key | startswith(\$service)) | .value.$2] | add"; }
is_open() { [ "$(of_versions "$1" established)" -ge "$KEEPERS" ]; }
is_over() { ! lab_running "$1"; }

begin_rollouts() {
	local name
	for name in "${!FLOODED[@]}"; do lab_ctl rollout start "$name" >/dev/null || bail "the rollout of $name does not start"; done
	for name in "${!FLOODED[@]}"; do
		lab_wait_for 30 "the weight of $name" weight_is "$name" 0.5 || bail "the canary of $name gets no flows"
	done
}

keep_open() {
	local name
	for name in "${!FLOODED[@]}"; do
		lab_start "keeper-$name" client "$LAB_BUILD/lab-client" --to "${FLOODED[$name]}" --source "$(source_for "${FLOODED[$name]}" 1)" \
			--source-ports "20001-$((20000 + KEEPERS))" --rate 1000 --count "$KEEPERS" \
			--requests-per-connection "$TURNS" --think-ms 250 --timeout 30
	done
	for name in "${!FLOODED[@]}"; do
		lab_wait_for 10 "the connections to $name" is_open "$name" || bail "the clients of $name do not connect"
	done
}

begin_floods() {
	local name
	for name in "${!FLOODED[@]}"; do
		lab_start "flood-$name" client "$LAB_BUILD/lab-flood" --to "${FLOODED[$name]}" --count "$FORGED" --rate 2000 --seed 7
	done
	lab_wait_for 20 "flows on probation" is_on_probation || bail "the guard does not go on"
}

is_on_probation() { [ "$(table probation)" -gt 1000 ]; }

test_new_clients() {
	local name
	for name in "${!FLOODED[@]}"; do
		load --to "${FLOODED[$name]}" --source "$(source_for "${FLOODED[$name]}" 2)" --source-ports "30001-$((30000 + NEW))" --rate 60 \
			--count "$NEW" --timeout 30
		check_equal "$name: new clients in the flood are served" \
			"$(of "$REPORT" '[.responses["2xx"], .refused, .connect_timeouts]')" "[$NEW,0,0]"
	done
}

test_open_connections() {
	local name
	for name in "${!FLOODED[@]}"; do
		lab_wait_for 60 "the flood to end" is_over "flood-$name" || not_ok "$name: the flood ends"
		check_equal "$name: the flood was sent" "$(jq .sent "$LAB_DIR/flood-$name.log")" "$FORGED"
		lab_wait_for 60 "the open connections to end" is_over "keeper-$name" || not_ok "$name: the open connections end"
		check_equal "$name: open connections go on, where they were" \
			"$(jq -c '[.responses["2xx"], .version_changes]' "$LAB_DIR/keeper-$name.log")" "[$((KEEPERS * TURNS)),0]"
		check_equal "$name: none lost track" "$(of_versions "$name" lost_track)" 0
	done
}

test_table() {
	local forged=$((FORGED * ${#FLOODED[@]}))
	check_within "the flood is more than the table takes" "$forged" "$TABLE" 1000000
	check_within "most of the flood was on probation" "$(table probation)" $((forged / 2)) $((forged + 10000))
	check_within "the table did not fill" "$(table entries)" 0 $((TABLE / 2))
	check_equal "nothing was evicted" "$(table evicted)" 0
	check_within "real clients proved themselves" "$(table promoted)" 1 $((NEW * ${#FLOODED[@]}))
}

test_not_blamed() {
	local name
	check_equal "no breaker has tripped" "$(lab_pinned breakers | jq '[.[].formatted.value.tripped] | add')" 0
	for name in "${!FLOODED[@]}"; do
		check_equal "$name: the rollout goes on" "$(status_of "$name" .weight.applied)" 0.5
	done
}
