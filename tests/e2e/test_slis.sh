#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SLIs beyond the packet around a real rollout: a Prometheus that gives every kind of bad answer, a real cgroup with real
# processes, checks by command and by HTTP. None of it moves the weight up, each is named in `rollout why`.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1, max_s: 600}, {weight: 50, min_s: 1000, max_s: 2000}]'
CGROUPS=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
GROUP=canaryd-test-$$

slis_config() {
	checkout_config | sed -E "s|(\"$LAB_BACKEND4:8081\"\])|\1, cgroup: $GROUP/v1|; s|(\"$LAB_BACKEND4:8082\"\])|\1, cgroup: $GROUP/v2|"
	cat <<-END
		    slis:
		      - {name: latency, muted: true}
		      - {name: depth, kind: promql, url: 'http://127.0.0.1:9301/{{version}}', query: 'depth{v="{{version}}"}',
		         max_ratio: 2, for_s: 1, critical: true, interval_s: 0.3, timeout_s: 0.3}
		      - {name: cpu, kind: unit, measure: cpu, max: 0.05, for_s: 0, interval_s: 0.3, timeout_s: 0.3}
		      - {name: memory, kind: unit, measure: memory, max: 1e15, dry_run: true, interval_s: 0.3, timeout_s: 0.3}
		      - {name: restarts, kind: unit, measure: restarts, interval_s: 0.3, timeout_s: 0.3}
		      - {name: skew, kind: skew, dry_run: true}
		      - {name: login, kind: exec, gate: true, command: 'cat $LAB_DIR/login-of-\$CANARYD_VERSION', interval_s: 0.3, timeout_s: 0.3}
		      - {name: health, kind: http, url: 'http://{{backend}}/', interval_s: 0.3, timeout_s: 0.3}
	END
}

# prometheus VERSION STATUS BODY
prometheus() {
	printf '%s\n%s' "$2" "$3" >"$LAB_DIR/answer"
	mv "$LAB_DIR/answer" "$LAB_DIR/prometheus.answers/$1.api.v1.query"
}
series() { printf '{"metric":{},"value":[1732312345,"%s"]}' "$1"; }
vector() { printf '{"status":"success","data":{"resultType":"vector","result":[%s]}}' "$1"; }
depth() { prometheus "$1" 200 "$(vector "$(series "$2")")"; }

sli() { checkout ".rollout.slis[] | select(.name == \"$1\") | $2"; }
sli_is() { [ "$(sli "$1" "$2")" = "$3" ]; }
said() { sli "$1" '.said // ""' | grep -qE -- "$2"; }
why_has() { lab_ctl rollout why checkout -j | jq -r '.decisions[].reason' | grep -qE -- "$1"; }
reason_has() { checkout .rollout.reason | grep -qE -- "$1"; }
weight() { checkout .weight.wanted; }

# in_group VERSION NAME CMD…: runs CMD in the version's cgroup.
in_group() {
	local version=$1 name=$2
	shift 2
	# shellcheck disable=SC2016 # the inner shell's
	lab_start "$name" host sh -c 'echo $$ >"$1" && shift && exec "$@"' - "$CGROUPS/$GROUP/$version/cgroup.procs" "$@"
}

remove_groups() {
	local version name
	for name in idle-v1 idle-v2 again-v2 burner; do lab_stop "$name"; done
	for version in v1 v2; do rmdir "$CGROUPS/$GROUP/$version" 2>/dev/null; done
	rmdir "$CGROUPS/$GROUP" 2>/dev/null
}

set_up() {
	lab_up sli || bail "the lab does not come up"
	lab_on_exit remove_groups
	mkdir -p "$CGROUPS/$GROUP/v1" "$CGROUPS/$GROUP/v2" || bail "no cgroup can be made below $CGROUPS"
	in_group v1 idle-v1 sleep 600
	in_group v2 idle-v2 sleep 600
	lab_sink prometheus 9301 || bail "no Prometheus"
	depth v1 10
	prometheus v2 200 "$(vector "$(series NaN)")"
	touch "$LAB_DIR/login-of-v1" "$LAB_DIR/login-of-v2"
	slis_config >"$LAB_DIR/canaryd.yaml"
	check "the configuration is valid" "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/canaryd.yaml" || bail "it is not"
	checkout_serve || bail "the servers do not start"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
	mapfile -t sources < <(lab_sources 4)
	lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 300 --duration 280 "${sources[@]}"
}

# bad_answer STATE SENTENCE: what the Prometheus answers of v2 now is told apart.
bad_answer() {
	check "$1: its state" lab_wait_for 20 "the state $1" sli_is depth .state "$1" || return
	check "$1: its sentence" lab_wait_for 20 "the sentence" said depth "version v2: $2" || note "$(sli depth .said)"
	check "$1: rollout why names it" lab_wait_for 20 "the decision" why_has "^depth: .*version v2: $2" || note "$(lab_ctl rollout why checkout)"
}

