/** Many readers, some of whom stop reading: they cost a bounded amount, and the others do not notice. */
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { connect } from '../../services/record/sqlite/sqlite-database.js';
import { countOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const CONNECTIONS = countOf({ full: 1000, fast: 100 });
const STALLED = CONNECTIONS / 10;
/** More than the system keeps for a connection that is not read. */
const EVENTS = 40;
const EVENT_BYTES = 200_000;
const MOST_BYTES = 1.25 * 1024 * 1024;

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

/** A reader that keeps no more than the seqs it has seen. */
class Reader {
  readonly seqs: number[] = [];
  closed: number | undefined;
  readonly #socket: WebSocket;

  constructor(index: number) {
    this.#socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws?deviceId=reader-${index}`, {
      // What is sent has to wait somewhere.
      perMessageDeflate: false,
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    this.#socket.on('message', (bytes: Buffer) => {
      const seq = /"seq":(\d+),"epoch"/.exec(bytes.subarray(0, 400).toString('latin1'))?.[1];
      if (seq !== undefined) this.seqs.push(Number(seq));
    });
    this.#socket.on('close', (code) => {
      this.closed = code;
    });
  }

  async subscribe(sessionId: string): Promise<void> {
    if (this.#socket.readyState === WebSocket.CONNECTING) await once(this.#socket, 'open');
    const data = { events: ['*'], sessionIds: [sessionId] };
    this.#socket.send(JSON.stringify({ type: 'subscribe', requestId: 's', data }));
    await new Promise<void>((resolve) => {
      const look = (bytes: Buffer) => {
        if (!bytes.toString().includes('"caughtUp"')) return;
        this.#socket.off('message', look);
        resolve();
      };
      this.#socket.on('message', look);
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.terminate();
  }
}

/** Rows of the session and of its events. */
function rowsOf(sessionId: string): number {
  const database = connect(join(world.daemon.home, 'journal.db'));
  try {
    const count = (table: string) =>
      database.prepare<[string], number>(`SELECT COUNT(*) FROM ${table} WHERE session_id = ?`).pluck().get(sessionId);
    return (count('sessions') ?? 0) + (count('events') ?? 0);
  } finally {
    database.close();
  }
}

const unsentBytes = async (): Promise<number> => {
  const text = await (await world.daemon.fetch('/metrics')).text();
  return Number(/^companion_unsent_bytes (\d+)$/m.exec(text)?.[1]);
};

const isIdle = ({ type, data }: Frame) => type === 'sessionStatus' && data.status === 'idle';

describe('D5: stalled readers', () => {
  test(`${STALLED} of ${CONNECTIONS} connections stop reading: the others get everything, in order, and memory is bounded`, async () => {
    const author = await world.connect();
    const workingDirectory = world.daemon.project();
    const { sessionId } = (await author.request('streamStart', { prompt: '', workingDirectory })).data;
    const ready = await author.waitFor(isIdle);
    const readers = Array.from({ length: CONNECTIONS }, (_, index) => new Reader(index));
    await Promise.all(readers.map((reader) => reader.subscribe(sessionId)));
    const [stalled, healthy] = [readers.slice(0, STALLED), readers.slice(STALLED)];
    for (const reader of stalled) reader.pause();
    const acts = [...Array.from({ length: EVENTS }, () => ({ bigResult: EVENT_BYTES })), { result: 'done' }];
    await author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
    const idle = await author.waitFor((frame) => isIdle(frame) && (frame.seq ?? 0) > EVENTS);
    const [from, head] = [ready.seq ?? 0, idle.seq ?? 0];
    const all = Array.from({ length: head - from }, (_, index) => from + 1 + index);
    await world.daemon.until(() => healthy.every(({ seqs }) => seqs.at(-1) === head));
    for (const { seqs } of healthy) expect(seqs).toEqual(all);
    const unsent = await unsentBytes();
    expect(unsent).toBeGreaterThan(STALLED * EVENT_BYTES);
    expect(unsent).toBeLessThanOrEqual(STALLED * MOST_BYTES);
    for (const reader of stalled) reader.resume();
    await world.daemon.until(() => stalled.every(({ seqs }) => seqs.at(-1) === head));
    for (const { seqs, closed } of stalled) expect({ seqs, closed }).toEqual({ seqs: all, closed: undefined });
    for (const reader of readers) reader.end();
  });

  /** A session that has said more than a reader took which has stopped reading. */
  async function unread(index: number) {
    const author = await world.connect();
    const workingDirectory = world.daemon.project();
    const { sessionId } = (await author.request('streamStart', { prompt: '', workingDirectory })).data;
    await author.waitFor((frame) => isIdle(frame) && frame.sessionId === sessionId);
    const reader = new Reader(index);
    await reader.subscribe(sessionId);
    reader.pause();
    const acts = [...Array.from({ length: EVENTS }, () => ({ bigResult: EVENT_BYTES })), { result: 'done' }];
    await author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
    await author.waitFor((frame) => isIdle(frame) && (frame.seq ?? 0) > EVENTS && frame.sessionId === sessionId);
    return { author, reader, sessionId, workingDirectory };
  }

  const purge = async (sessionId: string) => {
    await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    const isGone = async () => (await world.daemon.fetch(`/api/sessions/${sessionId}`)).status === 404;
    await waitUntil('it is found no more', isGone);
  };

  test('H3: a reader that resumes too late does not delay a purge: its stream ends, and the connection stays open', async () => {
    const { author, reader, sessionId } = await unread(CONNECTIONS + 1);
    await purge(sessionId);
    expect(rowsOf(sessionId)).toBeGreaterThan(EVENTS);
    await waitUntil('no row is left', () => rowsOf(sessionId) === 0);
    const head = author.events(sessionId).at(-1)?.seq ?? 0;
    const other = (await author.request('streamStart', { prompt: 'more', workingDirectory: world.daemon.project() }))
      .data;
    reader.resume();
    await reader.subscribe(other.sessionId);
    expect(reader.seqs).not.toContain(head);
    expect(reader.closed).toBeUndefined();
    reader.end();
  });

  test('H3: a purge is finished by the next daemon where the one that was asked for it dies before', async () => {
    const { reader, sessionId, workingDirectory } = await unread(CONNECTIONS + 2);
    await purge(sessionId);
    await world.daemon.kill('SIGKILL');
    expect(rowsOf(sessionId)).toBeGreaterThan(EVENTS);
    reader.end();
    await world.daemon.start();
    await waitUntil('no row is left', () => rowsOf(sessionId) === 0);
    const author = await world.connect();
    const started = await author.request('streamStart', { prompt: '', workingDirectory });
    expect(started.data).toMatchObject({ reused: false });
    expect(started.data.sessionId).not.toBe(sessionId);
  });

  test('H3: a reader that lags when its session is purged still gets every event up to `closed`, in order', async () => {
    const author = await world.connect();
    const { sessionId } = (
      await author.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() })
    ).data;
    const ready = await author.waitFor((frame) => isIdle(frame) && frame.sessionId === sessionId);
    const reader = new Reader(CONNECTIONS);
    await reader.subscribe(sessionId);
    reader.pause();
    const acts = [...Array.from({ length: EVENTS }, () => ({ bigResult: EVENT_BYTES })), { result: 'done' }];
    await author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
    await author.waitFor((frame) => isIdle(frame) && (frame.seq ?? 0) > EVENTS && frame.sessionId === sessionId);
    await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    await waitUntil(
      'it is forgotten',
      async () => (await world.daemon.fetch(`/api/sessions/${sessionId}`)).status === 404,
    );
    const head = author.events(sessionId).at(-1)?.seq ?? 0;
    expect(author.events(sessionId).at(-1)?.data).toMatchObject({ status: 'closed', reason: 'purged' });
    expect(reader.seqs.at(-1) ?? 0).toBeLessThan(head);
    reader.resume();
    await world.daemon.until(() => reader.seqs.at(-1) === head);
    const from = ready.seq ?? 0;
    expect(reader.seqs).toEqual(Array.from({ length: head - from }, (_, index) => from + 1 + index));
    reader.end();
  });
});
