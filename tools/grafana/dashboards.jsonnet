// SPDX-License-Identifier: GPL-2.0-or-later
// The dashboards, all from here: `make dashboards` writes build/grafana/*.json, for Grafana 9 or later.
// A panel is a title, a unit and queries; where it stands follows from the order.

local datasource = { type: 'prometheus', uid: '${datasource}' };

// ---- panels ----

local target(query) = { datasource: datasource, expr: query[0], legendFormat: query[1] };

local panel(type, title, unit, queries, width, height=8, description='') = {
  type: type,
  title: title,
  description: description,
  datasource: datasource,
  targets: [target(queries[i]) + { refId: std.char(65 + i) } for i in std.range(0, std.length(queries) - 1)],
  fieldConfig: { defaults: { unit: unit }, overrides: [] },
  options: {},
  width:: width,
  height:: height,
};

local graph(title, unit, queries, width=12, description='') =
  panel('timeseries', title, unit, queries, width, description=description)
  { options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } } };

local number(title, unit, query, width=4, thresholds=[], description='') =
  panel('stat', title, unit, [[query, '']], width, 4, description)
  {
    fieldConfig+: { defaults+: { thresholds: {
      mode: 'absolute',
      steps: [{ color: if thresholds == [] then 'text' else thresholds[0], value: null }] +
             [{ color: t[1], value: t[0] } for t in thresholds[1:]],
    } } },
    options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value' },
  };

local states(title, query, width=12) =
  panel('state-timeline', title, 'none', [query], width, 6)
  { options: { showValue: 'never', legend: { displayMode: 'list', placement: 'bottom' } } };

local heatmap(title, family, match) =
  panel('heatmap', title, 's', [['sum by (le) (rate(%s_bucket{%s}[$__rate_interval]))' % [family, match], '{{le}}']], 12)
  {
    targets: [t { format: 'heatmap' } for t in super.targets],
    options: { calculate: false, yAxis: { unit: 's' }, color: { scheme: 'Oranges', mode: 'scheme' } },
  };

local table(title, query, width=12) =
  panel('table', title, 'short', [query], width)
  { targets: [t { format: 'table', instant: true } for t in super.targets] };

local note(title, text, width=12) =
  { type: 'text', title: title, options: { mode: 'markdown', content: text }, width:: width, height:: 4 };

// ---- queries ----

local S = 'service="$service"';
local rate(counter, by='version', match=S) = 'sum by (%s) (rate(%s{%s}[$__rate_interval]))' % [by, counter, match];
local failing(by='version') = '%s / (%s > 0)' % [rate('canaryd_failures_total', by), rate('canaryd_attempts_total', by)];
local quantile(q, family='canaryd_ttfb_seconds', by='version', match=S) =
  'histogram_quantile(%s, sum by (%s, le) (rate(%s_bucket{%s}[$__rate_interval])))' % [q, by, family, match];
local success(window) =
  '1 - sum(rate(canaryd_failures_total{%s}[%s])) / (sum(rate(canaryd_attempts_total{%s}[%s])) > 0)' % [S, window, S, window];

// ---- panels that several dashboards have ----

local split = graph('The split', 'percentunit', [
  ['max(canaryd_weight_wanted_ratio{%s})' % S, 'wanted'],
  ['max(canaryd_weight_applied_ratio{%s})' % S, 'applied'],
  ['max(canaryd_weight_measured_ratio{%s})' % S, 'measured'],
], description='the canary\'s share of new flows');
local rollout = states('Rollout', ['max by (state) (canaryd_rollout_state{%s}) > 0' % S, '{{state}}']);
local roles = table('Versions', ['canaryd_version_role{%s}' % S, '']);
local errors = graph('Failures', 'percentunit', [[failing(), '{{version}}']]);
local latency = graph('Time to first byte', 's', [[quantile(q), '{{version}} p%d' % (100 * q)] for q in [0.5, 0.95, 0.99]]);
local evidence = graph('Evidence against its bound', 'none', [
  ['max by (sli, direction) (canaryd_evidence{%s} / canaryd_evidence_bound{%s})' % [S, S], '{{sli}}: {{direction}}'],
], description='at 1 the indicator decides') { fieldConfig+: { defaults+: { custom: { scaleDistribution: { type: 'log', log: 10 } } } } };
local indicators = graph('Indicators', 'none', [['max by (sli, role, unit) (canaryd_sli_value{%s})' % S, '{{sli}} {{role}} ({{unit}})']],
                         description='of the last rollout: failures, latency, and what `slis:` names, such as orders, restarts, CPU, memory');
local decisions = graph('Decisions', 'short', [
  ['sum by (decision) (increase(canaryd_decisions_total{%s}[$__rate_interval]))' % S, '{{decision}}'],
]);
local breaker = number('Breaker', 'none', 'max(canaryd_breaker_tripped{%s})' % S, thresholds=['green', [1, 'red']],
                       description='1: tripped');

// ---- dashboards ----

