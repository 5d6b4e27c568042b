#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Server and clients nobody here wrote: nginx as both versions, curl for exact counts, wrk as the load under which a
# rollout is promoted without a failed request.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

vip="http://$LAB_VIP4"
vip6="http://[$LAB_VIP6]"

# wrk takes every CPU there is, and the version with less to do waits longer for its turn: latency decides nothing here.
write_config() {
	lab_config
	cat <<-END
		judge: {warmup_s: 1, alpha: 1e-6, alpha_promotion: 0.2, delta: 10, delta_promotion: 10, history_s: 5, aa: false}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8082"]}
		    rollout:
		      steps: [{weight: 10, min_s: 1}, {weight: 50, min_s: 1}, {weight: 100, min_s: 1}]
		      bake_s: 2
		  - name: checkout6
		    vip: "[$LAB_VIP6]:80"
		    baseline: six
		    versions: [{name: six, backends: ["[$LAB_BACKEND6]:8081"]}]
	END
}

# A connection serves 20 requests, so that a client that keeps them is split anew often enough.
write_nginx() {
	local version=$1 port=$2
	mkdir -p "$LAB_DIR/$version/root/upload"
	echo "hello from $version" >"$LAB_DIR/$version/root/index.html"
	ln -s "$LAB_DIR/large" "$LAB_DIR/$version/root/large"
	cat >"$LAB_DIR/$version/nginx.conf" <<-END
		worker_processes 1;
		daemon off;
		user root;
		pid $LAB_DIR/$version/pid;
		error_log $LAB_DIR/$version/error.log notice;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $LAB_DIR/$version/body;
			proxy_temp_path $LAB_DIR/$version/proxy;
			fastcgi_temp_path $LAB_DIR/$version/fastcgi;
			uwsgi_temp_path $LAB_DIR/$version/uwsgi;
			scgi_temp_path $LAB_DIR/$version/scgi;
			client_max_body_size 64m;
			keepalive_requests 20;
			server {
				listen $LAB_BACKEND4:$port backlog=4096;
				listen [$LAB_BACKEND6]:$port backlog=4096;
				root $LAB_DIR/$version/root;
				add_header X-Version $version always;
				location /moved { return 301 /; }
				location /broken { return 500; }
				location /closed { return 444; }
				location /upload { dav_methods PUT; }
			}
		}
	END
}

start_nginx() {
	write_nginx "$1" "$2"
	lab_start "$1" node nginx -e "$LAB_DIR/$1/error.log" -c "$LAB_DIR/$1/nginx.conf"
	lab_wait_for 10 "nginx as $1" lab_ns client curl --silent --fail "http://$LAB_BACKEND4:$2/" ||
		bail "nginx does not start: $(cat "$LAB_DIR/$1.log" "$LAB_DIR/$1/error.log")"
}

# fetch ARG…: curl in the client; what -w prints is left in $FETCHED, the bodies in $LAB_DIR/body
fetch() { FETCHED=$(lab_ns client curl --silent --show-error --max-time 60 --output "$LAB_DIR/body" "$@" 2>"$LAB_DIR/curl.errors"); }

# since VERSION: what the kernel has counted of it since the last time, without zeros and without packets
declare -A SEEN=()
since() {
	NOW=$(lab_kernel "$1")
	jq -cS --argjson before "${SEEN[$1]:-{\}}" 'with_entries(.value -= ($before[.key] // 0)) |
		del(.request_packets, .response_packets, .request_retransmits, .response_retransmits, .zero_windows) |
		with_entries(select(.value != 0))' <<<"$NOW"
}

classes_since() { since "$1" | jq -cS 'del(.request_bytes, .response_bytes)'; }

counted() { [ "$(classes_since "$1")" = "$2" ]; }

# counts WHAT VERSION EXPECTED
counts() {
	local expected
	expected=$(jq -cS . <<<"$3")
	lab_wait_for 10 "the kernel's counts" counted "$2" "$expected" 2>/dev/null
	check_equal "$1: the kernel counted exactly that" "$(classes_since "$2")" "$expected"
	BYTES=$(since "$2" | jq -c '{request_bytes, response_bytes}')
	since "$2" >/dev/null # in this shell
	SEEN[$2]=$NOW
}

# ---- curl ----

test_classes() {
	local url=$1 version=$2
	fetch "$url/" -w '%{http_code}'
	check_equal "$version: / is 200" "$FETCHED" 200
	counts "$version: 200" "$version" '{"connections":1,"established":1,"requests":1,"http_2xx":1}'
	fetch "$url/moved" -w '%{http_code}'
	check_equal "$version: /moved is 301" "$FETCHED" 301
	counts "$version: 301" "$version" '{"connections":1,"established":1,"requests":1,"http_3xx":1}'
	fetch "$url/nowhere" -w '%{http_code}'
	check_equal "$version: /nowhere is 404" "$FETCHED" 404
	counts "$version: 404" "$version" '{"connections":1,"established":1,"requests":1,"http_4xx":1}'
	fetch "$url/broken" -w '%{http_code}'
	check_equal "$version: /broken is 500" "$FETCHED" 500
	counts "$version: 500" "$version" '{"connections":1,"established":1,"requests":1,"http_5xx":1}'
	fetch "$url/closed"
	check_equal "$version: /closed is an empty reply" $? 52
	counts "$version: an empty reply" "$version" '{"connections":1,"established":1,"requests":1,"empty_close":1}'
	fetch --head "$url/" -w '%{http_code}'
	check_equal "$version: HEAD is 200" "$FETCHED" 200
	counts "$version: HEAD" "$version" '{"connections":1,"established":1,"requests":1,"http_2xx":1}'
}

