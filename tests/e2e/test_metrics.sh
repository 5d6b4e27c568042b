#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# /metrics, scraped by two Prometheus, as text and as protobuf with native histograms: they agree with what the client
# counted and with status. No query of the dashboards and rules is empty in a rollout in which some requests fail.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=9464
RULES=tools/prometheus/canaryd.rules.yaml

config() {
	STEPS='[{weight: 50, min_s: 600, max_s: 900}]'
	checkout_config | sed 's/breaker: {enabled: false}/breaker: {ratio_percent: 90}/'
	cat <<-END
		listen: [127.0.0.1:$PORT]
		alerts: [{url: "http://127.0.0.1:9"}]
	END
}

# prometheus_up NAME PORT FEATURES: scrapes canaryd, and evaluates the rules.
prometheus_up() {
	cat >"$LAB_DIR/$1.yaml" <<-END
		global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}
		rule_files: [$PWD/$RULES]
		scrape_configs:
		  - {job_name: canaryd, static_configs: [{targets: ["127.0.0.1:$PORT"]}]}
	END
	lab_start "$1" node prometheus --config.file="$LAB_DIR/$1.yaml" --storage.tsdb.path="$LAB_DIR/$1.data" \
		--web.listen-address=127.0.0.1:"$2" --enable-feature="$3" --log.level=warn
}

# query PORT PROMQL: the result as a list of values, as jq has it.
query() {
	lab_ns node curl -s --max-time 10 --data-urlencode "query=$2" "http://127.0.0.1:$1/api/v1/query" |
		jq -c 'if .status == "success" then [.data.result[] | .value[1]] else error(.error) end'
}
gives() { [ "$(query "$1" "$2")" = "[\"$3\"]" ]; }
is_empty() { [ "$(query "$1" "$2")" = '[]' ]; }

scrape() { lab_ns node curl -s --max-time 10 "http://127.0.0.1:$PORT/metrics"; }

test_format() {
	scrape >"$LAB_DIR/metrics"
	check "promtool has nothing against the names, units and help" promtool check metrics <"$LAB_DIR/metrics"
	check_equal "nor anything to say" "$(promtool check metrics <"$LAB_DIR/metrics" 2>&1)" ""
	check "the rules are valid" promtool check rules "$RULES"
	check "and do what they are for" promtool test rules tests/e2e/rules.yaml
	check_equal "each alert has a case in which it fires, and one in which it does not; each record a value" "$(cases_missing)" ""
	check_equal "each alert has a runbook, and its anchor is there" "$(runbooks)" ""
}

cases_missing() {
	sed -nE 's/.*- (alert|record): //p' "$RULES" | while read -r rule; do
		awk -v rule="$rule" '
			/alertname: |- expr: / { mine = 0; gsub(/[{},]/, " "); for (i = 1; i <= NF; i++) mine = mine || $i == rule }
			mine && /exp_alerts: *\[ *\]/ { quiet = 1 }
			mine && /exp_labels:/ { fires = 1 }
			mine && /value:/ { value = 1 }
			END { if (!value && !(fires && quiet)) print rule }' tests/e2e/rules.yaml
	done
}

runbooks() {
	local anchor
	grep -c -- '- alert:' "$RULES" | grep -vx "$(grep -c runbook_url "$RULES")"
	for anchor in $(sed -nE 's/.*runbooks.html#([A-Za-z_]+).*/\1/p' "$RULES" | sort -u); do
		grep -q "id=\"$anchor\"" build/doc/runbooks.html || echo "$anchor"
	done
}

