#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SIGHUP: canaryd goes on with the file as it is now, in the same process; a file that is not valid, or that does not come
# up, changes nothing. The socket of systemd is kept meanwhile.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

running() { lab_ctl config show | sed -n 's/^lease:$//;s/^  s: //p' | head -n 1; }
lease_is() { [ "$(running)" = "$1" ]; }
says() { grep -qF -- "$1" "$LAB_DIR/canaryd.log"; }
times() { grep -cF -- "$1" "$LAB_DIR/canaryd.log"; }
more() { [ "$(times "$1")" -gt "$2" ]; }
# A socket that is made anew is not there for a moment.
answers() { lab_wait_for 10 "canaryd to answer" lab_ctl status; }

# lease SECONDS: into the file, and reload.
lease() {
	sed -i "s/^lease: .*/lease: {s: $1}/" "$LAB_DIR/canaryd.yaml"
	kill -HUP "$(lab_pid canaryd)"
}

test_valid() {
	lease 61
	check "SIGHUP: the file as it is now" lab_wait_for 60 "the new configuration" lease_is 61
	check "SIGHUP: maps and flows are taken over" says "took over"
	check_equal "SIGHUP: the rollout goes on" "$(checkout .rollout.state)" running
	check "SIGHUP: in the same process" lab_running canaryd
}

test_invalid() {
	local before
	before=$(times "took over")
	lease soon
	check "a file that is not valid: it is said" lab_wait_for 60 "the complaint" says "not reloaded: the configuration stays"
	check "a file that is not valid: with the place" says "canaryd.yaml:6: lease.s"
	check "a file that is not valid: the one before runs on" lease_is 61
	check_equal "a file that is not valid: nothing was begun anew" "$(times "took over")" "$before"
}

test_without_interface() {
	local before
	before=$(times "took over")
	sed -i 's/^interfaces: .*/interfaces: [node0, eth77]/' "$LAB_DIR/canaryd.yaml"
	lease 62
	check "a file that does not come up: it is said" lab_wait_for 60 "the complaint" says "no interface eth77"
	check "a file that does not come up: the one before is taken" lab_wait_for 60 "the one before" more "took over" "$before"
	check "a file that does not come up: canaryd serves on" answers
	check "a file that does not come up: with the one before" lease_is 61
	sed -i 's/^interfaces: .*/interfaces: [node0]/' "$LAB_DIR/canaryd.yaml"
	lease 63
	check "and the next file is taken again" lab_wait_for 60 "the new configuration" lease_is 63
}

check_load() {
	lab_stop load INT
	REPORT=$(tail -n 1 "$LAB_DIR/load.log")
	check_equal "no client failed meanwhile, of $(of "$REPORT" .connected)" "$(of "$REPORT" \
		'.refused + .connect_timeouts + .unreachable + .resets_before + .resets_mid + .version_changes + .responses["5xx"]')" 0
}

# Under the socket of systemd nobody is refused while the daemon is not there.
test_activated() {
	local inode
	lab_stop canaryd
	check_equal "SIGTERM still ends it, with 0" $? 0
	LAB_CANARYD_WITH=(systemd-socket-activate --listen="$LAB_SOCKET")
	lab_start canaryd node "${LAB_CANARYD_WITH[@]}" "$LAB_BUILD/canaryd" -c "$LAB_DIR/canaryd.yaml"
	lab_wait_for 10 "systemd's socket" test -S "$LAB_SOCKET"
	inode=$(stat -c %i "$LAB_SOCKET")
	check "systemd's socket: the first to ask gets an answer" lab_ctl status
	lease 64
	check "systemd's socket: reloaded, nobody who asks is refused" asks_until 64
	lab_stop canaryd
	check_equal "systemd's socket stays where it is" "$(stat -c %i "$LAB_SOCKET")" "$inode"
	rm "$LAB_SOCKET"
}

# asks_until SECONDS: no question fails until the lease is so long.
asks_until() {
	local deadline=$((SECONDS + 60 * ${TESTS_PATIENCE:-1}))
	while lab_ctl status >/dev/null || return 1; do
		lease_is "$1" && return
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}

STEPS='[{weight: 50, min_s: 600, max_s: 1200}]'
checkout_up reload
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 300 --duration 250 --requests-per-connection 2 \
	--timeout 5 "${SOURCES[@]}"
lab_ctl rollout start checkout --force >/dev/null || bail "the rollout does not start"
test_valid
test_invalid
test_without_interface
check_load
test_activated
plan
