#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The live page, in a browser: a rollout watched from its start to its end, on a wide and a narrow screen, in light and dark.
# With PAGE_SHOTS=DIRECTORY the screenshots are kept there.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=9465
URL=http://127.0.0.1:$PORT/
SHOTS=${PAGE_SHOTS:-}

# ---- the browser ----

browser_up() {
	coproc BROWSER { exec nsenter --net="/run/netns/$(lab_netns node)" tests/e2e/browser 2>"$LAB_DIR/browser.log"; }
	lab_on_exit "kill $BROWSER_PID 2>/dev/null; wait $BROWSER_PID"
	exec {TELL}>&"${BROWSER[1]}" {HEAR}<&"${BROWSER[0]}"
}

# tell LINE: its answer is printed; an expression may have several lines
tell() {
	local answer
	printf '%s\n' "${1//$'\n'/ }" >&"$TELL" && IFS= read -r answer <&"$HEAR" && printf '%s\n' "$answer"
}

shows() { [ "$(tell "eval Boolean($1)")" = true ]; }
text() { tell "eval document.querySelector('$1').innerText" | jq -r .; }

wait_until() { # SECONDS WHAT EXPRESSION
	lab_wait_for "$1" "$2" shows "$3"
	check_equal "$2" $? 0 && return
	note "$(tell 'eval document.body.innerText' | jq -r .)"
	bail "the page is not as it should be: $(tell complaints) $(cat "$LAB_DIR/browser.log")"
}

shot() { # NAME
	[ -z "$SHOTS" ] || tell "shot $SHOTS/$1.png" >/dev/null
}

# Every state that the page went through, also those that nobody asked for in time.
WATCH='window.seen = []; window.look = () => { const {state, phase} = document.body.dataset, now = `${state}/${phase}`;
	if (state && seen.at(-1) !== now) seen.push(now); }; new MutationObserver(look).observe(document.body,
	{subtree: true, childList: true, attributes: true, characterData: true}); look(); true'

# ---- what is looked at ----

config() {
	checkout_config
	printf '    samples: {slow_response_s: 0.001, traces: true, trace_url: "https://traces.example/show/{{trace_id}}"}\n'
	echo "listen: [127.0.0.1:$PORT]"
}

test_files() {
	local headers
	headers=$(lab_ns node curl -sI --max-time 10 "$URL")
	check "the page may load nothing from elsewhere, and nothing inline" grep -qi "^content-security-policy: default-src 'self'" <<<"$headers"
	check "its type is to be believed" grep -qi '^x-content-type-options: nosniff' <<<"$headers"
	check_equal "there is no such file" "$(lab_ns node curl -s -o /dev/null -w '%{http_code}' "${URL}none.js")" 404
	check_equal "nothing is posted to it" "$(lab_ns node curl -s -o /dev/null -w '%{http_code}' -d x "$URL")" 405
}

# On a phone nothing is cut off and nothing scrolls sideways.
check_narrow() {
	tell "view 400 800 $1" >/dev/null
	wait_until 10 "$2: 400 px are wide enough" 'document.documentElement.scrollWidth === 400 &&
		[...document.querySelectorAll("body *")].every((e) => e.getBoundingClientRect().right <= 400.5)'
	shot "$2-narrow-$1"
	tell "view 1280 800 light" >/dev/null
}

test_before() {
	wait_until 30 "it shows the service" 'document.querySelector("#headline").textContent.includes("every new flow goes to v1")'
	check_equal "it is live" "$(text '#connection')" live
	shot before
}

test_rollout() {
	check "a rollout starts" lab_ctl rollout start checkout --force
	wait_until 30 "it is judged" 'document.body.dataset.state === "running" && document.body.dataset.phase === "step"'
	wait_until 40 "the evidence moves" '/v2 gets [0-9.]+\s% of new flows.* of [0-9,]+ evidence against it/.test(
		document.querySelector("#headline").textContent)'
	wait_until 40 "the next step" 'document.querySelectorAll("#decisions [data-decision=advance]").length > 0'
	note "$(text '#headline')"
	check_charts
	shot running
	tell "view 1280 800 dark" >/dev/null
	shot running-dark
	check_narrow light running
}