# Nine requests on one connection, with bodies and without. After a 500 nginx closes it.
test_keep_alive() {
	fetch "$vip/" "$vip/nowhere" "$vip/moved" "$vip/" "$vip/" --next --silent --output /dev/null --head "$vip/" "$vip/nowhere" \
		"$vip/moved" --next --silent --output /dev/null "$vip/broken"
	counts "nine requests on one connection" v1 '{"connections":1,"established":1,"requests":9,"http_2xx":4,"http_3xx":2,
		"http_4xx":2,"http_5xx":1}'
}

same_file() { [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]; }

# 8 MiB pass as super-packets of up to 64 KiB; every byte arrives, and every byte is counted once.
test_large() {
	local url=$1 version=$2
	fetch "$url/large" -w '%{size_download} %{size_header} %{size_request}'
	check "$version: 8 MiB arrive as they were" same_file "$LAB_DIR/large" "$LAB_DIR/body"
	counts "$version: a large download" "$version" '{"connections":1,"established":1,"requests":1,"http_2xx":1}'
	check_equal "$version: every byte of it, once" "$BYTES" \
		"$(awk '{ printf "{\"request_bytes\":%d,\"response_bytes\":%d}", $3, $1 + $2 }' <<<"$FETCHED")"
	fetch --upload-file "$LAB_DIR/large" -H Expect: "$url/upload/$version" -w '%{size_upload} %{size_request} %{http_code}'
	check_equal "$version: an upload is 201" "${FETCHED##* }" 201
	check "$version: 8 MiB arrive at nginx as they were" same_file "$LAB_DIR/large" "$LAB_DIR/v1/root/upload/$version"
	counts "$version: a large upload" "$version" '{"connections":1,"established":1,"requests":1,"http_2xx":1}'
	check_equal "$version: every byte of it, once" "$(of "$BYTES" .request_bytes)" \
		"$(awk '{ print $1 + $2 }' <<<"$FETCHED")"
}

# "100 Continue" is an answer that does not end the request.
test_continue() {
	fetch --upload-file "$LAB_DIR/large" -H 'Expect: 100-continue' --expect100-timeout 60 "$vip/upload/continued" \
		-w '%{http_code}'
	check_equal "an upload that asks first is 201" "$FETCHED" 201
	check "and arrives as it was" same_file "$LAB_DIR/large" "$LAB_DIR/v1/root/upload/continued"
	counts "100-continue" v1 '{"connections":1,"established":1,"requests":1,"http_1xx":1,"http_2xx":1}'
}

# curl sees from the head that the file is larger than it wants, and breaks off.
test_abort() {
	fetch --max-filesize 1000 "$vip/large"
	check_equal "curl breaks off a response" $? 63
	counts "a response broken off" v1 '{"connections":1,"established":1,"requests":1,"http_2xx":1,"abort_data":1}'
}

# ---- wrk ----

wrk_served() { [ "$(lab_kernel "$1" | jq .http_2xx)" -ge "$2" ]; }

pipeline_ended() { ! lab_running pipeline; }

# of_wrk TEXT: the number that stands before TEXT in its report
of_wrk() { sed -n "s/^ *\([0-9]*\) $1.*/\1/p" "$LAB_DIR/wrk.log"; }

test_rollout() {
	lab_start wrk client wrk --threads 1 --connections 16 --duration 600s --timeout 60s "$vip/"
	lab_wait_for 30 "wrk's first requests" wrk_served v1 500 || bail "wrk: $(cat "$LAB_DIR/wrk.log")"
	lab_start pipeline host "$LAB_BUILD/canaryctl" --socket "$LAB_SOCKET" rollout start checkout --wait
	lab_wait_for 120 "the rollout to end" pipeline_ended || lab_ctl rollout status checkout
	lab_stop pipeline
	check_equal "canaryctl rollout start checkout --wait is 0" $? 0 || note "$(cat "$LAB_DIR/pipeline.log")"
	check_equal "the rollout is promoted" "$(lab_ctl status -j | jq -r '.services[0].rollout.state')" promoted
	check_equal "the canary is the baseline" "$(lab_ctl status -j | jq -r '.services[0].baseline')" v2
	fetch "$vip/" -w '%{http_code}'
	check_equal "and serves" "$(cat "$LAB_DIR/body")" "hello from v2"
	lab_stop wrk INT
}

test_wrk_report() {
	local requests served failed
	requests=$(of_wrk "requests in")
	check_within "wrk had answers" "$requests" 1000 1e9
	check_equal "no failed request and no socket error" "$(grep -E 'Socket errors|Non-2xx' "$LAB_DIR/wrk.log")" ""
	served=$(($(since v1 | jq .http_2xx) + $(since v2 | jq .http_2xx)))
	check_within "the kernel counted every one of them" "$served" "$requests" $((requests + 18))
	failed=$(lab_kernel | jq -c '{refused, syn_timeout, reset_before_response, reset_mid_response, response_timeout, unparsed,
		multiplexed, lost_track, rst_invalid} | with_entries(select(.value != 0))')
	check_equal "and nothing that failed" "$failed" '{}'
	check_within "both versions had their part" "$(since v2 | jq .http_2xx)" 100 "$requests"
}

lab_up nginx || bail "the lab does not come up"
head -c 8388608 /dev/urandom >"$LAB_DIR/large"
start_nginx v1 8081
start_nginx v2 8082
write_config >"$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_classes "$vip" v1
test_classes "$vip6" six
test_keep_alive
test_large "$vip" v1
test_large "$vip6" six
test_continue
test_abort
test_rollout
test_wrk_report
plan
