/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a configuration is refused for: every rule, with the line and the key it reports. */
#include "user/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The least there is; lines 1 to 8. */
#define WEB(name, vip) "services:\n  - name: " name "\n    vip: " vip "\n    baseline: v1\n"
#define HEAD "interfaces: [eth0]\n" WEB("web", "192.0.2.10:80")
#define VERSIONS "    versions:\n      - name: v1\n        backends: [10.0.0.1:80]\n"
#define REST WEB("web", "192.0.2.10:80") VERSIONS
#define MINIMAL HEAD VERSIONS

struct refusal {
	const char *text;
	const char *error; /* how the first line begins */
};

#define STEPS(s) MINIMAL "    rollout:\n      steps: " s "\n" /* on line 10 */
#define BACKENDS(b) HEAD "    versions:\n      - name: v1\n        backends: " b "\n" /* on line 8 */
#define SECOND                                                                                                      \
	"  - name: two\n    vip: 192.0.2.20:80\n    baseline: v1\n    versions:\n      - name: v1\n        backends: "

static const struct refusal refusals[] = {
	/* the text */
	{ "", "c.yaml:1: is empty (canaryctl config init" },
	{ "# nothing\n", "c.yaml:1: is empty" },
	{ "interfaces: [eth0\nservices: 1\n", "c.yaml:2: is not YAML: did not find expected ',' or ']'" },
	{ "interfaces: [eth0]\nservices:\n  - vip: [2001:db8::1]:80\n", "c.yaml:3: is not YAML: did not find expected "
									"key "
									"(put quotes around an IPv6 address: "
									"\"[2001:db8::1]:80\")" },
	{ "a: 1\nb: \xff\n", "c.yaml:2: is not YAML: invalid leading UTF-8 octet" },
	{ MINIMAL "---\n" MINIMAL, "c.yaml:9: a second document begins" },
	{ "interfaces: &a [eth0]\nservices: *a\n", "c.yaml:2: the alias *a is not read (write its value out)" },
	{ "eth0\n", "c.yaml:1: wants keys of its own (interfaces: …), not one value" },
	{ MINIMAL "? [a]\n: b\n", "c.yaml:9: a key has to be a plain word" },
	{ MINIMAL "\"a\\0b\": 1\n", "c.yaml:9: a key has to be a plain word" },
	/* cohorts, on line 10 */
#define COHORTS(c) MINIMAL "    cohorts:\n      - " c "\n"
	{ COHORTS("{name: a, action: canary}"), "c.yaml:10: services[0].cohorts[0]: has no clients (give it prefixes or a file)" },
	{ COHORTS("{name: a, action: nothing, prefixes: [10.0.0.0/8]}"), "c.yaml:10: services[0].cohorts[0].action: \"nothing\" is "
									"not a choice" },
	{ COHORTS("{name: a, action: weight, prefixes: [10.0.0.0/8]}"), "c.yaml:10: services[0].cohorts[0]: has no weight (add" },
	{ COHORTS("{name: a, action: canary, weight: 5, prefixes: [10.0.0.0/8]}"), "c.yaml:10: services[0].cohorts[0]: has a "
										  "weight, and" },
	{ COHORTS("{name: a, action: weight, weight: 101, prefixes: [10.0.0.0/8]}"), "c.yaml:10: services[0].cohorts[0].weight: "
										    "\"101\" is not" },
	{ COHORTS("{name: a, action: canary, prefixes: [10.0.0.1/8]}"), "c.yaml:10: services[0].cohorts[0].prefixes[0]: "
								       "\"10.0.0.1/8\" has bits set beyond its length" },
	{ COHORTS("{name: a, action: canary, file: x}"), "c.yaml:10: services[0].cohorts[0]: \"x\" is not an absolute path" },
	{ COHORTS("{name: A, action: canary, file: /x}"), "c.yaml:10: services[0].cohorts[0]: \"A\" is not a name" },
	{ COHORTS("{name: a, action: canary, file: /x}\n      - {name: a, action: canary, file: /y}"),
	  "c.yaml:11: services[0].cohorts[1]: the name a is already cohorts[0]'s" },
	/* samples, on line 9 */
#define SAMPLES(s) MINIMAL "    samples: {" s "}\n"
	{ SAMPLES("ipv4_prefix: 33"), "c.yaml:9: services[0].samples.ipv4_prefix: \"33\" is not a whole number from 0 to 32" },
	{ SAMPLES("ipv6_prefix: 129"), "c.yaml:9: services[0].samples.ipv6_prefix: \"129\" is not a whole number from 0 to 128" },
	{ SAMPLES("slow_response_s: -1"), "c.yaml:9: services[0].samples.slow_response_s: \"-1\" is not a number from 0 to 64" },
	{ SAMPLES("traces: please"), "c.yaml:9: services[0].samples.traces: \"please\" is neither true nor false" },
	{ SAMPLES("trace_url: ''"), "c.yaml:9: services[0].samples.trace_url: is empty (where people see a trace" },
	{ SAMPLES("trace_url: 'ftp://t/{{trace_id}}'"), "c.yaml:9: services[0].samples.trace_url: \"ftp://t/{{trace_id}}\" is "
							"neither http nor https" },
	{ SAMPLES("trace_url: 't.example'"), "c.yaml:9: services[0].samples.trace_url: \"t.example\" is not a URL" },
	{ SAMPLES("trace_url: 'https://t/{trace_id}'"), "c.yaml:9: services[0].samples.trace_url: \"https://t/{trace_id}\" is the "
							"same for every trace (write {{trace_id}}" },
	{ SAMPLES("trace_url: 'https://t/{{trace}}'"), "c.yaml:9: services[0].samples.trace_url: {{trace}} is no placeholder "
						       "(write {{trace_id}} where" },
	{ SAMPLES("trace_url: 'https://t/{{trace_id'"), "c.yaml:9: services[0].samples.trace_url: {{ has no }}" },
	{ MINIMAL "    protocol: udp\n    samples: {traces: true}\n", "c.yaml:10: services[0].samples: traces are of HTTP requests" },
	{ MINIMAL "    protocol: udp\n    samples: {slow_connect_s: 1}\n", "c.yaml:10: services[0].samples: protocol udp has no "
									 "connections" },
	{ MINIMAL "    mode: dsr\n    tunnel_source: 10.0.0.9\n    samples: {slow_response_s: 1}\n",
	  "c.yaml:11: services[0].samples: mode dsr does not see" },
	/* keys */
	{ MINIMAL "tick_m: 1\n", "c.yaml:9: tick_m: is not a key (did you mean tick_ms?)" },
	{ MINIMAL "zzzzzzzz: 1\n", "c.yaml:9: zzzzzzzz: is not a key (remove it;" },
	{ MINIMAL "    protocl: tcp\n", "c.yaml:9: services[0].protocl: is not a key (did you mean protocol?)" },
	{ MINIMAL "\"a\\nb\": 1\n", "c.yaml:9: a?b: is not a key" },
	{ MINIMAL "tick_ms: 100\ntick_ms: 200\n", "c.yaml:10: tick_ms: is there twice, first on line 9 (remove one)" },
	{ REST, "c.yaml:1: interfaces: is missing (the network interfaces" },
	{ "interfaces: [eth0]\n", "c.yaml:1: services: is missing" },
	{ "interfaces: [eth0]\nservices:\n  - vip: 192.0.2.10:80\n    baseline: v1\n" VERSIONS, "c.yaml:3: "
												"services[0].name: is "
												"missing (the "
												"service's name" },
	{ HEAD "    versions:\n      - name: v1\n", "c.yaml:7: services[0].versions[0].backends: is missing" },
	{ STEPS("[{min_s: 1}]"), "c.yaml:10: services[0].rollout.steps[0].weight: is missing" },
	{ MINIMAL "    breaker: {window: 1}\n", "c.yaml:9: services[0].breaker.window: is not a key (did you mean window_s?)" },
	{ MINIMAL "listen: [localhost:9464]\n", "c.yaml:9: listen[0]: \"localhost:9464\" is not an address:port (write 127.0.0.1" },
	{ MINIMAL "listen: [127.0.0.1]\n", "c.yaml:9: listen[0]: \"127.0.0.1\" is not an address:port" },
	{ MINIMAL "listen: [0.0.0.0:1, 127.0.0.1:1, 0.0.0.0:1]\n", "c.yaml:9: listen[2]: 0.0.0.0:1 is already listen[0] (remove" },
	{ MINIMAL "lease: {s: 0.9}\n", "c.yaml:9: lease.s: 0.9 s is less than 4 ticks of 250 ms (make it 1 at least)" },
	{ MINIMAL "tick_ms: 5000\n", "c.yaml:1: lease.s: 15 s is less than 4 ticks of 5000 ms (make it 20 at least)" },
	{ MINIMAL "lease: {on_expiry: canary}\n", "c.yaml:9: lease.on_expiry: \"canary\" is not a choice" },
	/* hooks and alerts */
	{ MINIMAL "    hooks: [{command: x}]\n", "c.yaml:9: services[0].hooks[0].on: is missing" },
	{ MINIMAL "    hooks: [{on: sometimes, command: x}]\n",
	  "c.yaml:9: services[0].hooks[0].on: \"sometimes\" is not a choice (write before_start or gate or before_step or "
	  "after_step or promoted or rolled_back)" },
	{ MINIMAL "    hooks: [{on: gate}]\n",
	  "c.yaml:9: services[0].hooks[0]: does nothing (give it a command, an argv or a url)" },
	{ MINIMAL "    hooks:\n      - {on: gate, command: x, url: 'http://h/'}\n",
	  "c.yaml:10: services[0].hooks[0]: has more than one of command, argv and url" },
	{ MINIMAL "    hooks: [{on: gate, argv: [], command: ''}]\n", "c.yaml:9: services[0].hooks[0].command: " },
	{ MINIMAL "    hooks: [{on: gate, argv: ['', x]}]\n", "c.yaml:9: services[0].hooks[0]: argv[0] is empty" },
	{ MINIMAL "    hooks: [{on: gate, argv: [a, b], command: x}]\n",
	  "c.yaml:9: services[0].hooks[0]: has more than one of command, argv and url" },
	{ MINIMAL "    hooks: [{on: gate, url: 'ftp://h/'}]\n", "c.yaml:9: services[0].hooks[0]: \"ftp://h/\" is neither" },
	{ MINIMAL "    hooks: [{on: gate, url: 'http://a b/'}]\n", "c.yaml:9: services[0].hooks[0]: \"http://a b/\" is not a URL" },
	{ MINIMAL "    hooks: [{on: gate, command: x, name: Ä}]\n", "c.yaml:9: services[0].hooks[0]: \"Ä\" is not a name" },
	{ MINIMAL "    hooks: [{on: gate, command: x, name: a}, {on: promoted, command: x, name: a}]\n",
	  "c.yaml:9: services[0].hooks[1]: the name a is already hooks[0]'s" },
	{ MINIMAL "    hooks: [{on: gate, command: x, timeout_s: 0}]\n",
	  "c.yaml:9: services[0].hooks[0].timeout_s: \"0\" is not a number from 0.1 to 3600" },
	{ MINIMAL "alerts: [{kind: webhook}]\n", "c.yaml:9: alerts[0].url: is missing" },
	{ MINIMAL "alerts: [{url: alertmanager}]\n", "c.yaml:9: alerts[0].url: \"alertmanager\" is n" },
	{ MINIMAL "alerts: [{url: http://am/api/v2/alerts}]\n", "c.yaml:9: alerts[0].url: \"http://am/api/v2/alerts\" names" },
	{ MINIMAL "alerts: [{url: http://am}, {url: http://am}]\n", "c.yaml:9: alerts[1].url: http://am is already alerts[0]" },
	{ MINIMAL "alert_rules: {held: loud}\n", "c.yaml:9: alert_rules.held: \"loud\" is not a choice" },
	{ MINIMAL "alert_rules: {runbook_url: here}\n", "c.yaml:9: alert_rules.runbook_url: \"here\" is n" },
	/* rollouts and blackouts */
	{ MINIMAL "blackouts: [{from: 9:00, to: '17:00'}]\n", "c.yaml:9: blackouts[0]: \"9:00\" to \"17:00\" is no window" },
	{ MINIMAL "blackouts: [{days: [friday], from: '09:00', to: '17:00'}]\n",
	  "c.yaml:9: blackouts[0].days[0]: \"friday\" is not a choice (write mon or tue or" },
	{ MINIMAL "    blackouts:\n      - {from: '00:00', to: '24:00'}\n",
	  "c.yaml:10: services[0].blackouts[0]: the window is open on every day and all day" },
	{ MINIMAL "blackouts: [{from: '09:00'}]\n", "c.yaml:9: blackouts[0].to: is missing" },
	{ MINIMAL "    rollout: {adaptive: true}\n", "c.yaml:9: services[0].rollout.adaptive: there is no budget" },
	{ MINIMAL "    rollout: {adaptive: true, adaptive_ratio: 1.2}\njudge: {budget_failures: 9}\n",
	  "c.yaml:9: services[0].rollout.adaptive_ratio: a regression of 1.2 times is within judge.margin, 1.25" },
	{ MINIMAL "    rollout: {promote: later}\n", "c.yaml:9: services[0].rollout.promote: \"later\" is not a choice" },
	{ MINIMAL "    mode: fullnat\n", "c.yaml:3: services[0].source_addresses: mode fullnat sends from addresses of this node" },
	{ MINIMAL "    source_addresses: [10.0.0.8]\n", "c.yaml:9: services[0].source_addresses: mode dnat keeps the client's address" },
	{ MINIMAL "    mode: fullnat\n    source_addresses: [10.0.0.8, 10.0.0.8]\n",
	  "c.yaml:10: services[0].source_addresses[1]: 10.0.0.8 is already source_addresses[0]" },
	{ MINIMAL "    mode: fullnat\n    source_addresses: ['10.0.0.8:1']\n",
	  "c.yaml:10: services[0].source_addresses[0]: \"10.0.0.8:1\" is not an address" },
	{ MINIMAL "    mode: fullnat\n    source_addresses: ['fd00::8']\n",
	  "c.yaml:10: services[0].source_addresses[0]: fd00::8 is not of the VIP's family" },
	{ MINIMAL "    mode: fullnat\n    source_addresses: [127.0.0.1]\n",
	  "c.yaml:10: services[0].source_addresses[0]: 127.0.0.1 is not an address backends can reply to" },
	{ MINIMAL "    mode: dsr\n", "c.yaml:3: services[0].tunnel_source: mode dsr sends in tunnels from an address of this node" },
	{ MINIMAL "    tunnel_source: 10.0.0.8\n", "c.yaml:9: services[0].tunnel_source: mode dnat has no tunnels" },
	{ MINIMAL "    mode: dsr\n    tunnel_source: 10.0.0.8\n    source_addresses: [10.0.0.9]\n",
	  "c.yaml:11: services[0].source_addresses: mode dsr keeps the client's address" },
	{ MINIMAL "    mode: dsr\n    tunnel_source: node\n", "c.yaml:10: services[0].tunnel_source: \"node\" is not an address" },
	{ MINIMAL "    mode: dsr\n    tunnel_source: 'fd00::8'\n",
	  "c.yaml:10: services[0].tunnel_source: fd00::8 is not of the VIP's family" },
	{ MINIMAL "    mode: dsr\n    tunnel_source: 192.0.2.10\n",
	  "c.yaml:10: services[0].tunnel_source: 192.0.2.10 is the address of services[0].vip" },
	{ BACKENDS("[10.0.0.1:8080]") "    mode: dsr\n    tunnel_source: 10.0.0.8\n",
	  "c.yaml:8: services[0].versions[0].backends[0]: 10.0.0.1:8080 is on another port than the VIP, 192.0.2.10:80" },
	/* kinds and types */
	{ MINIMAL "judge: [1]\n", "c.yaml:9: judge: wants keys of its own (alpha: …), not a list" },
	{ MINIMAL "judge:\n", "c.yaml:9: judge: wants keys of its own (alpha: …), not nothing" },
	{ "interfaces: eth0\n" REST, "c.yaml:1: interfaces: wants a list, not one value (put it in brackets" },
	{ "interfaces: [eth0]\nservices:\n  name: web\n", "c.yaml:2: services: wants a list, not a mapping (begin "
							  "each" },
	{ MINIMAL "tick_ms: [1]\n", "c.yaml:9: tick_ms: wants one value, not a list" },
	{ "interfaces: [eth0]\n" WEB("web", "{a: b}") VERSIONS, "c.yaml:4: services[0].vip: wants one value, not a "
								"mapping (put quotes" },
	{ MINIMAL "tick_ms: abc\n", "c.yaml:9: tick_ms: \"abc\" is not a whole number from 10 to 60000" },
	{ MINIMAL "tick_ms: 0250\n", "c.yaml:9: tick_ms: \"0250\" is not a whole number" },
	{ MINIMAL "tick_ms: 0x100\n", "c.yaml:9: tick_ms: \"0x100\" is not a whole number" },
	{ MINIMAL "tick_ms: -250\n", "c.yaml:9: tick_ms: \"-250\" is not a whole number" },
	{ MINIMAL "tick_ms: 9\n", "c.yaml:9: tick_ms: \"9\" is not a whole number from 10" },
	{ MINIMAL "tick_ms: 60001\n", "c.yaml:9: tick_ms: \"60001\" is not a whole number from 10 to 60000" },
	{ MINIMAL "tick_ms:\n", "c.yaml:9: tick_ms: \"\" is not a whole number" },
	{ MINIMAL "tick_ms: \"100\\0\"\n", "c.yaml:9: tick_ms: \"100\" holds control characters" },
	{ MINIMAL "flow_table: 1000\n", "c.yaml:9: flow_table: \"1000\" is not a whole number from 1024 to 67108864" },
	{ MINIMAL "    flood_limit: 1000000001\n",
	  "c.yaml:9: services[0].flood_limit: \"1000000001\" is not a whole number from 0 to 1000000000" },
	{ MINIMAL "    flood_limit: -1\n",
	  "c.yaml:9: services[0].flood_limit: \"-1\" is not a whole number from 0 to 1000000000" },
	{ MINIMAL "        max_flows: many\n",
	  "c.yaml:9: services[0].versions[0].max_flows: \"many\" is not a whole number from 0 to 1000000000" },
	{ MINIMAL "        max_flows: 0.5\n",
	  "c.yaml:9: services[0].versions[0].max_flows: \"0.5\" is not a whole number from 0 to 1000000000" },
	{ MINIMAL "seed: 18446744073709551616\n", "c.yaml:9: seed: \"18446744073709551616\" is not a whole number of "
						  "64" },
	{ MINIMAL "judge: {alpha: 0.6}\n", "c.yaml:9: judge.alpha: \"0.6\" is not a number from 1e-09 to 0.5" },
	{ MINIMAL "judge:\n  weight_errors: 0.7\n", "c.yaml:9: judge: weight_errors 0.7 and weight_latency 0.4 add up "
						    "to 1.1" },
	{ MINIMAL "judge: {hold_evidence: 101}\n", "c.yaml:9: judge: hold_evidence 101 is beyond 1 / alpha, 100" },
	{ MINIMAL "judge:\n  p0: nan\n", "c.yaml:10: judge.p0: \"nan\" is not a number" },
	{ MINIMAL "judge:\n  p0: 1e-400\n", "c.yaml:10: judge.p0: \"1e-400\" is not a number" },
	{ MINIMAL "judge:\n  margin: 0x1\n", "c.yaml:10: judge.margin: \"0x1\" is not a number" },
	{ MINIMAL "    protocol: sctp\n", "c.yaml:9: services[0].protocol: \"sctp\" is not a choice (write tcp or "
					  "udp)" },
	{ MINIMAL "    mode: nat\n", "c.yaml:9: services[0].mode: \"nat\" is not a choice (write dnat or fullnat or dsr)" },
	{ MINIMAL "    affinity: 1\n", "c.yaml:9: services[0].affinity: \"1\" is not a choice (write flow or client)" },
	{ STEPS("[{weight: 1, manual: maybe}]"), "c.yaml:10: services[0].rollout.steps[0].manual: \"maybe\" is "
						 "neither" },
	{ MINIMAL "    rollout:\n      on_fail: x\n", "c.yaml:10: services[0].rollout.on_fail: \"x\" is not a choice" },
	{ MINIMAL "socket: ''\n", "c.yaml:9: socket: is empty (the Unix socket canaryctl talks to)" },
	{ MINIMAL "socket: \"/a\\tb\"\n", "c.yaml:9: socket: \"/a?b\" holds control characters" },
	{ MINIMAL "socket: relative.sock\n", "c.yaml:9: socket: \"relative.sock\" is not an absolute path (begin it "
					     "with /)" },
	{ MINIMAL "state_dir: x\n", "c.yaml:9: state_dir: \"x\" is not an absolute path" },
	{ MINIMAL "pin_dir: x\n", "c.yaml:9: pin_dir: \"x\" is not an absolute path" },
	{ MINIMAL "    affinity_prefix_v4: 33\n", "c.yaml:9: services[0].affinity_prefix_v4: \"33\" is not a whole "
						  "number" },
	{ MINIMAL "    affinity_prefix_v6: 0\n", "c.yaml:9: services[0].affinity_prefix_v6: \"0\" is not a whole "
						 "number" },
	/* interfaces */
	{ "interfaces: []\n" REST, "c.yaml:1: interfaces: is an empty list" },
	{ "interfaces:\n  - interface0123456\n" REST, "c.yaml:2: interfaces[0]: \"interface0123456\" is longer than 15 "
						      "bytes (shorten it)" },
	{ "interfaces: [a/b]\n" WEB("web", "192.0.2.10:80") VERSIONS, "c.yaml:1: interfaces[0]: \"a/b\" is not an "
								      "interface name" },
	{ "interfaces: [e, e]\n" WEB("web", "192.0.2.10:80") VERSIONS, "c.yaml:1: interfaces[1]: e is already "
								       "interfaces[0] (remove one)" },
	/* names */
	{ "interfaces: [e]\n" WEB("Web", "192.0.2.10:80") VERSIONS, "c.yaml:3: services[0].name: \"Web\" is not a name "
								    "(use a-z, 0-9, '.', '_', '-'" },
	{ "interfaces: [e]\n" WEB("-web", "192.0.2.10:80") VERSIONS, "c.yaml:3: services[0].name: \"-web\" is not a "
								     "name" },
	{ "interfaces: [e]\nservices:\n  - name: abcdefghijklmnopqrstuvwxyz012345\n    vip: 192.0.2.10:80\n"
	  "    baseline: v1\n" VERSIONS,
	  "c.yaml:3: services[0].name: \"abcdefghijklmnopqrstuvwxyz012345\" is longer than 31 bytes" },
	{ HEAD "    versions:\n      - name: v1\n        backends: [10.0.0.1:80]\n      - name: v 2\n"
	       "        backends: [10.0.0.2:80]\n",
	  "c.yaml:9: services[0].versions[1].name: \"v 2\" is not a name" },
	{ MINIMAL "  - name: web\n    vip: 192.0.2.20:80\n    baseline: v1\n    versions:\n      - name: v1\n"
		  "        backends: [10.0.0.2:80]\n",
	  "c.yaml:9: services[1].name: web is already services[0]" },
	{ MINIMAL "      - name: v1\n        backends: [10.0.0.2:80]\n", "c.yaml:9: services[0].versions[1].name: v1 "
									 "is already services[0].versions[0]" },
	{ "interfaces: [e]\nservices:\n  - name: web\n    vip: 192.0.2.10:80\n    baseline: v9\n" VERSIONS, "c.yaml:5: "
													    "services["
													    "0]."
													    "baseline: "
													    "no "
													    "version "
													    "is named "
													    "\"v9\"" },
	/* addresses */
	{ BACKENDS("[10.0.0.300:80]"), "c.yaml:8: services[0].versions[0].backends[0]: \"10.0.0.300:80\" is not an "
				       "address:port (write 192.0.2.1:80 or \"[2001:db8::1]:80\")" },
	{ BACKENDS("\n          - 10.0.0.1:80\n          - 10.0.0.2"), "c.yaml:10: "
								       "services[0].versions[0].backends[1]: "
								       "\"10.0.0.2\" is not an address:port" },
	{ BACKENDS("[[2001:db8::1]:80]"), "c.yaml:8: services[0].versions[0].backends[0]: wants one value, not a "
					  "mapping "
					  "(put quotes around what begins with a bracket)" },
	{ BACKENDS("[10.0.0.1:0]"), "c.yaml:8: services[0].versions[0].backends[0]: \"10.0.0.1:0\" is not an address" },
	{ BACKENDS("[224.0.0.1:80]"), "c.yaml:8: services[0].versions[0].backends[0]: 224.0.0.1:80 is not the address "
				      "of" },
	{ BACKENDS("[127.0.0.1:80]"), "c.yaml:8: services[0].versions[0].backends[0]: 127.0.0.1:80 is a loopback "
				      "address" },
	{ BACKENDS("[\"[2001:db8::1]:80\"]"), "c.yaml:8: services[0].versions[0].backends[0]: [2001:db8::1]:80 is not "
					      "of "
					      "the VIP's family: 192.0.2.10:80" },
	{ BACKENDS("[192.0.2.10:80]"), "c.yaml:8: services[0].versions[0].backends[0]: 192.0.2.10:80 is "
				       "services[0].vip" },
	{ BACKENDS("[10.0.0.1:80, 10.0.0.1:80]"), "c.yaml:8: services[0].versions[0].backends[1]: 10.0.0.1:80 is "
						  "already "
						  "services[0].versions[0].backends[0]" },
	{ MINIMAL "      - name: v2\n        backends: [10.0.0.1:80]\n", "c.yaml:10: "
									 "services[0].versions[1].backends[0]: "
									 "10.0.0.1:80 is already "
									 "services[0].versions[0].backends[0]: its "
									 "replies could be of either" },
	{ MINIMAL SECOND "[10.0.0.1:80]\n", "c.yaml:14: services[1].versions[0].backends[0]: 10.0.0.1:80 is already "
					    "services[0].versions[0].backends[0]" },
	{ MINIMAL SECOND "[192.0.2.10:80]\n", "c.yaml:14: services[1].versions[0].backends[0]: 192.0.2.10:80 is "
					      "services[0].vip: its packets would be steered again" },
	{ "interfaces: [e]\n" WEB("web", "192.0.2.10") VERSIONS, "c.yaml:4: services[0].vip: \"192.0.2.10\" is not an "
								 "address:port" },
	{ "interfaces: [e]\n" WEB("web", "0.0.0.0:80") VERSIONS, "c.yaml:4: services[0].vip: 0.0.0.0:80 is not the "
								 "address of one host" },
	{ MINIMAL "  - name: two\n    vip: 192.0.2.10:80\n    baseline: v1\n    versions:\n      - name: v1\n"
		  "        backends: [10.0.0.2:80]\n",
	  "c.yaml:10: services[1].vip: 192.0.2.10:80 is already services[0].vip, of web" },
	/* counts */
	{ BACKENDS("[]"), "c.yaml:8: services[0].versions[0].backends: is an empty list" },
	{ BACKENDS("[10.0.0.1:80, 10.0.0.2:80]") "max_backends: 1\n", "c.yaml:2: services: 2 backends in all, there is "
								      "room for 1 (raise max_backends, at most 4096)" },
	{ MINIMAL "      - name: v2\n        backends: [10.0.0.2:80]\nmax_versions: 1\n", "c.yaml:2: services: 2 "
											  "versions in all, there is "
											  "room for 1 (raise "
											  "max_versions, at most "
											  "1024)" },
	/* steps */
	{ STEPS("[]"), "c.yaml:10: services[0].rollout.steps: is an empty list" },
	{ STEPS("[{weight: 100.1}]"), "c.yaml:10: services[0].rollout.steps[0].weight: \"100.1\" is not a number from "
				      "0.0001 to 100" },
	{ STEPS("[{weight: 0}]"), "c.yaml:10: services[0].rollout.steps[0].weight: \"0\" is not a number" },
	{ STEPS("[{weight: -5}]"), "c.yaml:10: services[0].rollout.steps[0].weight: \"-5\" is not a number" },
	{ STEPS("\n        - weight: 5\n        - weight: 5"), "c.yaml:12: services[0].rollout.steps[1]: weight 5 does "
							       "not "
							       "go beyond the step before, 5" },
	{ STEPS("[{weight: 5}, {weight: 1}]"), "c.yaml:10: services[0].rollout.steps[1]: weight 1 does not go beyond" },
	{ STEPS("[{weight: 5, min_s: 60, max_s: 30}]"), "c.yaml:10: services[0].rollout.steps[0]: max_s 30 is shorter "
							"than "
							"min_s 60" },
};

