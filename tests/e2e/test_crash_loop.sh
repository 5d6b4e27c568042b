#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary whose process is started again and again, in a cgroup of its own: it is counted, also over a restart of canaryd,
# which is none of the canary's; there is a page, and where the SLI is critical the canary is taken back. Where systemd is
# not the host's init, the cgroups are named by their paths and a loop stands for the one who restarts.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 1, max_s: 600, manual: true}, {weight: 50, min_s: 1, max_s: 600}]'
CGROUPS=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
GROUP=canaryd-crash-$$

crash_config() {
	checkout_config | sed -E "s|(\"$LAB_BACKEND4:8081\"\])|\1, cgroup: $GROUP/v1|; s|(\"$LAB_BACKEND4:8082\"\])|\1, cgroup: $GROUP/v2|"
	cat <<-END
		    slis:
		      - {name: restarts, kind: unit, measure: restarts, dry_run: true, interval_s: 0.3, timeout_s: 0.3}
		      - {name: crashes, kind: unit, measure: crash_loop, critical: true, max: 4, interval_s: 0.3, timeout_s: 0.3}
		alerts:
		  - {url: "http://127.0.0.1:9094/hook", kind: webhook}
	END
}

remove_groups() {
	local version
	for version in v1 v2; do
		lab_stop "app-$version"
		rmdir "$CGROUPS/$GROUP/$version" 2>/dev/null
	done
	rmdir "$CGROUPS/$GROUP" 2>/dev/null
}

# run_app VERSION: its process, in the place of the one before.
run_app() {
	lab_stop "app-$1" KILL 2>/dev/null
	# shellcheck disable=SC2016 # the inner shell's
	lab_start "app-$1" host sh -c 'echo $$ >"$1" && exec sleep 600' - "$CGROUPS/$GROUP/$1/cgroup.procs"
}

sli() { checkout ".rollout.slis[] | select(.name == \"$1\") | $2"; }
counted() { [ "$(sli restarts .canary)" = "$1" ]; }
fired() { jq -c '.body' "$LAB_DIR/webhook.requests" 2>/dev/null | jq -se --arg name "$1" 'any(.[]; .labels.alertname == $name and .status == "firing")'; }
labels() { jq -cS --arg name "$1" 'select(.body.labels.alertname == $name) | .body.labels' "$LAB_DIR/webhook.requests" | sort -u; }

# crash N: the process is started again, and that is the Nth time since the rollout began.
crash() {
	run_app v2
	check "restart $1 is counted" lab_wait_for 30 "the count" counted "$1"
}

test_counts() {
	check "a rollout starts" lab_ctl rollout start checkout
	check "nothing has been restarted" lab_wait_for 20 "the first look" counted 0
	crash 1
	crash 2
	check_equal "a few are no crash loop" "$(sli crashes .verdict)" pass
}

test_restart_of_canaryd() {
	lab_stop canaryd "$1"
	[ -z "${3:-}" ] || run_app v2
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	lab_wait_for 20 "a look" test "$(sli restarts .state)" = ok
	check "canaryd ends by $1: $2" lab_wait_for 20 "the count" counted "$4" || note "$(sli restarts .canary)"
}

test_crash_loop() {
	crash 4
	check_equal "as many as may be" "$(sli crashes .verdict) $(checkout .weight.wanted)" 'pass 0.2'
	run_app v2
	check "one more takes the canary back" lab_wait_for 30 "the rollback" is .rollout.state rolled_back
	check "it says so" grep -qE '^crashes: canary 5, above its bound of 4' <<<"$(checkout .rollout.reason)" || note "$(checkout .rollout.reason)"
	check "and rollout why" grep -q 'crashes: canary 5, above its bound of 4' <<<"$(lab_ctl rollout why checkout)"
	check "there is a page" lab_wait_for 20 "CanaryCrashLoop" fired CanaryCrashLoop
	check_equal "about the canary" "$(labels CanaryCrashLoop)" \
		'{"alertname":"CanaryCrashLoop","service":"checkout","severity":"page","version":"v2"}'
}

test_another_rollout() {
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	check "a new rollout counts from 0" lab_wait_for 20 "the first look" counted 0
	lab_stop canaryd KILL
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check "also after a restart of canaryd" lab_wait_for 20 "the look" counted 0
	check_equal "and the canary stays" "$(checkout .weight.wanted)" 0.2
}

lab_up crash || bail "the lab does not come up"
lab_on_exit remove_groups
mkdir -p "$CGROUPS/$GROUP/v1" "$CGROUPS/$GROUP/v2" || bail "no cgroup can be made below $CGROUPS"
run_app v1
run_app v2
lab_sink webhook 9094 || bail "the webhook does not start"
crash_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 300 --duration 290 --timeout 3 "${SOURCES[@]}"
test_counts
test_restart_of_canaryd TERM "nothing is forgotten, nothing invented" "" 2
test_restart_of_canaryd KILL "what happened meanwhile is counted" crashed 3
test_crash_loop
test_another_rollout
plan
