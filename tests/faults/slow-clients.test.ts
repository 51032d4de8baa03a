/** Clients that hold connections and never come to the point: others do not notice, and the daemon lets go of them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createCertificate } from '../support/certificate.js';
import { countOf } from '../support/counts.js';
import { type Daemon, startDaemon, TOKEN } from '../support/daemon.js';
import { socketsOf } from '../support/descriptors.js';
import { hurryServers } from '../support/hurry.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { residentOf } from './support/memory.js';

const HELD = countOf({ full: 10_000, fast: 1000 });
/** Whose requests cost more than their connections. */
const GREEDY = countOf({ full: 20, fast: 5 });
/** More than the system keeps for a connection that is not read. */
const LARGE_BYTES = 10_000_000;
const ROUNDS = countOf({ full: 4, fast: 1 });
const MOST_MS = countOf({ full: 3_600_000, fast: 120_000 });
/** What each connection may cost the daemon, and what all of them may make it hold besides. */
const EACH_BYTES = 50 * 1024;
const BESIDES_BYTES = 100 * 1024 * 1024;
/** What a process of clients can hold within the descriptors that it usually has. */
const PER_PROCESS = 4000;
/** The seconds of the contract pass this much faster in the fast cut. */
const FASTER = countOf({ full: 1, fast: 10 });
/** Often enough that a time-out for silence would not end it. */
const DRIP_MS = 1000 / FASTER;
const SCRIPT = join(import.meta.dirname, 'support/slow-clients.mjs');

const PLAIN = [
  'silent',
  'half of an upgrade',
  'a header that drips',
  'a body that drips, to log in with',
  'a body that drips, for nothing',
  'a body that drips, from a host of others',
  'a body that drips, in a preflight',
];
const BEHIND_TLS = [
  'silent',
  'half of a hello',
  'a hello that drips',
  'silent behind a handshake',
  'a header that drips behind a handshake',
];

const world = useWorld({ environment: hurryServers(FASTER) });

const attackers: ChildProcess[] = [];
afterEach(() => {
  for (const attacker of attackers.splice(0)) attacker.kill('SIGKILL');
});

const held = ({ pid }: Daemon) => socketsOf(pid);

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');

/** Whether the daemon's end of a connection is open: `st` of proc_pid_net(5) is 01. */
const hasConnection = ({ from, to }: { from: number; to: number }) =>
  new RegExp(`:${hex(to)} \\w+:${hex(from)} 01 `).test(readFileSync('/proc/net/tcp', 'utf8'));

const mostBytes = ({ pid }: Daemon) => residentOf(pid) + BESIDES_BYTES + HELD * EACH_BYTES;

interface Attack {
  /** Resolves when each of the connections has been cut, and there is another in its place. */
  round(): Promise<unknown>;
  /** Opens no others; resolves when the daemon has cut all that there are. */
  end(): Promise<unknown>;
}

function attack(daemon: Daemon, kinds: readonly string[], count: number): Attack {
  const processes = Math.ceil(count / PER_PROCESS);
  const each = String(Math.ceil(count / processes / kinds.length));
  const started = Array.from({ length: processes }, () =>
    fork(SCRIPT, [new URL(daemon.url).port, each, String(DRIP_MS), ...kinds], { execArgv: [] }),
  );
  attackers.push(...started);
  const all = (event: string) => Promise.all(started.map((attacker) => told(attacker, event)));
  return {
    round: () => all('round'),
    end: () => {
      for (const attacker of started) attacker.send('stop');
      return all('all cut');
    },
  };
}

async function told(attacker: ChildProcess, wanted: string): Promise<void> {
  for (;;) {
    const [{ event }] = (await once(attacker, 'message')) as [{ event: string }];
    if (event === wanted) return;
  }
}

/** Somebody who comes while others hold their connections, and is served to the end. */
async function converse(daemon: Daemon, ca?: string): Promise<void> {
  const client = await connect(daemon, ca === undefined ? {} : { ca });
  const prompt = scenario({ text: 'Here I am.' });
  await client.request('streamStart', { prompt, workingDirectory: daemon.project('talk') });
  expect((await client.waitFor('streamComplete')).data).toMatchObject({ finalResult: 'Here I am.' });
  await client.close();
}