static void assert_refused(const char *text, const char *expected)
{
	struct config *untouched = (struct config *)&refusals, *config = untouched;
	char *error = NULL;
	int r = config_load_text(text, strlen(text), "c.yaml", &config, &error);

	if (r == 0)
		fail_msg("accepted in spite of: %s", expected);
	assert_int_equal(r, -EINVAL);
	assert_ptr_equal(config, untouched);
	assert_non_null(error);
	if (strncmp(error, expected, strlen(expected)) != 0)
		fail_msg("reported\n  %s\nnot\n  %s", error, expected);
	assert_true(error[strlen(error) - 1] != '\n');
	free(error);
}

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++)
		assert_refused(refusals[i].text, refusals[i].error);
}

/* All the problems of a step of reading come at once, in the order of the lines. */
static void test_all_problems(void **state)
{
	(void)state;
	assert_refused("tick_ms: x\ninterfaces: [eth0]\nservices:\n  - nam: web\n    protocol: sctp\n",
		       "c.yaml:1: tick_ms: \"x\" is not a whole number from 10 to 60000 (time from one look at the "
		       "counters "
		       "to the next)\n"
		       "c.yaml:4: services[0].nam: is not a key (did you mean name?)\n"
		       "c.yaml:4: services[0].name: is missing (the service's name: a-z, 0-9, '.', '_', '-')\n"
		       "c.yaml:4: services[0].vip: is missing (the address clients use: ADDR:PORT, an IPv6 ADDR in "
		       "brackets, "
		       "quoted)\n"
		       "c.yaml:4: services[0].baseline: is missing (the version that serves until another is "
		       "promoted)\n"
		       "c.yaml:4: services[0].versions: is missing (the versions, the baseline among them)\n"
		       "c.yaml:5: services[0].protocol: \"sctp\" is not a choice (write tcp or udp)");
}

