/** Answers that nobody reads, and bodies that do not come to an end: they cost little, and nobody else notices. */
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { descriptorsOf } from '../support/descriptors.js';
import { hurryServers } from '../support/hurry.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld, type World } from '../support/world.js';
import { residentOf } from './support/memory.js';

const MIB = 1024 * 1024;
const LEAVERS = countOf({ full: 2000, fast: 100 });
const LEAVERS_APART_MS = 5;
const READERS = countOf({ full: 95, fast: 60 });
const FILE_BYTES = 10 * MIB;
/** Before: 40 to 90 MiB for each. A piece of what is read and of what is sent is some hundred KiB. */
const MOST_BYTES_EACH = 2 * MIB;

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Sends a head, and what is given of a body. `head` resolves with the first of the answer; nothing more is read. */
async function ask(world: World, line: string, { headers = {}, body = '' }: Asked = {}) {
  const { port } = new URL(world.daemon.url);
  const socket = connect(Number(port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  const all = { host: '127.0.0.1', authorization: `Bearer ${TOKEN}`, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n${body}`);
  const head = once(socket, 'data').then(([bytes]) => {
    socket.pause();
    return (bytes as Buffer).toString('latin1').slice(0, 2000);
  });
  head.catch(() => {});
  return { socket, head };
}

interface Asked {
  headers?: Record<string, string>;
  body?: string;
}

const statusOf = (head: string) => Number(head.split(' ')[1]);

async function openSession(world: World): Promise<{ id: string; directory: string }> {
  const directory = world.daemon.project();
  const body = JSON.stringify({ workingDirectory: directory });
  const headers = { 'content-type': 'application/json' };
  const { id } = (await (await world.daemon.fetch('/api/sessions', { method: 'POST', body, headers })).json()) as {
    id: string;
  };
  return { id, directory };
}

const CLI = { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') };

describe('a daemon with readers who do not read', () => {
  const world = useWorld({ environment: CLI });
  let files: string;

  beforeAll(async () => {
    const { id, directory } = await openSession(world);
    files = `/api/sessions/${id}/files`;
    const path = join(directory, 'large.bin');
    writeFileSync(path, Buffer.alloc(3, 0xff));
    truncateSync(path, FILE_BYTES);
    writeFileSync(join(directory, 'large.txt'), 'äöü "\\\n'.repeat(FILE_BYTES / 10));
    // What the first answers need is no cost of a reader.
    for (const name of ['large.bin', 'large.txt']) await (await world.daemon.fetch(`${files}/${name}`)).arrayBuffer();
  });

  const live = async () => (await fetch(`${world.daemon.url}/live`)).status;

  test(`holds a piece for each of ${READERS} who asked for 10 MiB, and answers others`, async () => {
    const before = residentOf(world.daemon.pid);
    const asked = await Promise.all(
      Array.from({ length: READERS }, (_, index) =>
        ask(world, `GET ${files}/large.${index % 2 === 0 ? 'bin' : 'txt'}`),
      ),
    );
    expect(await live()).toBe(200);
    const heads = await Promise.all(asked.map(({ head }) => head));
    expect(heads.map(statusOf)).toEqual(heads.map(() => 200));
    expect(await live()).toBe(200);
    const grown = residentOf(world.daemon.pid) - before;
    expect(grown / READERS).toBeLessThan(MOST_BYTES_EACH);
  }, 60_000);

  test('refuses those who are too many with RATE_LIMITED, and takes them when others have gone', async () => {
    const many = await Promise.all(Array.from({ length: 140 }, () => ask(world, `GET ${files}/large.bin`)));
    const statuses = (await Promise.all(many.map(({ head }) => head))).map(statusOf);
    const refused = await world.daemon.fetch(`${files}/large.bin`);
    expect(statuses).toContain(200);
    expect(statuses).toContain(429);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({
      error: { code: 'RATE_LIMITED', details: { field: 'body', rule: expect.stringContaining('of one person') } },
    });
    for (const { socket } of many) socket.destroy();
    await waitUntil('there is room', async () => (await world.daemon.fetch(`${files}/large.bin`)).status === 200);
  }, 60_000);

  test('reads no more bodies at a time than it has room for', async () => {
    const headers = { 'content-type': 'application/json', 'content-length': String(11 * MIB) };
    const begun = () => ask(world, `PUT ${files}/new.txt`, { headers, body: '{"content":"' });
    await begun();
    await begun();
    await waitUntil('two are being read', async () => {
      const { head, socket } = await begun();
      const answered = await Promise.race([head.then(statusOf), live()]);
      if (answered !== 429) socket.destroy();
      return answered === 429;
    });
    const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const { head } = await ask(world, `PUT ${files}/other.txt`, { headers: chunked, body: '1\r\n{\r\n' });
    expect(statusOf(await head)).toBe(429);
    const small = { method: 'PUT', body: '{"content":"small"}', headers: { 'content-type': 'application/json' } };
    expect((await world.daemon.fetch(`${files}/small.txt`, small)).status).toBe(201);
  });
});

describe('clients who leave in the middle of a request', () => {
  const world = useWorld({ environment: CLI });

  test('do not stop the daemon, at any moment', async () => {
    const { id } = await openSession(world);
    const { pid } = world.daemon;
    const headers = { 'content-type': 'application/json', 'content-length': String(11 * MIB) };
    await Promise.all(
      Array.from({ length: LEAVERS }, async (_, index) => {
        await delay(index * LEAVERS_APART_MS);
        const method = index % 3 === 0 ? 'DELETE' : 'PUT';
        const line = `${method} /api/sessions/${id}/files/new.txt`;
        const { socket } = await ask(world, line, { headers, body: '{"content":"' });
        await delay((index % 20) / 2);
        socket.destroy();
      }),
    );
    expect((await world.daemon.fetch('/health')).status).toBe(200);
    expect(isAlive(pid)).toBe(true);
  }, 60_000);
});

describe('a daemon whose patience is short', () => {
  const world = useWorld({ environment: { ...CLI, ...hurryServers(20) } });

  test('cuts off an answer that is not read, and frees its room', async () => {
    const { id, directory } = await openSession(world);
    const path = join(directory, 'large.txt');
    // In JSON six times as much, and more than the system keeps for a connection.
    writeFileSync(path, '\u0001'.repeat(FILE_BYTES));
    const { socket, head } = await ask(world, `GET /api/sessions/${id}/files/large.txt`);
    expect(statusOf(await head)).toBe(200);
    await waitUntil('the daemon has given up', () => !descriptorsOf(world.daemon.pid).includes(path));
    socket.resume();
    await once(socket, 'close');
    expect(socket.bytesRead).toBeLessThan(6 * FILE_BYTES);
  }, 60_000);
});