// Left to right, as long as there is room in the row.
local place(panels) = std.foldl(
  function(at, p)
    local fits = at.x + p.width <= 24;
    local x = if fits then at.x else 0;
    local y = if fits then at.y else at.y + at.height;
    {
      x: x + p.width,
      y: y,
      height: if fits then std.max(at.height, p.height) else p.height,
      panels: at.panels + [p { id: std.length(at.panels) + 1, gridPos: { x: x, y: y, w: p.width, h: p.height } }],
    },
  panels,
  { x: 0, y: 0, height: 0, panels: [] },
).panels;

local dashboard(uid, title, range, panels) = {
  uid: uid,
  title: title,
  tags: ['canaryd'],
  schemaVersion: 37,
  editable: true,
  refresh: '10s',
  time: { from: 'now-' + range, to: 'now' },
  timezone: 'browser',
  templating: { list: [
    { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' },
    {
      name: 'service',
      type: 'query',
      label: 'Service',
      datasource: datasource,
      query: { query: 'label_values(canaryd_attempts_total, service)', refId: 'service' },
      refresh: 2,
    },
  ] },
  links: [{ title: 'canaryd', type: 'dashboards', tags: ['canaryd'], asDropdown: false, includeVars: true, keepTime: true }],
  panels: place(panels),
};

{
  'executive.json': dashboard('canaryd-executive', 'canaryd: releases', '7d', [
    number('Availability, 5 min', 'percentunit', success('5m'), thresholds=['red', [0.99, 'orange'], [0.999, 'green']]),
    number('Availability, 30 days', 'percentunit', success('30d'), thresholds=['red', [0.99, 'orange'], [0.999, 'green']]),
    number('Requests a second', 'reqps', 'sum(rate(canaryd_attempts_total{%s}[5m]))' % S),
    number('Canary\'s share', 'percentunit', 'max(canaryd_weight_applied_ratio{%s})' % S),
    number('Promoted', 'none', 'sum(increase(canaryd_decisions_total{%s, decision="promote"}[$__range]))' % S),
    number('Rolled back', 'none', 'sum(increase(canaryd_decisions_total{%s, decision="roll_back"}[$__range]))' % S),
    graph('Availability', 'percentunit', [
      ['service:canaryd_availability:ratio_rate5m{%s}' % S, '5 min'],
      ['service:canaryd_availability:ratio_rate1h{%s}' % S, '1 h'],
      ['vector($slo)', 'objective'],
    ], description='what was asked and succeeded'),
    graph('Requests', 'reqps', [[rate('canaryd_attempts_total'), '{{version}}']]),
    rollout,
    split,
    latency,
    indicators,
    roles,
    decisions,
  ]) + { templating+: { list+: [{
    name: 'slo',
    type: 'custom',
    label: 'Objective',
    query: '0.999, 0.99, 0.995, 0.9995, 0.9999',
    current: { text: '0.999', value: '0.999' },
  }] } },
  'oncall.json': dashboard('canaryd-oncall', 'canaryd: on call', '1h', [
    breaker,
    number('Alerts', 'none', 'sum(canaryd_alerts_firing{%s})' % S, thresholds=['green', [1, 'red']]),
    number('Lease left', 's', 'min(canaryd_lease_remaining_seconds)', thresholds=['red', [2, 'green']]),
    number('Backends out', 'none', 'count(canaryd_backend_usable{%s} == 0) or vector(0)' % S, thresholds=['green', [1, 'red']]),
    number('Restarts of canaryd', 'none', 'sum(changes(canaryd_started_timestamp_seconds[$__range]))'),
    number('Evidence against the canary', 'none', 'max(canaryd_rollback_evidence{%s} / canaryd_rollback_evidence_bound{%s})' % [S, S],
           thresholds=['green', [0.05, 'orange'], [1, 'red']], description='at 1 it is rolled back'),
    errors,
    graph('Failures by how', 'ops', [[rate('canaryd_failures_total', 'version, reason') + ' > 0', '{{version}}: {{reason}}']]),
    graph('Canary ÷ baseline, with 95 % interval', 'none', [
      ['max by (sli) (canaryd_sli_interval_low_ratio{%s})' % S, '{{sli}}: low'],
      ['max by (sli) (canaryd_sli_interval_high_ratio{%s})' % S, '{{sli}}: high'],
      ['max by (sli) (canaryd_sli_value{%s, role="canary"}) / max by (sli) (canaryd_sli_value{%s, role="baseline"} > 0)' % [S, S],
       '{{sli}}'],
    ]),
    latency,
    evidence,
    indicators,
    rollout,
    states('Held', ['max by (held) (canaryd_rollout_held{%s}) > 0' % S, '{{held}}']),
    split,
    decisions,
    graph('Error budget: times as fast as it allows', 'none', [['max by (role) (canaryd_burn_rate{%s})' % S, '{{role}}']]),
    graph('Went elsewhere', 'ops', [
      [rate('canaryd_rescued_total'), '{{version}}: rescued'],
      [rate('canaryd_diverted_total'), '{{version}}: diverted'],
      [rate('canaryd_over_capacity_total'), '{{version}}: over capacity'],
    ]),
    graph('Samples of failed and slow flows', 'ops', [
      [rate('canaryd_flow_samples_total', 'class'), '{{class}}'],
      [rate('canaryd_flow_samples_left_out_total', 'class'), '{{class}}: left out'],
    ], width=6),
    note('Which flows', 'Clients are in no metric. `canaryctl flows $service` and canaryd\'s own page have the last ones: what went ' +
                        'wrong, how long the client waited, version, backend, the client\'s network, the trace.', width=6),
    graph('canaryd: CPU', 'percentunit', [['rate(process_cpu_seconds_total{job=~"canaryd.*"}[$__rate_interval])', '{{instance}}']], width=6),
    graph('canaryd: memory', 'bytes', [
      ['process_resident_memory_bytes{job=~"canaryd.*"}', '{{instance}}'],
      ['sum by (instance) (canaryd_map_memory_bytes)', '{{instance}}: maps'],
    ], width=6),
  ]),
  'debug.json': dashboard('canaryd-debug', 'canaryd: debug', '1h', [
    graph('Requests by backend', 'reqps', [[rate('canaryd_backend_attempts_total', 'backend, version'), '{{backend}} ({{version}})']]),
    graph('Failures by backend and reason', 'ops', [
      [rate('canaryd_backend_failures_total', 'backend, reason') + ' > 0', '{{backend}}: {{reason}}'],
    ]),
    graph('p95 by backend', 's', [[quantile(0.95, 'canaryd_backend_ttfb_seconds', 'backend'), '{{backend}}']]),
    graph('Open flows by backend', 'short', [['sum by (backend) (canaryd_backend_active_flows{%s})' % S, '{{backend}}']]),
    table('Backends', ['canaryd_backend_state{%s} == 1' % S, '']),
    graph('Responses by class', 'reqps', [[rate('canaryd_responses_total', 'version, class') + ' > 0', '{{version}}: {{class}}']]),
    heatmap('Time to first byte, baseline', 'canaryd_ttfb_seconds',
            S + ', version=~"$baseline"'),
    heatmap('Time to first byte, canary', 'canaryd_ttfb_seconds', S + ', version=~"$canary"'),
    heatmap('Time to connect', 'canaryd_connect_seconds', S),
    graph('Time to connect', 's', [[quantile(q, 'canaryd_connect_seconds'), '{{version}} p%d' % (100 * q)] for q in [0.5, 0.99]]),
    graph('Retransmissions', 'percentunit', [
      ['%s / (%s > 0)' % [rate('canaryd_request_retransmits_total'), rate('canaryd_request_packets_total')], '{{version}}: requests'],
      ['%s / (%s > 0)' % [rate('canaryd_response_retransmits_total'), rate('canaryd_response_packets_total')], '{{version}}: responses'],
    ]),
    graph('TCP', 'ops', [
      [rate('canaryd_zero_windows_total'), '{{version}}: zero windows'],
      [rate('canaryd_rst_invalid_total'), '{{version}}: resets out of window'],
      [rate('canaryd_icmp_errors_total'), '{{version}}: ICMP errors'],
    ]),
    graph('Client aborts', 'ops', [[rate('canaryd_client_aborts_total', 'version, when'), '{{version}}: {{when}}']]),
    graph('Not understood', 'ops', [
      [rate('canaryd_lost_track_total'), '{{version}}: lost track'],
      [rate('canaryd_multiplexed_total'), '{{version}}: multiplexed'],
      ['max by (version) (canaryd_http_coverage_ratio{%s})' % S, '{{version}}: coverage of HTTP'],
    ]),
    graph('Packets not steered', 'pps', [['sum by (reason) (rate(canaryd_unsteered_packets_total[$__rate_interval]))', '{{reason}}']]),
    graph('Flow table', 'percentunit', [['canaryd_flow_table_entries / canaryd_flow_table_capacity', '{{instance}}']]),
    graph('Flow table, in and out', 'ops', [
      ['sum(rate(canaryd_flow_table_inserted_total[$__rate_interval]))', 'inserted'],
      ['sum(rate(canaryd_flow_table_removed_total[$__rate_interval]))', 'ended'],
      ['sum(rate(canaryd_flow_table_evicted_total[$__rate_interval]))', 'evicted'],
      ['sum(rate(canaryd_flow_table_probation_total[$__rate_interval]))', 'on probation'],
    ]),
    graph('Tick', 's', [
      [quantile(0.99, 'canaryd_tick_duration_seconds', 'instance', ''), '{{instance}}: p99'],
      ['canaryd_tick_interval_seconds', '{{instance}}: may take'],
    ]),
    graph('Memory of the maps', 'bytes', [['sum by (map) (canaryd_map_memory_bytes)', '{{map}}']]),
    table('Interfaces', ['canaryd_interface_info', '']),
    table('canaryd', ['canaryd_build_info', '']),
  ]) + { templating+: { list+: [
    {
      name: role,
      type: 'query',
      label: role,
      datasource: datasource,
      query: { query: 'label_values(canaryd_version_role{service="$service", role="%s"}, version)' % role, refId: role },
      refresh: 2,
    }
    for role in ['baseline', 'canary']
  ] } },
}
