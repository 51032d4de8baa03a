import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withDaemon } from '../support/brief-daemon.js';
import { type Daemon, type DaemonFolders, MAIN, startDaemon, TOKEN } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { startTraceReceiver, type TraceReceiver } from '../support/trace-receiver.js';
import { connect } from '../support/wire-client.js';

const SECRET = 'a-secret-of-the-receiver';
let receiver: TraceReceiver;
let api: ScriptedApi;

beforeAll(async () => {
  receiver = await startTraceReceiver();
  api = await startScriptedApi();
});
afterAll(async () => {
  await receiver.close();
  await api.close();
});

/** A turn from its prompt to its end. */
async function takeTurn(daemon: Daemon, text: string): Promise<void> {
  const client = await connect(daemon);
  await client.request('streamStart', { prompt: scenario({ text }), workingDirectory: daemon.project() });
  const { data } = await client.waitFor('streamComplete');
  expect(data).toMatchObject({ subtype: 'success', finalResult: text });
  await client.close();
}

async function withTracedDaemon(
  environment: Record<string, string>,
  run: (daemon: Daemon, log: () => string) => Promise<void>,
): Promise<void> {
  const daemon = await startDaemon({ apiUrl: api.url, environment: { OTEL_BSP_SCHEDULE_DELAY: '10', ...environment } });
  const log = () => readFileSync(join(daemon.home, 'logs/companion.log'), 'utf8');
  try {
    await run(daemon, log);
  } finally {
    await daemon.stop();
  }
}

describe('without OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  const loadedBy = async (environment: Record<string, string>) => {
    let loaded = '';
    const preload = join(import.meta.dirname, '../support/loaded-modules.mjs');
    const file = ({ base }: DaemonFolders) => join(base, 'loaded');
    const prepare = (folders: DaemonFolders) => ({
      NODE_OPTIONS: `--import ${preload}`,
      LOADED_MODULES: file(folders),
      ...environment,
    });
    await withDaemon({ prepare }, async (daemon) => {
      const url = await daemon.ready;
      const headers = { authorization: `Bearer ${TOKEN}`, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
      // Its counters come from a package that depends on OpenTelemetry.
      expect((await fetch(`${url}/metrics`, { headers })).status).toBe(200);
      expect((await fetch(`${url}/api/sessions/bulk`, { method: 'POST', headers, body: '' })).status).toBe(400);
      daemon.kill('SIGTERM');
      expect(await daemon.exited).toBe(0);
      loaded = readFileSync(file(daemon.folders), 'utf8');
    });
    return loaded.split('\n');
  };
  const ofTraces = (modules: string[]) => modules.filter((address) => /opentelemetry/i.test(address));

  test('no code of OpenTelemetry is loaded', async () => {
    const loaded = await loadedBy({});
    expect(loaded).toEqual(
      expect.arrayContaining([/daemon\.js$/, /better-sqlite3/].map((one) => expect.stringMatching(one))),
    );
    expect(ofTraces(loaded)).toEqual([]);
    // Nor has the bundle any of it.
    const bundle = readFileSync(join(MAIN, '../daemon.js'), 'utf8');
    expect([...new Set(bundle.match(/@opentelemetry\/[\w-]+/g))]).toEqual(['@opentelemetry/sdk-node']);
    expect(bundle).not.toContain('opentelemetry.js.api');
  });

  test('with it, it is', async () => {
    const loaded = await loadedBy({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    expect(ofTraces(loaded)).toContain('@opentelemetry/core');
  });
});

test('what has ended is sent before the daemon stops, as JSON where that is asked for, by a setting of config.json', async () => {
  const traceId = 'c'.repeat(32);
  await withDaemon(
    {
      file: { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/base/` },
      environment: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_SERVICE_NAME: 'mine', OTEL_LOG_LEVEL: 'debug' },
    },
    async (daemon) => {
      const url = await daemon.ready;
      const headers = { authorization: `Bearer ${TOKEN}`, traceparent: `00-${traceId}-${'b'.repeat(16)}-01` };
      expect((await fetch(`${url}/api/sessions/bulk`, { method: 'POST', headers, body: '' })).status).toBe(400);
      daemon.kill('SIGTERM');
      expect(await daemon.exited).toBe(0);
      expect(daemon.stdout).toHaveLength(1);
    },
  );
  const sent = receiver.exports.find(({ path }) => path === '/base/v1/traces');
  expect(sent?.headers['content-type']).toBe('application/json');
  expect(sent?.resource).toMatchObject({ 'service.name': 'mine' });
  expect(sent?.spans).toMatchObject([{ traceId, name: 'POST /api/sessions/bulk', parentSpanId: 'b'.repeat(16) }]);
});

describe('a receiver that', () => {
  const at = (url: string) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${SECRET}`,
  });

  test('hangs delays no turn and not the end of the daemon', async () => {
    receiver.answer(() => 'hang');
    const before = receiver.exports.length;
    await withTracedDaemon(at(receiver.url), async (daemon) => {
      await takeTurn(daemon, 'As always.');
      await daemon.until(() => receiver.exports.length > before);
      await takeTurn(daemon, 'Once more.');
      expect(await daemon.kill('SIGTERM')).toBe(0);
    });
  });

  test.each([
    ['refuses, and says what it was sent', () => ({ status: 400, body: `Bearer ${SECRET}` })],
    ['answers garbage', () => ({ status: 200, body: Buffer.alloc(5000, 255) })],
    ['is broken', () => ({ status: 503, body: SECRET })],
  ])('%s is a line in the log, without its words', async (_how, answer) => {
    receiver.answer(answer);
    const before = receiver.exports.length;
    await withTracedDaemon(at(receiver.url), async (daemon, log) => {
      for (const text of ['One.', 'Two.', 'Three.']) await takeTurn(daemon, text);
      await daemon.until(() => receiver.exports.length > before + 2);
      expect(receiver.exports.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      expect(await daemon.kill('SIGTERM')).toBe(0);
      const said = `${log()}${daemon.stderr()}${daemon.stdout()}`;
      expect(said).not.toContain(SECRET);
      const lines = log()
        .split('\n')
        .filter((line) => /traces cannot be sent|OpenTelemetry has a problem/.test(line));
      expect(lines.length).toBeLessThanOrEqual(2);
    });
  });

  test('is away is told once', async () => {
    await withTracedDaemon(at('http://127.0.0.1:9'), async (daemon, log) => {
      await takeTurn(daemon, 'Alone.');
      await daemon.kill('SIGTERM');
      expect(existsSync(join(daemon.home, 'logs'))).toBe(true);
      expect(log().match(/traces cannot be sent/g)?.length ?? 0).toBeLessThanOrEqual(1);
      expect(log()).not.toContain('unhandled');
    });
  });
});
