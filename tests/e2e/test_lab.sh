#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The lab itself, without canaryd: for every fault the client's exact counts are the server's exact counts.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

flows=1500
port=8100

# What both sides must agree on, from the client's report and from the server's.
of_client() {
	of "$REPORT" '{connections: .connected, ok: .responses["2xx"], failed: .responses["5xx"],
		reset: .resets_before, broken: .resets_mid, empty: .empty_closes}'
}

of_server() {
	of "$STATS" '{connections, ok: .responses["200"], failed: .responses["503"],
		reset: .resets_before, broken: .resets_mid, empty: .empty_closes}'
}

nothing_else='.local_errors + .unreachable + .malformed + .truncated + .resets_after + .unfinished + .idle_closes +
	.version_changes + .response_timeouts'

# agree FAULTS ADDRESS [ARG…]: a server with these faults from its first request to its last.
agree() {
	local faults=$1 address=$2 name
	shift 2
	port=$((port + 1)) name=server$port
	lab_serve "$name" v1 "$port" --base-ms 1 --seed "$port" --faults "$faults" || bail "lab-server does not start"
	load --to "$address:$port" --rate 2500 --count "$flows" --timeout 20 "$@"
	stats "$name"
	check_equal "'$faults' at $address $*: the client counts what the server counts" "$(of_client)" "$(of_server)"
	check_equal "'$faults' at $address $*: and nothing else" "$(of "$REPORT" "$nothing_else")" 0
	lab_stop "$name"
}

# nearly WHAT COUNT OF SHARE: within 5 standard errors, so that a run in two million fails by chance.
nearly() {
	check_within "$1" "$2" "$(awk -v n="$3" -v p="$4" 'BEGIN { print n * p - 5 * sqrt(n * p * (1 - p)) }')" \
		"$(awk -v n="$3" -v p="$4" 'BEGIN { print n * p + 5 * sqrt(n * p * (1 - p)) }')"
}

test_faults() {
	local address
	for address in "$LAB_BACKEND4" "[$LAB_BACKEND6]"; do
		agree clear "$address"
		check_equal "$address: every flow is answered" "$(of "$REPORT" '.versions.v1')" "$flows"
		agree errors=0.1 "$address"
		nearly "$address: a tenth is 503" "$(of "$REPORT" '.responses["5xx"]')" "$flows" 0.1
		agree reset=0.1 "$address"
		nearly "$address: a tenth is reset" "$(of "$REPORT" .resets_before)" "$flows" 0.1
		agree reset_mid=0.1 "$address"
		nearly "$address: a tenth is broken off" "$(of "$REPORT" .resets_mid)" "$flows" 0.1
		agree empty=0.1 "$address"
		nearly "$address: a tenth is closed empty" "$(of "$REPORT" .empty_closes)" "$flows" 0.1
		agree "errors=0.05 reset=0.05 reset_mid=0.05 empty=0.05" "$address" --requests-per-connection 4
	done
}

# The port opens and closes while the server runs; a flow that gets no answer takes its timeout.
test_ports() {
	local address
	for address in "$LAB_BACKEND4:8090" "[$LAB_BACKEND6]:8090"; do
		check_equal "$address: the port closes" "$(lab_tell dialled refuse=1)" ok
		load --to "$address" --rate 1000 --count 500
		check_equal "$address: all are refused" "$(of "$REPORT" .refused)" 500
		check_equal "$address: the port opens, the hole opens" "$(lab_tell dialled "refuse=0 blackhole=1")" ok
		load --to "$address" --rate 1000 --count 200 --timeout 0.5
		check_equal "$address: none is answered" "$(of "$REPORT" '[.connect_timeouts, .connected]')" '[200,0]'
		check_equal "$address: all is healed" "$(lab_tell dialled clear)" ok
		load --to "$address" --rate 1000 --count 200
		check_equal "$address: all are answered" "$(of "$REPORT" '.responses["2xx"]')" 200
	done
}

test_udp() {
	local address
	for address in "$LAB_BACKEND4:8090" "[$LAB_BACKEND6]:8090"; do
		stats dialled
		local before=$STATS
		load --to "$address" --udp --rate 1000 --count 500 --requests-per-connection 3
		stats dialled
		check_equal "udp $address: every datagram comes back" "$(of "$REPORT" '[.requests, .versions.v1]')" '[1500,1500]'
		check_equal "udp $address: and the server counts them" \
			"$(jq -n "$STATS.udp.answered - $before.udp.answered")" 1500
		lab_tell dialled empty=1 >/dev/null
		load --to "$address" --udp --rate 1000 --count 100 --timeout 0.5
		check_equal "udp $address: without an answer it times out" "$(of "$REPORT" .response_timeouts)" 100
		lab_tell dialled "clear refuse=1" >/dev/null
		load --to "$address" --udp --rate 100 --count 20
		check_equal "udp $address: a closed port refuses" "$(of "$REPORT" .refused)" 20
		lab_tell dialled clear >/dev/null
	done
}

