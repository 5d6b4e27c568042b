# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# Comparing what the kernel counted with what the clients did. Sourced after lib.sh.

flows=1000
request_bytes=$(printf 'GET / HTTP/1.1\r\nHost: lab\r\nUser-Agent: lab-client\r\n\r\n' | wc -c)
last_request_bytes=$((request_bytes + $(printf 'Connection: close\r\n' | wc -c)))

# fresh ADDRESS COUNT ARG…: a load over 5-tuples that no load before it had. On one whose last connection still waits in
# TIME_WAIT a closed port does not refuse at once, and to UDP it is the same flow.
next_port=1024
fresh() {
	local to=$1 count=$2 family=4
	shift 2
	if [[ $to = \[* ]]; then family=6; fi
	local -n sources="LAB_CLIENTS$family"
	load --to "$to" --count "$count" --source "${sources[1]}" --source-ports "$next_port-$((next_port + count - 1))" "$@"
	next_port=$((next_port + count))
}

declare -A SEEN=()

# kernel_since VERSION: what the kernel has counted since the last comparison, without zeros; all of it in $KERNEL_NOW
kernel_since() {
	KERNEL_NOW=$(lab_kernel "$1")
	jq -cS --argjson before "${SEEN[$1]:-{\}}" 'with_entries(.value -= ($before[.key] // 0)) |
		del(.request_packets, .response_packets, .request_retransmits, .response_retransmits, .zero_windows) |
		with_entries(select(.value != 0))' <<<"$KERNEL_NOW"
}

# The same, as the client's report has it. A response broken off was counted by its class, which is 200, before.
client_counts() {
	jq -cS --argjson request "$last_request_bytes" '{
		connections: .attempts, established: .connected, refused, requests,
		http_2xx: (.responses["2xx"] + .resets_mid), http_5xx: .responses["5xx"],
		reset_before_response: .resets_before, reset_mid_response: .resets_mid, empty_close: .empty_closes,
		request_bytes: (.requests * $request), response_bytes: .bytes
	} | with_entries(select(.value != 0))' <<<"$REPORT"
}

kernel_is() { [ "$(kernel_since "$1")" = "$2" ]; }

# same WHAT VERSION EXPECTED: the kernel has counted EXPECTED, without its zeros, and nothing else
same() {
	local what=$1 version=$2 expected
	expected=$(jq -cS 'with_entries(select(.value != 0))' <<<"$3")
	lab_wait_for 10 "the kernel to have counted $what" kernel_is "$version" "$expected" 2>/dev/null
	check_equal "$what: the kernel counted exactly that" "$(kernel_since "$version")" "$expected"
	kernel_since "$version" >/dev/null # in this shell
	SEEN[$version]=$KERNEL_NOW
}

# Everything the client saw, if it ended in a way the kernel can see.
nothing_else() {
	check_equal "$1: the client saw nothing else" \
		"$(of "$REPORT" '.local_errors + .unreachable + .malformed + .truncated + .resets_after + .unfinished +
			.idle_closes + .version_changes')" 0
}

# agree WHAT VERSION ADDRESS FILTER ARG…: FILTER says which of the client's counts must not be 0
agree() {
	local what="$1, $2" version=$2 address=$3 filter=$4
	shift 4
	fresh "$address" "$flows" --rate 2500 --timeout 30 "$@"
	nothing_else "$what"
	check_within "$what: it happened" "$(of "$REPORT" "$filter")" 1 "$flows"
	same "$what" "$version" "$(client_counts)"
}

# ---- keep-alive ----

# With faults it is not known which of a connection's requests was its last: their bytes are left out then.
agree_keep_alive() {
	local what="4 requests a connection, $1, $2" version=$2 address=$3 expected
	fresh "$address" 500 --rate 1000 --timeout 30 --requests-per-connection 4
	nothing_else "$what"
	expected=$(jq -c '.request_bytes = $bytes' --argjson bytes \
		$((500 * (3 * request_bytes + last_request_bytes))) <<<"$(client_counts)")
	if [ "$1" != "no faults" ]; then
		expected=$(jq -c '.request_bytes = $bytes' --argjson bytes "$(kernel_since "$version" | jq .request_bytes)" \
			<<<"$expected")
	fi
	same "$what" "$version" "$expected"
}

# ---- UDP ----

# A datagram answered later than half a second is counted as timed out, and then as late.
of_udp_kernel() {
	kernel_since "$1" | jq -cS '{connections, requests, answered: ((.unparsed // 0) + (.late_response // 0)),
		unanswered: ((.response_timeout // 0) - (.late_response // 0)), request_bytes, response_bytes}'
}

of_udp_client() {
	of "$REPORT" '{connections: .attempts, requests, answered: .responses["2xx"], unanswered: .response_timeouts,
		request_bytes: (.requests * 4), response_bytes: (.responses["2xx"] * 8)}'
}

udp_kernel_is() { [ "$(of_udp_kernel "$1")" = "$2" ]; }

# 3 datagrams a flow; a flow ends where one stays unanswered.
agree_udp() {
	local what="$1, $2" version=$2 address=$3 other
	fresh "$address" 500 --udp --rate 500 --timeout 3 --requests-per-connection 3
	lab_wait_for 10 "the kernel to have counted $what" udp_kernel_is "$version" "$(of_udp_client)" 2>/dev/null
	check_equal "$what: the kernel counted exactly that" "$(of_udp_kernel "$version")" "$(of_udp_client)"
	other=$(kernel_since "$version" | jq -c 'del(.connections, .requests, .unparsed, .late_response, .response_timeout,
		.request_bytes, .response_bytes)')
	check_equal "$what: and nothing else" "$other" '{}'
	kernel_since "$version" >/dev/null
	SEEN[$version]=$KERNEL_NOW
}
