#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The socket: who may talk, what is refused and how, canaryctl's exit codes, and readiness for systemd.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

ask() { # METHOD ROUTE [CURL-ARG…]: prints the status; the body is in $LAB_DIR/answer
	local method=$1 route=$2
	shift 2
	curl -s --max-time 10 --unix-socket "$LAB_SOCKET" -o "$LAB_DIR/answer" -w '%{http_code}' -X "$method" "$@" "http://localhost$route"
}

# answers STATUS METHOD ROUTE [CURL-ARG…]: every error is JSON with code, message and mend.
answers() {
	local status=$1
	shift
	check_equal "$1 $2 is answered with $status" "$(ask "$@")" "$status" || note "$(cat "$LAB_DIR/answer")"
	[ "$status" -lt 400 ] || check "$1 $2: with code, message and mend" \
		jq -e '.error | (.code | length > 0) and (.message | length > 0) and (.mend | length > 0)' "$LAB_DIR/answer"
}

test_requests() {
	answers 200 GET /healthz
	answers 200 GET /v1/status
	answers 200 GET /v1/config
	answers 200 GET '/v1/rollouts?service=checkout'
	answers 200 GET /v1/services/checkout/latency
	answers 404 GET /v1/services/shop/latency
	answers 200 GET /v1/services/checkout/history
	check_equal "no rollout, no history" "$(jq -c . "$LAB_DIR/answer")" '{"rollout":null,"service":"checkout"}'
	answers 404 GET /v1/wings
	answers 404 GET /
	answers 404 GET '/v1/rollouts?service=shop'
	answers 404 GET '/v1/rollouts?service=caf%E9'
	answers 404 GET /v1/rollouts/77
	answers 400 GET /v1/rollouts/first
	answers 405 POST /v1/status -d ''
	answers 405 DELETE /v1/rollouts
	answers 405 GET /v1/services/checkout/abort
	answers 400 POST /v1/rollouts -d '{"service": '
	answers 400 POST /v1/rollouts -d '[]'
	answers 400 POST /v1/rollouts -d '{"service": 7}'
	answers 400 POST /v1/rollouts -d ''
	answers 404 POST /v1/services/checkout/fly -d ''
	answers 404 POST /v1/services/checkout -d ''
	answers 400 GET '/v1/flow?service=checkout&client=somewhere'
	answers 400 GET '/v1/flow?service=checkout&client=%5B2001:db8::1%5D:4000'
	answers 404 GET '/v1/flow?service=shop&client=192.0.2.100:4000'
	head -c 70000 /dev/zero | tr '\0' ' ' >"$LAB_DIR/large"
	answers 413 POST /v1/rollouts --data-binary "@$LAB_DIR/large"
	head -c 65000 "$LAB_DIR/large" >"$LAB_DIR/fits"
	answers 400 POST /v1/rollouts --data-binary "@$LAB_DIR/fits"
	head -c 67000000 /dev/zero | tr '\0' ' ' >"$LAB_DIR/list" # its pieces have to come in without a pause between them
	answers 400 PUT /v1/services/checkout/cohorts/office --data-binary "@$LAB_DIR/list" --max-time 100
	rm "$LAB_DIR/list"
	check_equal "what is no HTTP does not disturb it" "$(printf 'wings\r\n\r\n' | timeout 5 curl -s --unix-socket "$LAB_SOCKET" \
		telnet://localhost >/dev/null; ask GET /healthz)" 200
}

# On a terminal it goes on until a key ends it, into a pipe it is one look.
top_on_a_terminal() {
	local screen=$LAB_DIR/screen
	{ lab_wait_for 20 "top to draw" grep -aqF '[checkout]' "$screen"; printf q; } |
		timeout 60 script -qefc "stty rows 12 cols 50; '$LAB_BUILD/canaryctl' --socket '$LAB_SOCKET' top" "$screen" >/dev/null
}

test_top() {
	check "top into a pipe: one look" grep -qF '[checkout]' <(lab_ctl top)
	check_exit "top of a service there is not" 1 lab_ctl top shop
	check_exit "top on a terminal ends by a key" 0 top_on_a_terminal
	check "and leaves the terminal as it was" grep -aqF $'\033[?1049l' "$LAB_DIR/screen"
}

flow_is_open() { [ "$(lab_ctl flow "${LAB_CLIENTS4[0]}:$1" checkout -j | jq -r .source)" = flow ]; }

