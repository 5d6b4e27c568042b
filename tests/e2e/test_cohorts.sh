#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients with a rule of their own, both families: where their connections go while a canary has half of the others, that
# a change in mid-traffic loses nothing and moves no open connection, 100,000 networks, and what outlives a restart.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

networks=100000

# Of each family: the first two addresses inside, the next two partners, then four of beta, then one probe; seven others.
write_config() {
	lab_config
	cat <<-END
		seed: 7
		judge: {alpha: 1e-9, margin: 100, delta: 10, p0: 0.5, block_s: 0, hold_evidence: 1e8, warmup_s: 0,
		        guard_evidence: 1e12, no_data_s: 3000, noise: false, aa: false, burn_ratio: 1000}
		services:
	END
	service four "$LAB_VIP4:80" "$LAB_BACKEND4" 192.0.2. 100/31 102/31 104/30 108 "$LAB_DIR/partners"
	service six "[$LAB_VIP6]:80" "[$LAB_BACKEND6]" 2001:db8:: 100/127 102/127 104/126 108 "$LAB_DIR/partners"
}

# service NAME VIP ADDRESS BASE INSIDE PARTNERS BETA PROBE FILE
service() {
	cat <<-END
		  - name: $1
		    vip: "$2"
		    baseline: v1
		    versions:
		      - {name: v1, backends: ["$3:8081"]}
		      - {name: v2, backends: ["$3:8082"]}
		    rollout: {steps: [{weight: 50, min_s: 0, max_s: 3000, manual: true}]}
		    cohorts:
		      - {name: inside, action: canary, prefixes: ["$4$5"]}
		      - {name: partners, action: baseline, file: $9}
		      - {name: beta, action: weight, weight: 20, prefixes: ["$4$7"]}
		      - {name: probes, action: exclude, prefixes: ["$4$8"]}
	END
}

# went VIP COUNT SOURCE…: so many flows from these addresses; how many v1 and v2 had is left in V1 and V2.
went() {
	local vip=$1 count=$2 sources=() source
	shift 2
	for source; do sources+=(--source "$source"); done
	load --to "$vip" --rate 2000 --count "$count" --timeout 30 "${sources[@]}"
	[ "$(of "$REPORT" '.responses["2xx"]')" = "$count" ] || not_ok "not every flow is answered: $REPORT"
	V1=$(of "$REPORT" '.versions.v1 // 0') V2=$(of "$REPORT" '.versions.v2 // 0')
}

within_4_errors() {
	check_within "$1" "$2" \
		"$(awk -v n="$3" -v p="$4" 'BEGIN { p /= 100; print n * p - 4 * sqrt(n * p * (1 - p)) }')" \
		"$(awk -v n="$3" -v p="$4" 'BEGIN { p /= 100; print n * p + 4 * sqrt(n * p * (1 - p)) }')"
}

of_service() { lab_ctl status "$1" -j | jq -r ".services[0] | $2"; }

weight_is() { [ "$(of_service "$1" '.weight.applied')" = "$2" ]; }

# each FAMILY VIP ADDRESS…: every cohort of a family, at 50 %
each() {
	local name=$1 vip=$2
	shift 2
	local a=("$@")
	went "$vip" 400 "${a[0]}" "${a[1]}"
	check_equal "$name: a canary cohort goes to the canary" "$V1 $V2" "0 400"
	went "$vip" 400 "${a[2]}" "${a[3]}"
	check_equal "$name: a baseline cohort to the baseline" "$V1 $V2" "400 0"
	went "$vip" 2000 "${a[4]}" "${a[5]}" "${a[6]}" "${a[7]}"
	within_4_errors "$name: a cohort with a weight by its weight" "$V2" 2000 20
	went "$vip" 400 "${a[8]}"
	check_equal "$name: an excluded one to the baseline" "$V1 $V2" "400 0"
	went "$vip" 2000 "${a[@]:9}"
	within_4_errors "$name: the others by the split" "$V2" 2000 50
}

attempts_judged() { of_service four '.rollout.slis[0].counts.baseline.attempts'; }
attempts() { of_service four '[.versions[].attempts] | add'; }

counted() { [ "$(attempts)" -ge "$1" ]; }

test_excluded_is_not_judged() {
	local before judged
	before=$(attempts)
	lab_wait_for 10 "the counts to come to rest" counted "$before"
	judged=$(attempts_judged)
	went "$LAB_VIP4:80" 300 "${LAB_CLIENTS4[8]}"
	lab_wait_for 10 "the daemon to count" counted $((before + 300)) || note "$(attempts), $before before"
	check_equal "requests of excluded clients are counted, and in no evidence" "$(attempts_judged)" "$judged"
}

test_explained() {
	check_equal "the flow command names cohort and network" \
		"$(lab_ctl flow 192.0.2.105:4711 four -j | jq -c '.cohort | [.name, .action, .weight, .network]')" \
		'["beta","weight",0.2,"192.0.2.104/30"]'
	check_equal "and for IPv6" \
		"$(lab_ctl flow '[2001:db8::101]:4711' six -j | jq -c '[.version, .cohort.name, .cohort.network]')" \
		'["v2","inside","2001:db8::100/127"]'
	check_equal "and none where there is none" "$(lab_ctl flow 192.0.2.115:4711 four -j | jq .cohort)" null
	check "canaryctl flow says it in words" grep -q 'in cohort beta: weight 20 %' <(lab_ctl flow 192.0.2.105:4711 four)
}