test_time() {
	stats dialled
	check_equal "delay_ms is told" "$(lab_tell dialled delay_ms=30)" ok
	load --to "$LAB_BACKEND4:8090" --rate 500 --count 500
	check_within "30 ms more are at least 30 ms" "$(of "$REPORT" .ttfb_seconds.p50)" 0.030 5
	load --to "$LAB_BACKEND4:8090" --rate 500 --count 100 --timeout 0.01
	check_equal "a response later than the timeout is counted so" "$(of "$REPORT" .response_timeouts)" 100
	lab_tell dialled clear >/dev/null
}

test_many() {
	local sources
	mapfile -t sources < <(lab_sources 4)
	load --to "$LAB_BACKEND4:8090" --rate 5000 --count 20000 --timeout 20 "${sources[@]}" --source-ports 20000-29999 \
		--flows "$LAB_DIR/flows" # the kernel's own choice of ports repeats on a slow machine
	check_equal "20,000 connections" "$(of "$REPORT" '[.connected, .responses["2xx"]]')" '[20000,20000]'
	check_equal "from 16 addresses" "$(cut -d: -f1 "$LAB_DIR/flows" | sort -u | wc -l)" 16
	check_equal "each of another 5-tuple, served by v1" "$(sort -u "$LAB_DIR/flows" | grep -c ' v1 ok$')" 20000
}

test_mistakes() {
	check_exit "an unknown fault is an error" 1 lab_tell dialled wings=1
	check_exit "faults of more than 1 together are an error" 1 lab_tell dialled "errors=0.6 reset=0.6"
	check_equal "and change nothing" "$(of "$(lab_tell dialled stats)" .name)" '"v1"'
	check_exit "a server that is not there is unreachable" 6 lab_tell nobody stats
	check_exit "a wrong address is a usage error" 2 "$LAB_BUILD/lab-client" --to nowhere
	check_exit "a taken port is one line" 1 lab_ns node "$LAB_BUILD/lab-server" --listen "$LAB_BACKEND4:8090"
}

test_end() {
	lab_start endless client "$LAB_BUILD/lab-client" --to "$LAB_BACKEND4:8090" --rate 100 --duration 1000
	lab_wait_for 10 "the load to begin" answered
	lab_stop endless INT
	check_equal "a load that is interrupted ends well" $? 0
	REPORT=$(cat "$LAB_DIR/endless.log")
	check_within "and says what it counted" "$(of "$REPORT" .connected)" 1 100000
	check_equal "and finished what it had begun" "$(of "$REPORT" '.responses["2xx"] - .attempts, .unfinished')" $'0\n0'
}

# A signal and then the end of 200 connections, all in one round of the client's loop.
test_end_of_many() {
	lab_serve short v1 8091 || bail "lab-server does not start"
	lab_start many client "$LAB_BUILD/lab-client" --to "$LAB_BACKEND4:8091" --rate 1000 --count 200 --timeout 20 \
		--requests-per-connection 2 --think-ms 900000
	lab_wait_for 10 "200 answers" has_answered short 200
	kill -STOP "$(lab_pid many)"
	kill -INT "$(lab_pid many)"
	lab_stop short
	kill -CONT "$(lab_pid many)"
	lab_stop many INT
	check_equal "a load interrupted while its server goes ends well" $? 0
	check_equal "and has lost nothing" "$(of "$(cat "$LAB_DIR/many.log")" '[.responses["2xx"], .unfinished]')" '[200,0]'
}

has_answered() { [ "$(lab_tell "$1" stats | jq '.responses["200"]')" -ge "$2" ]; }

answered() { [ "$(lab_tell dialled stats | jq '.requests')" -gt "$requests_before" ]; }

test_routed() {
	lab_start far b1 "$LAB_BUILD/lab-server" --listen 10.77.1.2:80 --listen '[fd00:77:1::2]:80' \
		--control "$LAB_DIR/far.control"
	lab_wait_for 10 "the server behind the node" lab_tell far stats
	load --to 10.77.1.2:80 --rate 500 --count 100
	check_equal "a backend behind the node answers" "$(of "$REPORT" '.responses["2xx"]')" 100
	load --to '[fd00:77:1::2]:80' --rate 500 --count 100
	check_equal "over IPv6 too" "$(of "$REPORT" '.responses["2xx"]')" 100
}

lab_up lab routed || bail "the lab does not come up"
test_faults
lab_serve dialled v1 8090 --base-ms 1 --udp || bail "lab-server does not start"
test_ports
test_udp
test_time
test_many
test_mistakes
stats dialled
requests_before=$(of "$STATS" .requests)
test_end
test_end_of_many
test_routed
lab_down
check_equal "nothing is left" "$(ip netns list | grep -c -- "-$$-")" 0
plan
