# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# Narrow links, large datagrams and those who are told of them. Sourced after lib.sh.

# narrow NS DEVICE NS DEVICE: the two ends of a link that takes 1,280 bytes
narrow() { lab_ns "$1" ip link set "$2" mtu 1280 && lab_ns "$3" ip link set "$4" mtu 1280; }

# routes NS VIA4 VIA6: who is at a narrow link says all the same that it takes segments of 1,460 bytes
routes() {
	lab_ns "$1" ip route replace default via "$2" advmss 1460 && lab_ns "$1" ip -6 route replace default via "$3" advmss 1440
}

# knows NS ADDRESS: it has been told of a narrow link on the way there
knows() { lab_ns "$1" ip route get "$2" | grep -q 'mtu 1280'; }

# forget_routes NS…: what they have been told of
forget_routes() {
	local ns
	for ns in "$@"; do
		lab_ns "$ns" ip route flush cache && lab_ns "$ns" ip -6 route flush cache || bail "the routes of $ns are not forgotten"
	done
}

reason() { lab_pinned reasons | jq --arg name "$1" '[.[].formatted.values[].value[$name]] | add'; }
counted() { lab_kernel "$1" | jq ".$2 // 0"; }

# ---- large files ----

# serve_files NS ADDRESS4 ADDRESS6: nginx there, with the file "large", that takes uploads
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

# upload VERSION VIP NS [ARG…]: from the client to a backend there
upload() {
	local version=$1 vip=$2 ns=$3
	shift 3
	check "upload to $version over the narrow link" lab_ns client curl --silent --show-error --fail --max-time 120 "$@" \
		--upload-file "$LAB_DIR/large" "http://$vip/upload/$version"
	check "$version has it whole" cmp "$LAB_DIR/large" "$LAB_DIR/nginx-$ns/root/upload/$version"
}

# download VERSION VIP: to the far client
download() {
	check "download from $1 over the narrow link" lab_ns far curl --silent --show-error --fail --max-time 120 \
		--output "$LAB_DIR/got-$1" "http://$2/large"
	check "$1: it is whole" cmp "$LAB_DIR/large" "$LAB_DIR/got-$1"
	check_within "$1: ICMP errors translated" "$(counted "$1" icmp_errors)" 1 1000
}

# ---- datagrams ----

# serve_datagrams NAME NS PORT ADDRESS4 ADDRESS6
serve_datagrams() { serve_at "$1" "$2" --udp --listen "$4:$3" --listen "[$5]:$3"; }

# load_at NS ARG…: as load, from there
load_at() {
	local ns=$1
	shift
	REPORT=$(lab_ns "$ns" "$LAB_BUILD/lab-client" "$@" 2>"$LAB_DIR/load.errors") ||
		bail "lab-client $*: $(cat "$LAB_DIR/load.errors")"
}

# A datagram that is too big is lost, and its sender learns; so may the server. Each has to be told once.
all_answered() {
	load_at "$1" --to "$2" --udp --datagram-bytes "$3" --rate 200 --count 60 --timeout 3
	[ "$(of "$REPORT" '.responses["2xx"]')" -eq 60 ]
}

of_bytes() { lab_kernel "$1" | jq -c '[.request_bytes, .response_bytes]'; }

# datagrams NS VERSION VIP BYTES BACKENDS ANSWERS: three a flow, to so many backends; those of a flow are answered by one.
# Of the 300 answers the kernel sees so many.
datagrams() {
	local ns=$1 version=$2 vip=$3 bytes=$4 what="$4 bytes from $1 to $2" before
	lab_wait_for 60 "$what to find their way" all_answered "$ns" "$vip" "$bytes" || not_ok "$what find their way"
	before=$(of_bytes "$version")
	load_at "$ns" --to "$vip" --udp --datagram-bytes "$bytes" --rate 100 --count 100 --requests-per-connection 3 --timeout 30
	check_equal "$what: all come back whole" "$(of "$REPORT" '[.responses["2xx"], .malformed]')" '[300,0]'
	check_equal "$what: by $5 backends, each flow by one" "$(of "$REPORT" '[(.versions | length), .version_changes]')" "[$5,0]"
	check_equal "$what: the kernel counted every byte once" \
		"$(jq -cn "[$(of_bytes "$version"), $before] | transpose | map(.[0] - .[1])")" "[$((300 * bytes)),$(($6 * (bytes + 3)))]"
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
