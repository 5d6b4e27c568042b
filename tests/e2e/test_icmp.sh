#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong on the way is told to whom it concerns: path-MTU discovery over links of 1,280 bytes on both sides of
# the splitter, in both directions and both families; ports and hosts that are unreachable; datagrams in fragments.
#
#   far 198.51.100.2 --(1280)-- client ----- node ----- b2
#       2001:db8:f::2                         `--(1280)-- b1
#
# Who is at a narrow link says all the same that it takes segments of 1,460 bytes: nothing but ICMP tells the truth.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

far4=198.51.100.2
far6=2001:db8:f::2

far_up() {
	lab_prepare_ns far &&
		lab_veth far far0 "$far4/24" "$far6/64" client to-far 198.51.100.1/24 2001:db8:f::1/64 &&
		narrow far far0 client to-far &&
		narrow b1 eth0 node to-b1 &&
		routes far 198.51.100.1 2001:db8:f::1 &&
		routes b1 10.77.1.1 fd00:77:1::1 &&
		lab_ns client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
		lab_ns node ip route add 198.51.100.0/24 via "${LAB_CLIENTS4[0]}" &&
		lab_ns node ip -6 route add 2001:db8:f::/64 via "${LAB_CLIENTS6[0]}" &&
		lab_ns node ip route add unreachable 10.77.9.0/24 &&
		lab_ns node ip -6 route add unreachable fd00:77:9::/64
}

narrow() { lab_ns "$1" ip link set "$2" mtu 1280 && lab_ns "$3" ip link set "$4" mtu 1280; }

routes() {
	lab_ns "$1" ip route replace default via "$2" advmss 1460 && lab_ns "$1" ip -6 route replace default via "$3" advmss 1440
}

# ---- versions ----

write_config() {
	lab_config
	cat <<-END
		max_versions: 32
		max_backends: 64
		judge: {no_data_s: 3600, warmup_s: 86400}
		services:
	END
	service near "$LAB_VIP4:80" tcp "$LAB_BACKEND4:8080"
	service near6 "[$LAB_VIP6]:80" tcp "[$LAB_BACKEND6]:8080"
	service wide "$LAB_VIP4:81" tcp 10.77.2.2:8080
	service wide6 "[$LAB_VIP6]:81" tcp "[fd00:77:2::2]:8080"
	service narrow "$LAB_VIP4:82" tcp 10.77.1.2:8080
	service narrow6 "[$LAB_VIP6]:82" tcp "[fd00:77:1::2]:8080"
	service datagrams "$LAB_VIP4:53" udp "$LAB_BACKEND4:8301" "$LAB_BACKEND4:8302" 10.77.1.2:8300 10.77.2.2:8300
	service datagrams6 "[$LAB_VIP6]:53" udp "[$LAB_BACKEND6]:8301" "[$LAB_BACKEND6]:8302" "[fd00:77:1::2]:8300" "[fd00:77:2::2]:8300"
	service closed "$LAB_VIP4:90" udp "$LAB_BACKEND4:8390"
	service closed6 "[$LAB_VIP6]:90" udp "[$LAB_BACKEND6]:8390"
	service shut "$LAB_VIP4:91" udp 10.77.2.2:8390
	service shut6 "[$LAB_VIP6]:91" udp "[fd00:77:2::2]:8390"
	service nowhere "$LAB_VIP4:92" tcp 10.77.9.9:80
	service nowhere6 "[$LAB_VIP6]:92" tcp "[fd00:77:9::9]:80"
}

# service NAME VIP PROTOCOL BACKEND…: with one version of the same name
service() {
	local name=$1 vip=$2 protocol=$3
	shift 3
	cat <<-END
		  - name: $name
		    vip: '$vip'
		    protocol: $protocol
		    syn_timeout_s: 60
		    response_timeout_s: 60
		    baseline: $name
		    versions: [{name: $name, backends: [$(printf '"%s", ' "$@")]}]
	END
}

