# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# What every e2e test begins with: TAP output and the lab. Sourced by bash.
#
#   check WHAT CMD…         ok if CMD succeeds; what it printed is shown if it does not
#   check_equal WHAT A B    ok if the two are the same
#   check_within WHAT VALUE LOW HIGH
#   check_exit WHAT CODE CMD…
#   plan                    the last line of a test: prints the plan; the test fails if a check did
#   bail WHY                ends the test as failed: what follows cannot work

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=tools/lab/lab
. tools/lab/lab
TESTS=0 TESTS_FAILED=0

ok() { TESTS=$((TESTS + 1)); echo "ok $TESTS - $*"; }

not_ok() {
	TESTS=$((TESTS + 1)) TESTS_FAILED=$((TESTS_FAILED + 1))
	echo "not ok $TESTS - $*"
}

# Keeps output of several lines in the comments of TAP.
note() {
	local line
	while IFS= read -r line; do echo "# $line"; done <<<"$*"
}

check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$what"
	else
		not_ok "$what"
		note "command: $*"
		note "$output"
		return 1
	fi
}

check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		note "$2"
		note "is not"
		note "$3"
		return 1
	fi
}

check_within() {
	local number='^[-+.0-9e]+$'
	if [[ $2 =~ $number ]] && awk -v x="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(x + 0 >= a + 0 && x + 0 <= b + 0) }'; then
		ok "$1: $2 in [$3, $4]"
	else
		not_ok "$1: '$2' is not in [$3, $4]"
		return 1
	fi
}

check_exit() {
	local what=$1 wanted=$2 output rc=0
	shift 2
	output=$("$@" 2>&1) || rc=$?
	if [ "$rc" -eq "$wanted" ]; then
		ok "$what"
	else
		not_ok "$what"
		note "exit code $rc, not $wanted, of: $*"
		note "$output"
		return 1
	fi
}

plan() {
	echo "1..$TESTS"
	[ "$TESTS_FAILED" -eq 0 ]
}

bail() {
	not_ok "$*"
	plan
	exit 1
}

# load ARG…: lab-client in the client namespace; its report is left in $REPORT.
load() {
	local errors="$LAB_DIR/load.errors"
	REPORT=$(lab_ns client "$LAB_BUILD/lab-client" "$@" 2>"$errors") || bail "lab-client $*: $(cat "$errors")"
}

# serve_at NAME NS ARG…: lab-server there, with its control socket
serve_at() {
	local name=$1 ns=$2
	shift 2
	lab_start "$name" "$ns" "$LAB_BUILD/lab-server" --name "$name" --control "$LAB_DIR/$name.control" --base-ms 1 "$@"
	lab_wait_for 10 "$name to serve" lab_tell "$name" stats || bail "lab-server does not start"
}

# stats NAME: the counts of a lab-server are left in $STATS.
stats() { STATS=$(lab_tell "$1" stats) || bail "no counts from $1"; }

# of JSON FILTER: a value out of a report.
of() { jq -cS "$2" <<<"$1"; }

# outcome: what the clients of $REPORT got: answers of v1, of v2, and failures.
outcome() {
	of "$REPORT" '[.versions.v1, .versions.v2, .refused + .connect_timeouts + .unreachable + .resets_before + .resets_mid
		+ .empty_closes + .truncated + .malformed + .response_timeouts]'
}

# ---- a service to release ----

# The configuration of one service, checkout, with v1 the baseline and v2; its steps come from $STEPS. It has no
# breaker and no rescue: what is tested with it is the judge, who is not as quick, and what clients would see.
STEPS='[{weight: 20, min_s: 1}, {weight: 50, min_s: 1}, {weight: 100, min_s: 1}]'
checkout_config() {
	lab_config
	cat <<-END
		judge: {warmup_s: 1, no_data_s: 2, delta: 3, delta_promotion: 4}
		services:
		  - name: checkout
		    vip: $LAB_VIP4:80
		    baseline: v1
		    syn_timeout_s: 1
		    response_timeout_s: 2
		    breaker: {enabled: false}
		    rescue: false
		    versions:
		      - {name: v1, backends: ["$LAB_BACKEND4:8081"]}
		      - {name: v2, backends: ["$LAB_BACKEND4:8082"]}
		    rollout: {steps: $STEPS, bake_s: 1}
	END
}

checkout_serve() { lab_serve v1 v1 8081 --seed 1 --base-ms 1 && lab_serve v2 v2 8082 --seed 2 --base-ms 1; }

# The lab, both versions and canaryd.
checkout_up() {
	lab_up "$1" || bail "the lab does not come up"
	checkout_config >"$LAB_DIR/canaryd.yaml"
	checkout_serve || bail "the servers do not start"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
}

# checkout FILTER: a value out of the service's status.
checkout() { lab_ctl status checkout -j | jq -r ".services[0] | $1"; }

# is FILTER VALUE: whether that value is so now; for lab_wait_for.
is() { [ "$(checkout "$1")" = "$2" ]; }

# firing ALERT: whether that alert goes on; for lab_wait_for.
firing() { lab_ctl status -j | jq -e --arg name "$1" '.alerts.firing | any(.alertname == $name)'; }