static void test_many_problems(void **state)
{
	struct config *config;
	char *text = NULL, *error = NULL;
	size_t size, lines = 1;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	for (int i = 0; i < 1000; i++)
		fprintf(out, "unknown%d: 1\n", i);
	fclose(out);
	assert_int_equal(config_load_text(text, size, "c.yaml", &config, &error), -EINVAL);
	for (const char *c = error; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 51);
	assert_non_null(strstr(error, "\n… and 952 more"));
	free(error);
	free(text);
}

static void test_too_many(void **state)
{
	struct config *config;
	char *text = NULL, *error = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	fprintf(out, "%s    versions:\n      - name: v1\n        backends: [", HEAD);
	for (int i = 0; i <= CONFIG_BACKENDS_MAX; i++)
		fprintf(out, "%s10.0.%d.%d:80", i ? ", " : "", i / 200, i % 200);
	fprintf(out, "]\n");
	fclose(out);
	assert_int_equal(config_load_text(text, size, "c.yaml", &config, &error), -EINVAL);
	assert_string_equal(error, "c.yaml:8: services[0].versions[0].backends: has 4097 elements (at most 4096 are "
				   "possible)");
	free(error);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_all_problems),
		cmocka_unit_test(test_many_problems),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("config_refused", tests, NULL, NULL);
}
