# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Clients of a canary that does not answer, and what was counted of them: the clients', the servers' and the kernel's.
# Sourced by test_rescue*.sh.

failures='.refused + .connect_timeouts + .unreachable + .resets_before + .resets_mid + .empty_closes +
	.response_timeouts + .truncated + .malformed + .responses["5xx"]'

# What has been counted since the last call, of v1 and of v2, whatever the service.
counted() {
	local now
	now=$(lab_kernel_by_version)
	COUNTED=$(jq -c --argjson before "${BEFORE:-null}" 'with_entries(.key as $version | .value |= with_entries(
		.value -= ($before[$version][.key] // 0)))' <<<"$now")
	BEFORE=$now
}

# connect VIP FAMILY N: clients that come before everything else on the CPU, so that what they wait for is the network's.
connect() {
	local sources
	mapfile -t sources < <(lab_sources "$2")
	REPORT=$(lab_ns client "${LAB_FIRST[@]}" "$LAB_BUILD/lab-client" --to "$1" --rate 1500 --count "$3" --timeout 10 "${sources[@]}") ||
		bail "lab-client fails"
}

times() { of "$1" '"connect p50 and p99, µs: \(.connect_seconds | [.p50, .p99 | . * 1e6 | round])"' | tr -d '"'; }

# refused WHAT VIP FAMILY N: all of them, at a canary whose port is closed.
refused() {
	local what=$1 vip=$2
	counted
	connect "$vip" "$3" "$4"
	counted
	check_equal "$what: of $4 connections none failed, all were served by the baseline" \
		"$(of "$REPORT" "[$failures, .versions]")" "[0,{\"v1\":$4}]"
	check_equal "$what: every one was the canary's first, and its failure" \
		"$(of "$COUNTED" '[.v2.connections, .v2.refused, .v2.rescued, .v2.established, .v1.connections, .v1.refused]')" \
		"[$4,$4,$4,0,$4,0]"
	note "$what: $(times "$REPORT")"
}

unanswered() {
	local what=$1 vip=$2 n=$4 sources
	mapfile -t sources < <(lab_sources "$3")
	counted
	load --to "$vip" --rate 200 --count "$n" --timeout 30 "${sources[@]}"
	counted
	check_equal "$what: of $n connections none failed, all were served by the baseline" \
		"$(of "$REPORT" "[$failures, .versions]")" "[0,{\"v1\":$n}]"
	check_equal "$what: every one after its first retransmission" \
		"$(of "$COUNTED" '[.v2.connections, .v2.syn_timeout, .v2.rescued, .v1.connections, .v1.syn_timeout]')" \
		"[$n,$n,$n,$n,0]"
	note "$what: connect p50 and max, s: $(of "$REPORT" '.connect_seconds | [.p50, .max]')"
}

# all_refuse WHAT VIP FAMILY: neither version listens. Every client is told, once.
all_refuse() {
	local what=$1 vip=$2 sources
	mapfile -t sources < <(lab_sources "$3")
	counted
	load --to "$vip" --rate 500 --count 200 --timeout 10 "${sources[@]}"
	counted
	check_equal "$what: where the baseline refuses, too, every client hears so" "$(of "$REPORT" '[.refused, .connected]')" "[200,0]"
	check_equal "$what: and no connection goes round" \
		"$(of "$COUNTED" '[.v2.connections, .v2.refused, .v2.rescued, .v1.connections, .v1.refused, .v1.rescued]')" \
		"[200,200,200,200,200,0]"
}