test_bad_answers() {
	check "a rollout starts" lab_ctl rollout start checkout
	check "NaN holds it" lab_wait_for 30 "the hold" is .rollout.held sli || note "$(checkout .rollout)"
	bad_answer not_a_number 'the query gives NaN'
	prometheus v2 200 "$(vector "")"
	bad_answer no_data 'the query gives no series'
	prometheus v2 200 "$(vector "$(series 1),$(series 2)")"
	bad_answer several 'the query gives 2 series'
	prometheus v2 200 "$(vector "$(series many)")"
	bad_answer not_understood 'the query gives the text "many"'
	prometheus v2 400 '{"status":"error","errorType":"bad_data","error":"parse error"}'
	bad_answer query_error 'the query is refused: bad_data: parse error'
	prometheus v2 502 '<html>bad gateway</html>'
	bad_answer http_error 'answered 502'
	prometheus v2 0 ''
	bad_answer timeout 'no answer within'
	check_equal "none moved the weight up" "$(weight)" 0.2
	check_equal "each is one decision" "$(lab_ctl rollout why checkout -j | jq '[.decisions[] | select(.sli == "depth") | .reason] | (length, unique | length)' | uniq | wc -l)" 1
}

test_gate() {
	rm "$LAB_DIR/login-of-v2"
	lab_wait_for 20 "the gate to close" sli_is login .verdict fail
	depth v2 11
	check "the Prometheus is well again" lab_wait_for 20 "a value" sli_is depth .verdict pass
	check "a gate that fails holds" lab_wait_for 20 "its hold" why_has '^login: version v2: the check fails: exit status 1'
	check_equal "and the weight stays" "$(weight)" 0.2
	touch "$LAB_DIR/login-of-v2"
	check "when it agrees, the rollout goes on" lab_wait_for 60 "the next step" is .weight.wanted 0.5 || note "$(checkout .rollout)"
}

test_shown() {
	check_equal "a muted SLI is shown as muted" "$(sli latency .muted)" true
	check_equal "a dry run as one" "$(sli skew .dry_run)" true
	check_within "the skew is measured" "$(sli skew .canary)" 0.001 0.999
	check "the checks by HTTP are counted" jq -e '.canary.attempts > 3 and .canary.failed == 0 and .baseline.attempts > 3' \
		<<<"$(sli health '.counts | @json')"
	check "status draws them" grep -qE '^ *latency.*muted' <<<"$(lab_ctl status checkout)"
}

test_cgroup() {
	if [ -e "$CGROUPS/$GROUP/v2/memory.current" ]; then
		check "memory is measured" lab_wait_for 20 "a value" sli_is memory .verdict pass
	else
		check "a controller that is missing is said" said memory 'version v2: its cgroup has no memory.current .enable the memory'
	fi
	check "a dry run holds nothing" is .rollout.state running || note "$(checkout .rollout)"
	check "an idle cgroup is within its bound" lab_wait_for 20 "the CPU's value" sli_is cpu .verdict pass
	in_group v2 burner sh -c 'while :; do :; done'
	check "a burning one holds" lab_wait_for 60 "the hold" is .rollout.held sli
	check "with value and bound" reason_has '^cpu: canary [0-9.]+, above its bound of 0.05'
	check "the decision has both" jq -e '.decisions | map(select(.sli == "cpu")) | .[-1] | .value > 0.05 and .bound == 0.05' \
		<<<"$(lab_ctl rollout why checkout -j)"
	lab_stop burner
	check "when it is quiet again, so is the rollout" lab_wait_for 60 "the end of the hold" is .rollout.state running
}

test_restart() {
	local before
	lab_stop canaryd
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check "a restart of the daemon goes on" lab_wait_for 20 "the rollout" is .weight.wanted 0.5
	check "and looks again" lab_wait_for 20 "a look" sli_is restarts .state ok || note "$(sli restarts .said)"
	check "with what it knew" jq -e '.canary.attempts > 3' <<<"$(sli health '.counts | @json')"
	before=$(sli restarts .canary)
	lab_stop idle-v2
	in_group v2 again-v2 sleep 600
	check "a process that was replaced is a restart" lab_wait_for 20 "the count" sli_is restarts .canary $((before + 1))
	check "which holds" lab_wait_for 20 "the hold" reason_has '^restarts: canary 1, above its bound of 0'
}

test_rollback() {
	depth v2 100
	check "a critical gauge rolls back" lab_wait_for 60 "the rollback" is .rollout.state rolled_back
	check "for its bound" reason_has "^depth: canary 100, above 2 times the baseline's 10 for"
	check "which the decision has" jq -e '.decisions[-1] | .sli == "depth" and .value == 100 and .bound == 20' \
		<<<"$(lab_ctl rollout why checkout -j)"
	check "and why tells" grep -q 'depth: value 100, bound 20' <<<"$(lab_ctl rollout why checkout)"
}

set_up
test_bad_answers
test_gate
test_shown
test_cgroup
test_restart
test_rollback
plan
