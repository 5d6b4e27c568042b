#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An operator mutes SLIs and gives them their say back, with a rollout under way and a canary that is bad: live, written
# down with a name, and still so after a restart.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS='[{weight: 20, min_s: 600, max_s: 6000}, {weight: 100}]'

mute_config() {
	checkout_config
	cat <<-END
		    slis:
		      - {name: flag, kind: exec, gate: true, critical: true, command: 'echo >>$LAB_DIR/asked; test ! -e $LAB_DIR/flag', interval_s: 1, timeout_s: 1}
		      - {name: never, kind: exec, command: 'true', muted: true}
	END
}

mute() { lab_ctl sli mute checkout "$@"; }
unmute() { lab_ctl sli unmute checkout "$@"; }
sli() { checkout ".rollout.slis[] | select(.name == \"$1\") | $2"; }
sli_is() { [ "$(sli "$1" "$2")" = "$3" ]; }
why_has() { lab_ctl rollout why checkout -j | jq -r '.decisions[] | "\(.decision) \(.reason)"' | grep -qE -- "$1"; }

# Asked five times more, with the flag there, since the file was emptied last.
asked_again() { [ "$(wc -l <"$LAB_DIR/asked")" -gt 5 ]; }

test_refused() {
	check_exit "an SLI that is none" 1 mute nope
	check "the message names those there are" grep -q 'errors, latency, flag, never' <<<"$(mute nope 2>&1)"
	check_exit "a service that is none" 1 lab_ctl sli mute nope errors
	check_exit "what is not muted" 1 unmute latency
	check_exit "what the file mutes for good" 1 unmute never
	check "names the mend" grep -q 'take .muted. off' <<<"$(unmute never 2>&1 | tr -s ' \n' ' ')"
	check_exit "no time" 2 mute latency --for soon
	check_equal "nothing is muted" "$(checkout .mutes)" '[]'
}

test_without_a_rollout() {
	check "without a rollout" mute latency --for 1h
	check "it is in the status" grep -qE 'latency is muted by root until 20' <<<"$(lab_ctl status checkout)"
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	check "a rollout that starts later says so" why_has '^note latency is muted by root until 20'
	check "it is muted" lab_wait_for 20 "it" sli_is latency .muted true
	check_equal "by whom" "$(sli latency .muted_by)" root
	check "unmuted" unmute latency
	check "live" lab_wait_for 20 "it" sli_is latency .muted false
	check "and noted" why_has '^note latency has its say again, by root'
}

test_mute_holds_the_judge() {
	check "a check and the failures are muted" mute flag
	check "both" mute errors
	touch "$LAB_DIR/flag"
	: >"$LAB_DIR/asked"
	lab_tell v2 errors=0.5 >/dev/null
	lab_wait_for 60 "failures of the canary" is '.versions[] | select(.name == "v2") | .counters.http_5xx > 200' true
	lab_wait_for 60 "the check to fail" asked_again
	check_equal "a canary that is bad in all of it stays" "$(checkout '"\(.rollout.state) \(.weight.wanted)"')" "running 0.2"
	lab_stop canaryd KILL
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	: >"$LAB_DIR/asked"
	check "a restart changes nothing of it" lab_wait_for 20 "it" sli_is flag .muted true
	lab_wait_for 60 "the check to fail" asked_again
	check_equal "and the canary stays" "$(checkout '"\(.rollout.state) \(.weight.wanted)"')" "running 0.2"
}

test_time() {
	check "a mute that ends by itself" mute flag --for 3
	lab_wait_for 60 "the rollback" is .rollout.state rolled_back
	check "when its time is over, the check decides" why_has '^roll_back flag: version v2: the check fails'
	check "the end is noted" why_has '^note flag has its say again: its mute by root is over'
	check_equal "the other is still muted" "$(checkout '[.mutes[].sli] | @json')" '["errors"]'
	check "-j prints what is muted" jq -e '.mutes == []' <<<"$(unmute errors -j)"
}

test_unmute_decides() {
	rm "$LAB_DIR/flag"
	check "failures are muted" mute errors
	lab_ctl rollout start checkout >/dev/null || bail "no rollout"
	lab_wait_for 60 "failures" is '.rollout.slis[0].muted' true
	check_equal "nothing happens" "$(checkout .rollout.state)" running
	check "unmuted" unmute errors
	check "they take it back" lab_wait_for 60 "the rollback" is .rollout.state rolled_back
}

lab_up mute || bail "the lab does not come up"
mute_config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 500 --duration 290 \
	--requests-per-connection 2 --timeout 3 "${SOURCES[@]}"
test_refused
test_without_a_rollout
test_mute_holds_the_judge
test_time
test_unmute_decides
plan
