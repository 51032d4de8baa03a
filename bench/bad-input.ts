/** Bad input over HTTP, of each kind: how long it takes until it is refused, beside a good small request of the same moment. */
import { TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const MOST_P99_MS = 10;
const WARM_UP = 20;
const MIB = 1024 * 1024;

interface Bad {
  kind: string;
  method?: string;
  /** Behind that of the session. */
  path?: string;
  body?: string;
  headers?: Record<string, string>;
  status?: number;
}

const twice = (count: number) => {
  const members = Array.from({ length: count }, (_, at) => `"k${at}":1`);
  return `{${[...members, '"k0":2'].join(',')}}`;
};

const KINDS: Bad[] = [
  { kind: 'a number out of bounds', path: '/messages?limit=201' },
  { kind: 'no JSON', method: 'PATCH', body: `{"context":"${'x'.repeat(MIB / 2)}` },
  { kind: 'too deep', method: 'PATCH', body: `{"metadata":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}` },
  { kind: 'too many brackets', method: 'PATCH', body: `{"x":[${'[],'.repeat(300_000)}[]]}` },
  { kind: 'too large', method: 'PATCH', body: `{"context":"${'x'.repeat(MIB)}"}`, status: 413 },
  { kind: 'a key twice', method: 'PATCH', body: '{"tag":"a","tag":"b"}' },
  { kind: 'a key twice among 20,000', method: 'PATCH', body: twice(20_000) },
  { kind: 'a glob that explodes', path: `/files?recursive=true&pattern=${'{a,b}'.repeat(25)}` },
  { kind: 'a range that cannot be', path: '/files/a.txt?raw=true', headers: { range: 'bytes=99-' }, status: 416 },
  { kind: 'a position that is none', path: '/stream', headers: { 'last-event-id': 'x' } },
  { kind: 'a cursor that is none', path: '/prompts?cursor=x' },
];

export const badInput: Bench = {
  name: 'bad-input',
  run: async ({ quick }) => {
    const most = '1000000';
    const stage = await setStage({ binary: FAKE_CLI, environment: { LIMIT_READS: most, LIMIT_FILES: most } });
    try {
      const url = await prepare(stage);
      const rows: Row[] = [];
      for (const bad of KINDS) rows.push(await measure(url, bad, quick ? 100 : 1000));
      return rows;
    } finally {
      await stage.close();
    }
  },
};

const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

/** The address of a session with a file. */
async function prepare({ daemon }: Stage): Promise<string> {
  const send = (path: string, body: object) =>
    fetch(`${daemon.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers: HEADERS });
  const opened = await send('/api/sessions', { workingDirectory: daemon.project() });
  const { id } = (await opened.json()) as { id: string };
  await send(`/api/sessions/${id}/files/a.txt`, { content: 'a' });
  return `${daemon.url}/api/sessions/${id}`;
}

async function measure(url: string, bad: Bad, rounds: number): Promise<Row> {
  const { kind, method = 'GET', path = '', body, headers, status = 400 } = bad;
  const init = { method, headers: { ...HEADERS, ...headers }, ...(body !== undefined && { body }) };
  const [times, good]: number[][] = [[], []];
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    const refused = await timed(`${url}${path}`, init, status);
    const taken = await timed(`${url}/queue`, { headers: HEADERS }, 200);
    if (round < WARM_UP) continue;
    times?.push(refused);
    good?.push(taken);
  }
  const [found, reference] = [distributionOf(times ?? []), distributionOf(good ?? [])];
  return {
    figure: `refused: ${kind}`,
    goal: `p99 < ${MOST_P99_MS} ms`,
    measured: inMs(found),
    reference: `${inMs(reference)} of a small answer`,
    ratio: found.p99 / reference.p99,
    met: found.p99 < MOST_P99_MS,
  };
}

async function timed(url: string, init: RequestInit, status: number): Promise<number> {
  const began = now();
  const response = await fetch(url, init);
  await response.text();
  if (response.status !== status) throw new Error(`${url} was answered ${response.status} in place of ${status}`);
  return now() - began;
}