test_counts() {
	local port total failed
	total=$(of "$REPORT" .responses | jq 'add') failed=$(of "$REPORT" '.responses["5xx"]')
	for port in 9090 9091; do
		lab_wait_for 20 "the last scrape" gives $port 'sum(canaryd_attempts_total)' "$total"
		check_equal "Prometheus at $port: all that the client sent" "$(query $port 'sum(canaryd_attempts_total)')" "[\"$total\"]"
		check_equal "Prometheus at $port: what it was answered with 5xx" \
			"$(query $port 'sum(canaryd_failures_total{reason="http_5xx"})')" "[\"$failed\"]"
		check_equal "Prometheus at $port: by version" \
			"$(query $port 'sum(canaryd_responses_total{version="v2"})')" "$(of "$REPORT" '[.versions.v2 | tostring]')"
	done
	check_equal "the text's histogram counts the same" "$(query 9090 'sum(canaryd_ttfb_seconds_count)')" "[\"$total\"]"
	check_equal "and so do the native ones" "$(query 9091 'histogram_count(sum(canaryd_ttfb_seconds))')" "[\"$total\"]"
}

# By its own name, or as a value of a label.
test_every_counter() {
	local name missing=
	scrape >"$LAB_DIR/metrics"
	for name in $(checkout '.versions[0].counters | keys[]'); do
		grep -q "^canaryd_${name}_total{.*version=\"v1\"" "$LAB_DIR/metrics" ||
			grep -qE "version=\"v1\",(class|reason|when)=\"(${name}|${name#http_}|${name#abort_})\"" "$LAB_DIR/metrics" ||
			missing+="$name "
	done
	check_equal "no counter is left out" "$missing" ""
}

# The whole is what the last minute was: status has the middle of the bucket that the quantile is in.
test_quantiles() {
	local version q native shown
	for version in v1 v2; do
		for q in 50 95 99; do
			native=$(query 9091 "histogram_quantile(0.$q, canaryd_ttfb_seconds{version=\"$version\"})" | jq -r '.[0]')
			shown=$(checkout ".versions[] | select(.name == \"$version\") | .ttfb_seconds.p$q")
			check_within "p$q of $version, Prometheus' by status'" "$(jq -n "$native / $shown")" 0.975 1.025
		done
	done
}

# Those with a comparison say 0 or 1 here, in place of nothing.
queries() {
	jq -r '.panels[].targets[]?.expr' build/grafana/*.json
	sed -nE 's/^ +expr: //p' "$RULES" | sed -E 's/ (==|>|<) / \1 bool /'
	sed -nE 's/^ +- record: //p' "$RULES"
}

test_queries() {
	local expression count=0 empty=
	while IFS= read -r expression; do
		expression=${expression//\$__rate_interval/20s} expression=${expression//\$__range/1m}
		expression=${expression//\$service/checkout} expression=${expression//\$baseline/v1} expression=${expression//\$canary/v2}
		expression=${expression//\$slo/0.999}
		count=$((count + 1))
		if is_empty 9090 "$expression"; then empty+="$expression"$'\n'; fi
	done < <(queries)
	check_within "queries of dashboards and rules" "$count" 80 200
	check_equal "none of them is empty" "$empty" ""
}

test_no_client_in_labels() {
	scrape >"$LAB_DIR/metrics"
	check_exit "no client's address is a label" 1 grep -F "${LAB_CLIENTS4[0]}" "$LAB_DIR/metrics"
}

lab_up metrics || bail "the lab does not come up"
config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
prometheus_up text 9090 ""
prometheus_up native 9091 native-histograms
test_format
lab_ctl rollout start checkout --force >/dev/null || bail "no rollout"
{ lab_tell v1 'errors=0.1' && lab_tell v2 'errors=0.1'; } >/dev/null || bail "the servers do not listen"
# Not left to chance: it is held when it is looked at.
lab_ctl alert raise checkout v2 --hold --summary "to be looked at" >/dev/null || bail "no alert"
lab_wait_for 20 "one Prometheus" gives 9090 up 1
lab_wait_for 20 "the other" gives 9091 up 1
load --to "$LAB_VIP4:80" --rate 200 --duration 6 --requests-per-connection 2
test_queries
test_counts
test_quantiles
test_every_counter
test_no_client_in_labels
plan