# serve_files NS ADDRESS4 ADDRESS6: nginx there, with a large file, that takes uploads
serve_files() {
	local ns=$1 dir="$LAB_DIR/nginx-$1"
	mkdir -p "$dir/root/upload"
	ln -s "$LAB_DIR/large" "$dir/root/large"
	cat >"$dir/nginx.conf" <<-END
		worker_processes 1;
		daemon off;
		user root;
		pid $dir/pid;
		error_log $dir/error.log notice;
		events { }
		http {
			access_log off;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			client_max_body_size 64m;
			server {
				listen $2:8080;
				listen [$3]:8080;
				root $dir/root;
				location /upload { dav_methods PUT; }
			}
		}
	END
	lab_start "nginx-$ns" "$ns" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
	lab_wait_for 10 "nginx in $ns" lab_ns "$ns" curl --silent --fail --head "http://$2:8080/large" ||
		bail "nginx does not start: $(cat "$dir/error.log")"
}

serve_datagrams() {
	local name=$1 ns=$2 port=$3
	shift 3
	lab_start "$name" "$ns" "$LAB_BUILD/lab-server" --name "$name" --control "$LAB_DIR/$name.control" --udp --base-ms 1 \
		--listen "$1:$port" --listen "[$2]:$port"
	lab_wait_for 10 "$name to serve" lab_tell "$name" stats || bail "lab-server does not start"
}

start_servers() {
	head -c 3000000 /dev/urandom >"$LAB_DIR/large"
	serve_files node "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_files b1 10.77.1.2 fd00:77:1::2
	serve_files b2 10.77.2.2 fd00:77:2::2
	serve_datagrams s1 node 8301 "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_datagrams s2 node 8302 "$LAB_BACKEND4" "$LAB_BACKEND6"
	serve_datagrams s3 b1 8300 10.77.1.2 fd00:77:1::2
	serve_datagrams s4 b2 8300 10.77.2.2 fd00:77:2::2
}

# ---- path MTU, TCP ----

counted() { lab_kernel "$1" | jq ".$2"; }

# knows NS ADDRESS: it has been told of the narrow link on the way there
knows() { lab_ns "$1" ip route get "$2" | grep -q 'mtu 1280'; }

# upload VERSION VIP NS: from the client to a backend there
upload() {
	local version=$1 vip=$2 received="$LAB_DIR/nginx-$3/root/upload/$1"
	check "upload to $version over the narrow link" lab_ns client curl --silent --show-error --fail --max-time 120 \
		--upload-file "$LAB_DIR/large" "http://$vip/upload/$version"
	check "$version has it whole" cmp "$LAB_DIR/large" "$received"
	check_within "$version: ICMP errors translated" "$(counted "$version" icmp_errors)" 1 1000
}

# download VERSION VIP NS FAR: to the far client from a backend there
download() {
	local version=$1 vip=$2 ns=$3 far=$4
	check "download from $version over the narrow link" lab_ns far curl --silent --show-error --fail --max-time 120 \
		--output "$LAB_DIR/got-$version" "http://$vip/large"
	check "and it is whole" cmp "$LAB_DIR/large" "$LAB_DIR/got-$version"
	check_within "$version: ICMP errors translated" "$(counted "$version" icmp_errors)" 1 1000
	check "$version: its backend knows the way to the client" knows "$ns" "$far"
}

test_tcp() {
	upload narrow "$LAB_VIP4:82" b1
	check "the client knows the way to the VIP" knows client "$LAB_VIP4"
	upload narrow6 "[$LAB_VIP6]:82" b1
	check "the client knows the way to the VIP, IPv6" knows client "$LAB_VIP6"
	download wide "$LAB_VIP4:81" b2 "$far4"
	download wide6 "[$LAB_VIP6]:81" b2 "$far6"
	download near "$LAB_VIP4:80" node "$far4" # after which the node itself knows
	download near6 "[$LAB_VIP6]:80" node "$far6"
	check_equal "no TCP connection failed" "$(lab_kernel | jq '.refused + .syn_timeout + .reset_before_response + .empty_close')" 0
}

# ---- datagrams ----

# load_at NS ARG…: as load, from there
load_at() {
	local ns=$1
	shift
	REPORT=$(lab_ns "$ns" "$LAB_BUILD/lab-client" "$@" 2>"$LAB_DIR/load.errors") ||
		bail "lab-client $*: $(cat "$LAB_DIR/load.errors")"
}

