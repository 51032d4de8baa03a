/** The dashboard in `docs/grafana`: every query is of a metric and a label that there are, and every metric is shown. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Metrics, type Readings } from '../../services/telemetry/metrics.js';

interface Panel {
  id: number;
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string; legendFormat: string }[];
}

const path = join(import.meta.dirname, '../../docs/grafana/claude-companion.json');
const { panels } = JSON.parse(readFileSync(path, 'utf8')) as { panels: Panel[] };
const queries = panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));

const nothing = new Proxy({}, { get: () => () => 0 }) as Readings;
const metrics = new Metrics({ version: '1', readings: nothing });
metrics.countFrames(() => ({ sent: 0, received: 0, failed: 0 }));
metrics.spent({ model: 'm', cost: 1, usage: { input_tokens: 1 } });
metrics.mcpCall('s');
const text = await metrics.text();
metrics.close();

/** Of each metric its labels, besides the one that Prometheus adds. */
const labels = new Map<string, Set<string>>();
for (const [, name = ''] of text.matchAll(/^# TYPE (\w+) /gm)) labels.set(name, new Set(['instance']));
for (const [, name = '', given = ''] of text.matchAll(/^(\w+)\{(.*)\}/gm)) {
  const known = labels.get(name) ?? labels.get(plain(name));
  for (const [, label = ''] of given.matchAll(/(\w+)="/g)) known?.add(label);
}
// Those that have no value yet.
for (const { name = '', labelNames = [] } of Object.values(metrics) as { name?: string; labelNames?: string[] }[]) {
  for (const label of labelNames) labels.get(name)?.add(label);
}

function plain(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}

const metricsIn = (expr: string) => [...expr.matchAll(/companion_\w+/g)].map(([name]) => plain(name));

test.each(queries)('$title, $refId: is of metrics and labels that there are', ({ expr, legendFormat }) => {
  const names = metricsIn(expr);
  expect(names.length).toBeGreaterThan(0);
  const known = new Set(names.flatMap((name) => [...(labels.get(name) ?? ['no such metric'])]));
  expect(known).not.toContain('no such metric');
  const by = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));
  const selected = [...expr.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label = '']) => label);
  const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
  const used = [...by, ...selected, ...shown].filter((label) => label !== 'le');
  expect(used.filter((label) => !known.has(label))).toEqual([]);
  // What is shown of a sum must be what it is summed by.
  if (by.length > 0) expect(shown.filter((label) => !by.includes(label))).toEqual([]);
});

test('every metric is shown', () => {
  const shown = new Set(queries.flatMap(({ expr }) => metricsIn(expr)));
  expect([...labels.keys()].filter((name) => !shown.has(name))).toEqual([]);
});

test('panels have ids of their own, and lie beside each other', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
});