describe('slow clients', () => {
  test(
    `S1: ${HELD} hold connections in every way: whoever comes is served, and all are let go of`,
    async () => {
      const { daemon } = world;
      await converse(daemon);
      const before = held(daemon);
      const most = mostBytes(daemon);
      const attacking = attack(daemon, PLAIN, HELD);
      for (let round = 0; round < ROUNDS; round += 1) {
        await attacking.round();
        await waitUntil('they hold connections again', () => held(daemon) > before + HELD / 2);
        expect(residentOf(daemon.pid)).toBeLessThan(most);
        await converse(daemon);
      }
      await attacking.end();
      await waitUntil('they are let go of', () => held(daemon) < before + 10);
    },
    MOST_MS,
  );

  test(
    `S1: ${HELD} hold connections before, in and behind the handshake of TLS`,
    async () => {
      const { certificate, key } = createCertificate(['127.0.0.1']);
      const daemon = await startDaemon({
        apiUrl: world.api.url,
        environment: hurryServers(FASTER),
        command: async ({ base }) => {
          writeFileSync(join(base, 'certificate.pem'), certificate);
          writeFileSync(join(base, 'key.pem'), key, { mode: 0o600 });
          return ['env', `TLS_CERT_FILE=${base}/certificate.pem`, `TLS_KEY_FILE=${base}/key.pem`];
        },
      });
      try {
        await converse(daemon, certificate);
        const before = held(daemon);
        const most = mostBytes(daemon);
        const attacking = attack(daemon, BEHIND_TLS, HELD);
        await attacking.round();
        await waitUntil('they hold connections again', () => held(daemon) > before + HELD / 2);
        await converse(daemon, certificate);
        expect(residentOf(daemon.pid)).toBeLessThan(most);
        await attacking.end();
        await waitUntil('they are let go of', () => held(daemon) < before + 10);
      } finally {
        await daemon.stop();
      }
    },
    MOST_MS,
  );

  test(
    `S1: ${GREEDY} that ask thousands of times at once are cut, and others are answered in between`,
    async () => {
      const { daemon } = world;
      const before = held(daemon);
      const attacking = attack(daemon, ['asks and asks'], GREEDY);
      await attacking.round();
      await converse(daemon);
      await attacking.round();
      await attacking.end();
      await waitUntil('they are let go of', () => held(daemon) < before + 10);
    },
    MOST_MS,
  );

  test(
    'who asks for much and does not read it is let go of, too',
    async () => {
      // Two minutes, of a contract that has nothing to do with how many there are.
      const daemon = await startDaemon({ apiUrl: world.api.url, environment: hurryServers(20) });
      try {
        const client = await connect(daemon);
        const workingDirectory = daemon.project('large');
        writeFileSync(join(workingDirectory, 'large.txt'), 'x'.repeat(LARGE_BYTES));
        const { data } = await client.request('streamStart', { prompt: '', workingDirectory });
        const path = `/api/sessions/${data.sessionId}/files/large.txt`;
        const { hostname, port } = new URL(daemon.url);
        const deaf = createConnection(Number(port), hostname);
        await once(deaf, 'connect');
        deaf.pause();
        deaf.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
        const isHeld = () => hasConnection({ from: Number(deaf.localPort), to: Number(port) });
        await waitUntil('it is held', isHeld);
        await waitUntil('it is let go of', () => !isHeld());
        // What the system has kept of the answer, and not all of it.
        let bytes = 0;
        deaf
          .on('error', () => {})
          .on('data', (chunk: Buffer) => {
            bytes += chunk.length;
          });
        deaf.resume();
        await once(deaf, 'close');
        expect(bytes).toBeGreaterThan(0);
        expect(bytes).toBeLessThan(LARGE_BYTES);
        client.terminate();
      } finally {
        await daemon.stop();
      }
    },
    MOST_MS,
  );
});
