#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a client says in its SYN the baseline hears though the canary refused it: MSS, SACK, timestamps, window scale, as
# the baseline's own kernel kept them, beside those of a client that goes there directly. A request in the SYN (Fast Open)
# is not taken with it, comes again, and is answered. Modes dnat and fullnat, IPv4 and IPv6, with canaryd killed.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/rescue.sh
. tests/e2e/rescue.sh

SOURCE4=10.77.0.21 SOURCE6=fd00:77::21

# service MODE FAMILY VIP BASELINE CANARY
service() {
	local own="SOURCE$2"
	cat <<-END
		  - name: $1$2
		    vip: "$3"
		    mode: $1
		    $([ "$1" = dnat ] || echo "source_addresses: ['${!own}']")
		    baseline: v1
		    breaker: {enabled: false}
		    rollout: {steps: [{weight: 100, min_s: 600, max_s: 1200}]}
		    versions: [{name: v1, backends: ["$4"]}, {name: v2, backends: ["$5"]}]
	END
}

config() {
	lab_config | sed 's/^interfaces:.*/interfaces: [node0, to-b1, to-b2]/; s/^lease: .*/lease: {on_expiry: hold}/'
	echo services:
	service dnat 4 "$LAB_VIP4:80" 10.77.1.2:8080 10.77.2.2:8080
	service dnat 6 "[$LAB_VIP6]:80" "[fd00:77:1::2]:8080" "[fd00:77:2::2]:8080"
	service fullnat 4 "$LAB_VIP4:81" 10.77.1.2:8081 10.77.2.2:8081
	service fullnat 6 "[$LAB_VIP6]:81" "[fd00:77:1::2]:8081" "[fd00:77:2::2]:8081"
}

# Nobody listens on b2. Fast Open without cookies: the first SYN of a client has data, and b1 takes it.
prepare() {
	lab_ns node ip address add "$SOURCE4/32" dev lo && lab_ns node ip address add "$SOURCE6/128" dev lo nodad &&
		lab_xdp client client0 lab_pass && lab_ns b1 ethtool -K eth0 gro on && lab_ns b2 ethtool -K eth0 gro on &&
		lab_ns client sysctl -qw net.ipv4.tcp_fastopen=5 && lab_ns b1 sysctl -qw net.ipv4.tcp_fastopen=514 || return 1
	lab_start v1 b1 "$LAB_BUILD/lab-server" --name v1 --syn --control "$LAB_DIR/v1.control" --listen 10.77.1.2:8080 \
		--listen 10.77.1.2:8081 --listen "[fd00:77:1::2]:8080" --listen "[fd00:77:1::2]:8081"
	lab_wait_for 10 "v1 to serve" lab_tell v1 stats
}

# dial TO COUNT ARG…: from a port that was not used before, so that no connection meets another's TIME_WAIT.
PORT=10000
dial() {
	local source=${LAB_CLIENTS4[0]}
	[[ $1 != \[* ]] || source=${LAB_CLIENTS6[0]}
	load --to "$1" --count "$2" --source "$source" --source-ports "$PORT-$((PORT + $2 - 1))" --timeout 10 "${@:3}"
	PORT=$((PORT + $2))
}

# syn_of ADDRESS: what the server was told by a client that connects there.
syn_of() {
	dial "$1" 1
	stats v1
	SYN=$(jq -r .syn <<<"$STATS")
}

# options WHAT VIP DIRECT: as the kernel asks for them, and as few as it can.
options() {
	local what=$1 direct setting
	for setting in 1 0; do
		lab_ns client sysctl -qw net.ipv4.tcp_timestamps=$setting net.ipv4.tcp_sack=$setting net.ipv4.tcp_window_scaling=$setting
		syn_of "$3"
		direct=$SYN
		syn_of "$2"
		check_equal "$what: the TCP options arrive at the baseline" "$(of "$REPORT" .versions) $SYN" "{\"v1\":1} $direct"
		note "$what: $SYN"
		check_equal "$what: and are the client's" "${SYN//[0-9]/}" "$([ $setting = 1 ] && echo 'mss , sack, ts, wscale ' || echo 'mss ')"
	done
	lab_ns client sysctl -qw net.ipv4.tcp_timestamps=1 net.ipv4.tcp_sack=1 net.ipv4.tcp_window_scaling=1
}

# Requests in the SYN that the server took, and that it did not.
fast_opens() {
	lab_ns client nstat -asz TcpExtTCPFastOpenActive TcpExtTCPFastOpenActiveFail |
		awk '/Active / { taken = $2 } /ActiveFail / { declined = $2 } END { print taken, declined }'
}

N=50
fast_open() {
	local what=$1 taken declined
	read -r taken declined < <(fast_opens)
	dial "$3" $N --rate 500 --fast-open
	check_equal "$what: the baseline takes $N requests with their SYN" "$(fast_opens)" "$((taken + N)) $declined"
	counted
	dial "$2" $N --rate 500 --fast-open
	counted
	check_equal "$what: of a rescued one it does not" "$(fast_opens)" "$((taken + N)) $((declined + N))"
	check_equal "$what: and each is answered all the same" "$(of "$REPORT" "[$failures, .versions]")" "[0,{\"v1\":$N}]"
	check_equal "$what: once" "$(of "$COUNTED" '[.v2.connections, .v2.refused, .v2.rescued, .v1.connections, .v1.requests, .v1.http_2xx]')" \
		"[$N,$N,$N,$N,$N,$N]"
}

lab_up rescue-options routed || bail "the lab does not come up"
prepare || bail "the lab cannot be made ready"
config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
for service in dnat4 dnat6 fullnat4 fullnat6; do
	lab_ctl rollout start "$service" >/dev/null || bail "the rollout of $service does not start"
done
lab_stop canaryd KILL
for test in options fast_open; do
	$test "dnat, IPv4" "$LAB_VIP4:80" 10.77.1.2:8080
	$test "dnat, IPv6" "[$LAB_VIP6]:80" "[fd00:77:1::2]:8080"
	$test "fullnat, IPv4" "$LAB_VIP4:81" 10.77.1.2:8081
	$test "fullnat, IPv6" "[$LAB_VIP6]:81" "[fd00:77:1::2]:8081"
done
plan