# A flow is answered by the live program: where it says, the client is served.
test_flow() {
	local port=4711 version
	version=$(lab_ctl flow "${LAB_CLIENTS4[0]}:$port" checkout -j | jq -r .version)
	lab_start flow client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --count 1 --source "${LAB_CLIENTS4[0]}" \
		--source-ports $port-$port --requests-per-connection 1000 --think-ms 100
	lab_wait_for 10 "the flow" flow_is_open $port
	check_equal "and then, where it is" "$(lab_ctl flow "${LAB_CLIENTS4[0]}:$port" checkout -j | jq -c '[.source, .version]')" \
		"[\"flow\",\"$version\"]"
	lab_stop flow INT
	check_equal "flow says where a client will be served" "$(jq -c '.versions | keys' "$LAB_DIR/flow.log")" "[\"$version\"]"
}

test_peers() {
	check_equal "the socket's mode" "$(stat -c %a "$LAB_SOCKET")" 660
	chmod 711 "$LAB_DIR"
	check_exit "another user does not get to it" 6 \
		setpriv --reuid nobody --regid nogroup --clear-groups "$LAB_DIR/canaryctl" --socket "$LAB_SOCKET" status
	chmod 666 "$LAB_SOCKET"
	check_exit "nor past it" 1 \
		setpriv --reuid nobody --regid nogroup --clear-groups "$LAB_DIR/canaryctl" --socket "$LAB_SOCKET" status
	check_equal "403" "$(setpriv --reuid nobody --regid nogroup --clear-groups curl -s -o /dev/null -w '%{http_code}' \
		--unix-socket "$LAB_SOCKET" http://localhost/v1/status)" 403
	chmod 660 "$LAB_SOCKET"
}

test_exit_codes() {
	check_exit "status" 0 lab_ctl status
	check_exit "status of no service" 1 lab_ctl status shop
	check_exit "no such command" 2 lab_ctl fly
	check_exit "no command" 2 lab_ctl
	check_exit "no such option" 2 lab_ctl status --wings
	check_exit "detach asks" 2 lab_ctl detach
	checkout_config | sed 's/weight: 20/weight: 200/' >"$LAB_DIR/wrong.yaml"
	check_exit "config check of a wrong file" 3 lab_ctl config check "$LAB_DIR/wrong.yaml"
	check_exit "config check of a good one" 0 lab_ctl config check "$LAB_DIR/canaryd.yaml"
	check_exit "no daemon" 6 "$LAB_BUILD/canaryctl" --socket "$LAB_DIR/nowhere.sock" status
	lab_ctl config show >"$LAB_DIR/shown.yaml"
	check_exit "what config show prints is a configuration" 0 "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/shown.yaml"
}

# READY=1 comes when requests are answered, STOPPING=1 at the end.
test_readiness() {
	lab_stop canaryd
	lab_start notified host systemd-socket-activate --datagram --listen "$LAB_DIR/notify" \
		sh -c "exec cat <&3 >$LAB_DIR/notified"
	lab_wait_for 5 "the receiver" test -S "$LAB_DIR/notify"
	NOTIFY_SOCKET="$LAB_DIR/notify" lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	lab_wait_for 10 "READY=1" grep -q READY=1 "$LAB_DIR/notified"
	check_equal "systemd is told when it is ready" $? 0
	check "and what it does" grep -q 'STATUS=steering 1 service' "$LAB_DIR/notified"
	lab_ctl rollout start checkout --force >/dev/null
	lab_wait_for 10 "the status" grep -q 'STATUS=steering 1 service, 1 rollout under way' "$LAB_DIR/notified"
	check_equal "a rollout, too" $? 0
	lab_stop canaryd
	lab_wait_for 5 "STOPPING=1" grep -q STOPPING=1 "$LAB_DIR/notified"
	check_equal "and when it stops" $? 0
}

as_nobody() { # GROUPS: the status of an answer
	setpriv --reuid nobody --regid nogroup --groups "$1" curl -s -o /dev/null -w '%{http_code}' --unix-socket "$LAB_SOCKET" \
		http://localhost/v1/status
}

# Who is in the group canaryd as the kernel has it, among others, may talk.
test_group() {
	local gid=64321
	{ grep -v '^canaryd:' /etc/group; echo "canaryd:x:$gid:"; } >"$LAB_DIR/group"
	# shellcheck disable=SC2016 # the inner shell's
	LAB_CANARYD_WITH=(unshare --mount sh -c 'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start with a group"
	check_equal "the socket is the group's" "$(stat -c '%g %a' "$LAB_SOCKET")" "$gid 660"
	check_equal "its members may talk" "$(as_nobody "65533,$gid,65532")" 200
	chmod 666 "$LAB_SOCKET"
	check_equal "others may not" "$(as_nobody 65533,65532)" 403
}

checkout_up api
cp "$LAB_BUILD/canaryctl" "$LAB_DIR/" # where another user can run it
test_requests
test_top
test_flow
test_peers
test_exit_codes
test_readiness
test_group
plan
