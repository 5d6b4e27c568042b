#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The TCP addresses of `listen:`: everybody may read, nobody may do more, and who reads slowly holds nobody up.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=9464

ask() { # METHOD ROUTE [CURL-ARG…]: prints the status; the body is in $LAB_DIR/answer, the headers in $LAB_DIR/headers
	local method=$1 route=$2
	shift 2
	lab_ns node curl -s --max-time 10 -o "$LAB_DIR/answer" -D "$LAB_DIR/headers" -w '%{http_code}' -X "$method" "$@" \
		"http://$ADDRESS$route"
}

answers() { # STATUS METHOD ROUTE [CURL-ARG…]
	local status=$1
	shift
	check_equal "$1 $2 is answered with $status" "$(ask "$@")" "$status" || note "$(cat "$LAB_DIR/answer")"
}

config() {
	checkout_config
	cat <<-END
		listen: [127.0.0.1:$PORT, "[::1]:$PORT"]
		alerts: [{url: "http://user:secret@127.0.0.1:9/hook/token?key=secret", kind: webhook}]
	END
}

test_reading() {
	for ADDRESS in 127.0.0.1:$PORT "[::1]:$PORT"; do
		answers 200 GET /v1/status
		check "as on the socket, without the secrets of receivers" jq -e '.services[0].name == "checkout"
			and .alerts.receivers[0].url == "http://127.0.0.1:9"' "$LAB_DIR/answer"
	done
	check "its type is to be believed" grep -qi '^x-content-type-options: nosniff' "$LAB_DIR/headers"
	check_equal "the socket's peers see the whole URL" "$(lab_ctl status -j | jq -r '.alerts.receivers[0].url')" \
		"http://user:secret@127.0.0.1:9/hook/token?key=secret"
	answers 200 GET /healthz
	answers 200 HEAD /healthz --head
	check_equal "a HEAD gets the headers alone" "$(tail -n 1 "$LAB_DIR/answer" | tr -d '\r')" ""
	answers 200 GET /v1/rollouts
	answers 200 GET /v1/services/checkout/traffic
	answers 200 GET /v1/services/checkout/history
	answers 200 GET /v1/services/checkout/cohorts
	answers 404 GET /v1/wings
}

test_nothing_else() {
	answers 403 GET /v1/config
	answers 403 GET /v1/services/checkout/cohorts/office
	answers 403 GET '/v1/flow?service=checkout&client=192.0.2.100:4000'
	answers 405 POST /v1/rollouts -d '{"service": "checkout"}'
	answers 405 POST /v1/services/checkout/abort -d ''
	answers 405 POST /v1/alerts -d '{"service": "checkout", "summary": "x"}'
	answers 405 POST /v1/detach -d ''
	answers 405 PUT /v1/services/checkout/cohorts/office -d '{"action": "canary", "prefixes": ["10.0.0.0/8"]}'
	answers 405 DELETE /v1/services/checkout/cohorts
	answers 405 OPTIONS /v1/status
	check_equal "nothing has begun" "$(checkout .rollout)" null
}

# They ask for a lot and take nothing: their answers wait in the sockets, and nobody else does.
test_slow_readers() {
	mkfifo "$LAB_DIR/never"
	lab_start slow node bash -c '
		for i in $(seq 10); do
			exec {fd}<>"/dev/tcp/127.0.0.1/$0"
			for j in $(seq 40); do printf "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n" >&"$fd"; done
		done
		echo asked
		read -r < "$1"' $PORT "$LAB_DIR/never"
	lab_wait_for 20 "the slow ones" grep -q asked "$LAB_DIR/slow.log"
	ADDRESS=127.0.0.1:$PORT
	answers 200 GET /v1/status
	check "canaryd goes on" lab_ctl rollout start checkout --force
	lab_wait_for 20 "a tick's work" is .rollout.data no_data
	check_equal "and its ticks" "$(checkout .rollout.data)" no_data
	lab_stop slow
}

# Who hangs up in the middle of a question, again and again, fills no log.
test_rude_readers() {
	# shellcheck disable=SC2016 # the inner shell's
	lab_ns node bash -c 'for i in {1..12}; do
			exec {fd}<>"/dev/tcp/::1/$0" && printf "GET /v1" >&"$fd" && sleep 0.05 && exec {fd}>&-
		done' $PORT
	ADDRESS="[::1]:$PORT"
	answers 200 GET /healthz
	check_within "lines of the log about it" "$(grep -c 'incomplete request' "$LAB_DIR/canaryd.log")" 0 1
}

test_taken() {
	local out
	check_exit "-t beside the daemon that has the address" 0 lab_ns node "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/canaryd.yaml"
	config | sed "s/canaryd.sock/other.sock/; s/^\(state_dir\|pin_dir\).*/&2/" >"$LAB_DIR/other.yaml"
	out=$(lab_ns node "$LAB_BUILD/canaryd" -c "$LAB_DIR/other.yaml" 2>&1)
	check_equal "another canaryd does not start there" $? 1
	check "and says why" grep -q "cannot listen on 127.0.0.1:$PORT: Address already in use (stop who listens" <<<"$out"
	out=$(lab_ns node "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/other.yaml" 2>&1)
	check_equal "-t finds it, too" $? 3
	check "and says why" grep -q "cannot listen on 127.0.0.1:$PORT: Address already in use (stop who listens" <<<"$out"
	sed -i "s/127.0.0.1:$PORT/192.0.2.77:$PORT/" "$LAB_DIR/other.yaml"
	out=$(lab_ns node "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/other.yaml" 2>&1)
	check_equal "-t finds an address that is not here" $? 3
	check "and says why" grep -q "cannot listen on 192.0.2.77:$PORT: Cannot assign requested address (name an" <<<"$out"
}

lab_up listen || bail "the lab does not come up"
config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
test_reading
test_nothing_else
test_slow_readers
test_rude_readers
test_taken
plan