# Twenty changes under load: every connection is answered, and no open one moves.
test_live() {
	local i report
	lab_start steady client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 300 --count 3000 --timeout 30 \
		--requests-per-connection 5 --think-ms 100 --source "${LAB_CLIENTS4[0]}" --source "${LAB_CLIENTS4[12]}"
	for i in {1..10}; do
		lab_ctl cohort set four inside baseline >/dev/null || bail "the cohort cannot be set"
		lab_ctl cohort set four inside canary >/dev/null || bail "the cohort cannot be set back"
	done
	lab_stop steady INT
	report=$(tail -n 1 "$LAB_DIR/steady.log")
	check_equal "changes under load fail no request and move no open connection" \
		"$(of "$report" '[.requests - .responses["2xx"] - .unfinished, .version_changes]')" '[0,0]'
	check "canaryctl cohort set" lab_ctl cohort set four inside 0%
	went "$LAB_VIP4:80" 200 "${LAB_CLIENTS4[0]}"
	check_equal "a change holds for the next connection" "$V1 $V2" "200 0"
	check "and is among the decisions" grep -q 'cohort inside of 1 networks was set to weight 0 %' <(lab_ctl rollout why four)
}

test_many() {
	awk -v n="$networks" 'BEGIN { for (i = 0; i < n; i++) printf "10.%d.%d.%d/%d\n", i / 32768, i / 128 % 256, i % 128 * 2, 31 }' \
		>"$LAB_DIR/many"
	echo "192.0.2.112/30 # real ones" >>"$LAB_DIR/many"
	check "$networks networks are loaded" lab_ctl cohort set four many canary --file "$LAB_DIR/many"
	note "$(lab_ctl cohort set four many canary --file "$LAB_DIR/many" | head -n 1) ($networks networks)"
	check_equal "all of them" "$(lab_ctl cohort list four -j | jq '.cohorts[] | select(.name == "many") | .networks')" $((networks + 1))
	check_equal "one of them is found" "$(lab_ctl flow 10.1.2.5:1 four -j | jq -r '[.version, .cohort.network] | @csv')" \
		'"v2","10.1.2.4/31"'
	check_equal "and one that is in none is not" "$(lab_ctl flow 10.200.0.1:1 four -j | jq .cohort)" null
	went "$LAB_VIP4:80" 200 "${LAB_CLIENTS4[12]}" "${LAB_CLIENTS4[15]}"
	check_equal "clients of a long list go where it says" "$V1 $V2" "0 200"
	check "the list can be had back" \
		diff <(sort <(sed 's/ .*//' "$LAB_DIR/many")) <(lab_ctl cohort list four many | sort)
}

test_refused() {
	check_exit "a network that is none" 2 lab_ctl cohort set four inside canary 192.0.2.1/24
	check_exit "a network of another cohort" 1 lab_ctl cohort set four inside canary 192.0.2.104/30
	check_exit "a cohort without networks" 1 lab_ctl cohort set four new canary
	check_exit "a cohort that is none" 1 lab_ctl cohort remove four nobody
	check_exit "a rule that is none" 2 lab_ctl cohort set four inside half
	echo "192.0.2.300" >"$LAB_DIR/bad"
	check_exit "a file with a line that is none" 1 lab_ctl cohort set four inside canary --file "$LAB_DIR/bad"
	check_equal "nothing has changed by it" "$(lab_ctl cohort list four -j | jq -c '[.cohorts[] | .networks] | sort')" \
		"[1,1,1,2,$((networks + 1))]"
	sed "s,file: .*},file: $LAB_DIR/bad}," "$LAB_DIR/canaryd.yaml" >"$LAB_DIR/bad.yaml"
	check_exit "canaryd -t reads the files of cohorts" 3 "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/bad.yaml"
}

test_restart() {
	check "canaryctl cohort remove" lab_ctl cohort remove four probes
	lab_stop canaryd KILL
	went "$LAB_VIP4:80" 200 "${LAB_CLIENTS4[12]}"
	check_equal "without the daemon cohorts hold" "$V1 $V2" "0 200"
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	check_equal "what was set at run time outlives a restart" \
		"$(lab_ctl cohort list four -j | jq -c '[.cohorts[] | [.name, .action, .source]] | sort')" \
		'[["beta","weight","file"],["inside","weight","api"],["many","canary","api"],["partners","baseline","file"]]'
	check "canaryctl cohort reset" lab_ctl cohort reset four
	check_equal "goes back to the file" "$(lab_ctl cohort list four -j | jq -c '[.cohorts[] | [.name, .source]] | sort')" \
		'[["beta","file"],["inside","file"],["partners","file"],["probes","file"]]'
	went "$LAB_VIP4:80" 200 "${LAB_CLIENTS4[0]}"
	check_equal "for packets too" "$V1 $V2" "0 200"
}

lab_up cohorts || bail "the lab does not come up"
printf '# partners\n192.0.2.102/31\n2001:db8::102/127\n' >"$LAB_DIR/partners"
checkout_serve || bail "the servers do not start"
write_config >"$LAB_DIR/canaryd.yaml"
check "the configuration is valid" "$LAB_BUILD/canaryd" -t -c "$LAB_DIR/canaryd.yaml"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
went "$LAB_VIP4:80" 200 "${LAB_CLIENTS4[0]}"
check_equal "without a canary a canary cohort goes to the baseline" "$V1 $V2" "200 0"
for name in four six; do
	lab_ctl rollout start "$name" >/dev/null || bail "the rollout of $name does not start"
	lab_wait_for 60 "$name to be at 50 %" weight_is "$name" 0.5 || bail "$name does not come to 50 %"
done
each IPv4 "$LAB_VIP4:80" "${LAB_CLIENTS4[@]}"
each IPv6 "[$LAB_VIP6]:80" "${LAB_CLIENTS6[@]}"
test_excluded_is_not_judged
test_explained
test_live
test_many
test_refused
test_restart
plan
