#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A shadow version gets copies of datagrams: clients get exactly the baseline's answers, also when the shadow is quicker, silent or
# refuses; what it does is measured; both families.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

write_config() {
	lab_config
	echo "flow_table: 4096" # a quarter of them for shadows
	echo "services:"
	service four "$LAB_VIP4:53" "$LAB_BACKEND4" 100
	service six "[$LAB_VIP6]:53" "[$LAB_BACKEND6]" 100
	service some "$LAB_VIP4:54" "$LAB_BACKEND4" 25 2
}

# service NAME VIP ADDRESS PERCENT [DIGIT]
service() {
	cat <<-END
		  - name: $1
		    vip: "$2"
		    protocol: udp
		    baseline: v1
		    response_timeout_s: 1
		    versions:
		      - {name: v1, backends: ["$3:8${5:-0}81"]}
		      - {name: v3, backends: ["$3:8${5:-0}83"]}
		    shadow: {version: v3, percent: $4}
	END
}

datagrams() { stats "$1" && of "$STATS" ".udp.$2"; }
count() { lab_ctl status "$1" -j | jq -r ".services[0].versions[] | select(.name == \"$2\") | .counters.$3"; }
count_is() { [ "$(count "$1" "$2" "$3")" = "$4" ]; }
# What the client's host got, and what it had no use for.
udp_of_client() { lab_ns client cat /proc/net/snmp /proc/net/snmp6 | awk '
	/^Udp: [0-9]/ { got += $2; lost += $3 } /^Icmp: [0-9]/ { errors += $4 }
	/^Udp6InDatagrams/ { got += $2 } /^Udp6NoPorts/ { lost += $2 } /^Icmp6InDestUnreachs/ { errors += $2 }
	END { print got + 0, lost + 0, errors + 0 }'; }

# asked WHAT SERVICE VIP COUNT: so many requests are answered once each, by the baseline, whatever the shadow does
asked() {
	local got lost errors v1 got_after lost_after errors_after
	read -r got lost errors < <(udp_of_client)
	v1=$(datagrams v1 answered)
	load --udp --to "$3" --rate 400 --count "$4" --timeout 5
	check_equal "$1: every request is answered" "$(of "$REPORT" '[.requests, .response_timeouts, .malformed]')" "[$4,0,0]"
	sleep 0.2 # what else the shadow would send has come by then; that it is late is no failure
	read -r got_after lost_after errors_after < <(udp_of_client)
	check_equal "$1: exactly once, and nothing else comes" \
		"$((got_after - got)) $((lost_after - lost)) $((errors_after - errors))" "$4 0 0"
	check_equal "$1: by the baseline" "$(($(datagrams v1 answered) - v1))" "$4"
}

test_family() {
	local name=$1 vip=$2
	lab_tell v1 delay_ms=20 >/dev/null
	asked "$name, the shadow quicker" "$name" "$vip" 100
	lab_tell v1 clear >/dev/null
	lab_wait_for 10 "the shadow's answers to be counted" count_is "$name" v3 unparsed 100 || note "$(count "$name" v3 unparsed)"
	check_equal "$name: the shadow's requests and answers are counted" \
		"$(count "$name" v3 requests) $(count "$name" v3 unparsed)" "100 100"
	check_equal "$name: and timed" "$(lab_ctl status "$name" -j | jq '.services[0].versions[1] | [.role, .ttfb_seconds.count]' -c)" '["shadow",100]'
	check_equal "$name: the baseline's are its own" "$(count "$name" v1 requests) $(count "$name" v1 unparsed)" "100 100"
	lab_tell v3 blackhole=1 >/dev/null
	asked "$name, the shadow silent" "$name" "$vip" 50
	lab_wait_for 20 "the silence to be counted" count_is "$name" v3 response_timeout 50 ||
		not_ok "$name: $(count "$name" v3 response_timeout) time-outs"
	lab_tell v3 clear >/dev/null
	lab_tell v3 refuse=1 >/dev/null
	asked "$name, the shadow gone" "$name" "$vip" 50
	lab_wait_for 10 "the refusals to be counted" count_is "$name" v3 refused 50 || not_ok "$name: $(count "$name" v3 refused) refused"
	lab_tell v3 clear >/dev/null
	check_equal "$name: none of it is the baseline's" "$(count "$name" v1 refused) $(count "$name" v1 response_timeout)" "0 0"
}

test_share() {
	load --udp --to "$LAB_VIP4:54" --rate 1000 --count 1000 --timeout 5
	check_equal "every request is answered" "$(of "$REPORT" .response_timeouts)" 0
	lab_wait_for 10 "all to be counted" count_is some v1 requests 1000 || not_ok "$(count some v1 requests) of 1000 counted"
	check_within "the share is the configured one" "$(count some v3 requests)" 190 310
}

# More flows than the shadow's table holds: what is not copied is counted, and answered as ever.
test_full() {
	load --udp --to "$LAB_VIP4:53" --source "${LAB_CLIENTS4[5]}" --source-ports 10001-11500 --rate 1500 --count 1500 --timeout 5
	check_equal "more flows than are copied: every request is answered" "$(of "$REPORT" .response_timeouts)" 0
	check_within "those that are not are counted" "$(lab_pinned reasons | jq '[.[].formatted.values[].value.shadow_full] | add')" 1 1500
}

test_config() {
	sed '0,/percent: 100/s//percent: 101/' "$LAB_DIR/canaryd.yaml" >"$LAB_DIR/bad.yaml"
	check_exit "a share beyond all" 3 "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/bad.yaml"
	sed '0,/version: v3/s//version: v1/' "$LAB_DIR/canaryd.yaml" >"$LAB_DIR/bad.yaml"
	check_exit "the baseline as its own shadow" 3 "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/bad.yaml"
	sed '0,/protocol: udp/s//protocol: tcp/' "$LAB_DIR/canaryd.yaml" >"$LAB_DIR/bad.yaml"
	check_exit "connections" 3 "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/bad.yaml"
	check "canaryctl status says what is copied" grep -q "25 % of the datagrams are copied to v3" <(lab_ctl status some)
}

lab_up shadow || bail "the lab does not come up"
lab_serve v1 v1 8081 --seed 1 --base-ms 1 --udp && lab_serve v3 v3 8083 --seed 3 --base-ms 1 --udp &&
	lab_serve w1 v1 8281 --seed 5 --base-ms 1 --udp && lab_serve w3 v3 8283 --seed 6 --base-ms 1 --udp || bail "the servers do not start"
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_family four "$LAB_VIP4:53"
test_family six "[$LAB_VIP6]:53"
test_share
test_full
test_config
plan