# A datagram that is too big is lost, and its sender learns; over IPv6 the server, too. Both have to be told once.
all_answered() {
	load_at "$1" --to "$2" --udp --datagram-bytes "$3" --rate 200 --count 60 --timeout 3
	[ "$(of "$REPORT" '.responses["2xx"]')" -eq 60 ]
}

of_bytes() { lab_kernel "$1" | jq -c '[.request_bytes, .response_bytes]'; }

# datagrams NS VERSION VIP BYTES: three a flow, to four backends; those of a flow are answered by one
datagrams() {
	local ns=$1 version=$2 vip=$3 bytes=$4 what="$4 bytes from $1 to $2" before
	lab_wait_for 60 "$what to find their way" all_answered "$ns" "$vip" "$bytes"
	before=$(of_bytes "$version")
	load_at "$ns" --to "$vip" --udp --datagram-bytes "$bytes" --rate 100 --count 100 --requests-per-connection 3 --timeout 30
	check_equal "$what: all come back whole" "$(of "$REPORT" '[.responses["2xx"], .malformed]')" '[300,0]'
	check_equal "$what: by four backends, each flow by one" "$(of "$REPORT" '[(.versions | length), .version_changes]')" '[4,0]'
	check_equal "$what: the kernel counted every byte once" \
		"$(jq -cn "[$(of_bytes "$version"), $before] | transpose | map(.[0] - .[1])")" "[$((300 * bytes)),$((300 * (bytes + 3)))]"
}

forget_routes() {
	local ns
	for ns in far client node b1 b2; do
		lab_ns "$ns" ip route flush cache && lab_ns "$ns" ip -6 route flush cache || bail "the routes of $ns are not forgotten"
	done
}

test_datagrams() {
	local ns bytes
	forget_routes
	for ns in client far; do
		for bytes in 1400 4000 8000; do
			datagrams "$ns" datagrams "$LAB_VIP4:53" "$bytes"
			datagrams "$ns" datagrams6 "[$LAB_VIP6]:53" "$bytes"
		done
	done
	check_within "datagrams: ICMP errors translated" "$(counted datagrams icmp_errors)" 1 10000
	check_within "datagrams6: ICMP errors translated" "$(counted datagrams6 icmp_errors)" 1 10000
}

# ---- unreachable ----

# refused VERSION VIP SOURCE: the client is told at once, and the kernel has counted it. Each datagram has a port of its own:
# one that is drawn twice is no new connection.
refused() {
	local version=$1 vip=$2
	load --to "$vip" --source "$3" --source-ports 20001-20030 --udp --rate 100 --count 30 --timeout 30
	check_equal "$version: 30 datagrams are refused" "$(of "$REPORT" '[.refused, .response_timeouts]')" '[30,0]'
	check_equal "$version: the kernel counted exactly that" \
		"$(lab_kernel "$version" | jq -c '[.connections, .requests, .refused, .icmp_errors, .response_timeout]')" '[30,30,30,30,0]'
}

# A connection whose SYN nobody delivers: refused once, also where the client's kernel tries again before it gives up.
unreachable() {
	local version=$1 vip=$2
	load --to "$vip" --rate 10 --count 2 --timeout 30
	check_equal "$version: 2 connections find nobody" "$(of "$REPORT" '[.unreachable, .connect_timeouts]')" '[2,0]'
	check_equal "$version: the kernel counted them as refused" \
		"$(lab_kernel "$version" | jq -c '[.connections, .refused]')" '[2,2]'
}

test_unreachable() {
	refused closed "$LAB_VIP4:90" "${LAB_CLIENTS4[0]}"
	refused closed6 "[$LAB_VIP6]:90" "${LAB_CLIENTS6[0]}"
	refused shut "$LAB_VIP4:91" "${LAB_CLIENTS4[0]}"
	refused shut6 "[$LAB_VIP6]:91" "${LAB_CLIENTS6[0]}"
	unreachable nowhere "$LAB_VIP4:92"
	unreachable nowhere6 "[$LAB_VIP6]:92"
}

lab_up icmp routed || bail "the lab does not come up"
far_up || bail "the far client does not come up"
start_servers
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_tcp
test_datagrams
test_unreachable
plan