# Each chart has something in it that is not its background.
check_charts() {
	wait_until 20 "each chart is described in words" '[...document.querySelectorAll("canvas")].every((c) =>
		c.getAttribute("aria-label").length > 20)'
	wait_until 20 "both versions' latencies lie over each other" 'Chart.getChart("latency").data.datasets.every((set) =>
		set.data.some((point) => point.y > 0))'
	wait_until 20 "the split has moved" 'new Set(Chart.getChart("split").data.datasets[0].data.map((point) => point.y)).size > 1'
	wait_until 20 "evidence has climbed" 'Chart.getChart("evidence").data.datasets[1].data.some((point) => point.y > 0)'
}

test_rollback() {
	lab_tell v2 errors=0.3 >/dev/null
	wait_until 60 "it is taken back" 'document.body.dataset.state === "rolled_back"'
	wait_until 20 "with the reason on the time line" 'document.querySelector("#decisions [data-decision=roll_back]")'
	wait_until 20 "and the kind of failure" 'Chart.getChart("errors").data.labels.includes("HTTP 5xx")'
	note "$(text '#headline')" "$(text '#reason')" "$(text '#decisions')"
	check_equal "the reason is the journal's" "$(tell 'eval document.querySelector("#decisions li > :last-child").textContent' | jq -r .)" \
		"$(lab_ctl rollout why checkout -j | jq -r '.decisions[-1].reason')"
	check_equal "it was seen from start to end" "$(tell 'eval seen' | jq -c '[.[0], .[-1], (index("running/step") > 0)]')" \
		'["none/none","rolled_back/ended",true]'
	check "up to the bound" shows 'Math.max(...Chart.getChart("evidence").data.datasets[0].data.map(({y}) => y || 0)) > 0.95'
	shot rolled-back
	tell "view 1280 800 dark" >/dev/null
	shot rolled-back-dark
	check_narrow dark rolled-back
}

# Whoever comes when all is over sees it from its beginning: share, evidence, latencies and failures.
WHOLE='(() => { const of = (id, i) => Chart.getChart(id).data.datasets[i].data, began = (id, i) => of(id, i)[0].x - STARTED;
	return Math.abs(began("split", 0)) < 2 && Math.abs(began("evidence", 0)) < 2 && Math.abs(began("quantiles", 0)) < 2 &&
		of("evidence", 1).some(({y}) => y > 0.9) && of("evidence", 0).at(-1).y > 0.95 && of("failed", 1).some(({y}) => y > 0); })()'

test_late() {
	tell "open $URL" >/dev/null
	wait_until 30 "who comes late sees the whole" "document.body.dataset.state === 'rolled_back' && ${WHOLE//STARTED/$(
		lab_ctl status -j | jq '.services[0].rollout.started')}"
	wait_until 10 "the flows that failed, too, of clients' networks" \
		'document.querySelector("#flows [data-kind=http_5xx]").cells[5].textContent === "192.0.2.0/24"'
	check "and how many" shows '/v2: [1-9][0-9]* of [0-9,]+ requests failed/.test(document.querySelector("#errors-words").textContent)'
	shot late
}

# And the one before is still there to be read.
test_promotion() {
	lab_ctl alert resolve checkout v2 >/dev/null
	lab_tell v2 clear >/dev/null
	check "another rollout" lab_ctl rollout start checkout --force
	wait_until 20 "is shown" 'document.body.dataset.state === "running"'
	check "is promoted by an operator" lab_ctl rollout promote checkout
	wait_until 20 "v2 is the baseline" 'document.querySelector("#headline").textContent === "v2 is the baseline now: every new flow goes to v2."'
	shot promoted
	tell 'eval document.querySelector("#rollouts li:last-child a").click()' >/dev/null
	wait_until 20 "the first one's decisions" '/rollout 1/.test(document.querySelector("#decisions-title").textContent) &&
		document.querySelector("#decisions [data-decision=roll_back]")'
}

# What others write is text.
test_injection() {
	lab_ctl alert raise checkout v2 --key x --summary '<img src=x onerror="window.harmed=1"><b id=harm>' >/dev/null
	wait_until 20 "an alert is shown as it was written" 'document.querySelector("#warnings").textContent.includes("<img src=x")'
	check_equal "and is no markup" "$(tell 'eval [Boolean(window.harmed), document.querySelectorAll("#harm, main img").length]' |
		jq -c .)" '[false,0]'
}

test_lost() {
	check_equal "nothing was asked of anybody else" "$(tell requests | jq -c --arg url "$URL" \
		'map(select((startswith($url) or . == "about:blank") | not))')" '[]'
	check_equal "the console has no complaint" "$(tell complaints | jq -c .)" '[]'
	lab_ctl rollout start checkout --force --canary v1 >/dev/null 2>&1
	wait_until 30 "a rollout is under way" 'document.body.dataset.phase === "step"'
	lab_stop canaryd
	wait_until 30 "a lost connection is said" '/connection lost, trying/.test(document.querySelector("#connection").textContent)'
	shot lost
	sleep 5 # without a daemon: long enough for a hole
	lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start again"
	wait_until 30 "and found again" 'document.querySelector("#connection").textContent === "live"'
	wait_until 30 "what was before is known, and no line goes through what nobody watched" '/Not watched from/.test(document.querySelector("#evidence-words").textContent) &&
		Chart.getChart("evidence").data.datasets[0].data.slice(1, -1).some(({y}) => Number.isNaN(y))'
	shot found
}

TRACE=0af7651916cd43dd8448eb211c80319c
failed_and_shown() {
	lab_ns client curl -s -o /dev/null --max-time 10 -H "traceparent: 00-$TRACE-b7ad6b7169203331-01" "http://$LAB_VIP4/"
	shows "document.querySelector('#flows a[href=\"https://traces.example/show/$TRACE\"]')"
}

# From a flow that failed to its trace.
test_flows() {
	wait_until 30 "slow ones are shown" 'document.querySelector("#flows [data-kind=slow_response]")'
	lab_stop load
	lab_tell v1 errors=1 >/dev/null
	lab_tell v2 errors=1 >/dev/null
	lab_wait_for 30 "a failure and the way to its trace" failed_and_shown
	check_equal "a failure leads to its trace" $? 0
	check_equal "in words, of the client's network only" "$(tell 'eval (() => { const row = [...document.querySelectorAll("#flows tr")].find((tr) =>
		tr.querySelector("a")); return [row.cells[1].textContent, row.cells[5].textContent]; })()' | jq -c .)" '["HTTP 5xx","192.0.2.0/24"]'
	check_equal "and leads nowhere by itself" "$(tell requests | jq 'map(select(contains("traces.example"))) | length')" 0
	shot flows
	tell "view 1280 800 dark" >/dev/null
	shot flows-dark
	check_narrow light flows
}

STEPS='[{weight: 20, min_s: 1}, {weight: 50, min_s: 600}]'
lab_up page || bail "the lab does not come up"
config >"$LAB_DIR/canaryd.yaml"
checkout_serve || bail "the servers do not start"
lab_canaryd "$LAB_DIR/canaryd.yaml" || bail "canaryd does not start"
mapfile -t SOURCES < <(lab_sources 4)
lab_start load client "$LAB_BUILD/lab-client" --to "$LAB_VIP4:80" --rate 400 --duration 250 --requests-per-connection 2 \
	--timeout 3 "${SOURCES[@]}"
test_files
browser_up
tell "view 1280 800 light" >/dev/null || bail "no browser: $(cat "$LAB_DIR/browser.log")"
tell "open $URL" >/dev/null
tell "eval $WATCH" >/dev/null
test_before
test_rollout
test_rollback
test_late
test_injection
test_promotion
test_lost
test_flows
plan
