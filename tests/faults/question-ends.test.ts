/** How `ask` without a directory ends, and that nothing of it is left. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { addUser, askLocally, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { MAX_PROCESSES: '1', CLAUDE_ALLOWED_TOOLS: 'Bash' } });

const folder = () => join(world.daemon.home, 'ask');
const folders = (): string[] => (existsSync(folder()) ? readdirSync(folder()) : []);
const processes = (): number[] => folders().flatMap((id) => world.daemon.sessionProcesses(`ask-${id}`));

let seconds = 1_000_000 + (process.pid % 500) * 1000;
/** A `sleep` that no other test has, so that it can be found without a marker. */
const aSleep = () => {
  seconds += 1;
  return `sleep ${seconds}`;
};

/** Pids of live processes with exactly this command line. */
const running = (command: string): string[] => readdirSync('/proc').filter((pid) => commandOf(pid) === command);

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1).join(' ');
  } catch {
    return '';
  }
}

const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'x' } });

/** How a tool leaves a process behind. Without a person the CLI (2.1.329) runs no command with an `&` of its own, whatever is allowed. */
const WAYS: Record<string, (sleep: string) => string> = {
  'in a session of its own': (sleep) => `setsid -f ${sleep}`,
  'in a session of its own without an environment': (sleep) => `setsid -f env -i ${sleep}`,
};
/** The daemon looks each second. */
const SEEN = 'without an environment and with an output of its own, from a shell that was there to be seen';
const ofSeenShell = (sleep: string) => `sh -c "env -i setsid ${sleep} > /dev/null 2>&1 & sleep 2.5"`;

/** A question whose tools have left processes behind, which run by then. */
async function askToSleep(gate: string, ways = WAYS) {
  const asker = await world.connect();
  const sleeps = new Map(Object.keys(ways).map((way) => [way, aSleep()]));
  const tools = Object.entries(ways).map(([way, command]) => bash(command(sleeps.get(way) ?? '')));
  const answer = asker.request('ask', { prompt: scenario({ tools }, { gate, text: 'Done.' }) });
  // Where the connection or the daemon ends, so does the wait for the answer.
  answer.catch(() => {});
  await world.api.reached(gate);
  /** The ways whose processes run. */
  const left = () => [...sleeps].flatMap(([way, sleep]) => (running(sleep).length > 0 ? way : []));
  await waitUntil('all run', () => left().length === sleeps.size);
  const allHaveEnded = async () => {
    await waitUntil('all have ended', () => left().length === 0).catch(() => {});
    expect(left()).toEqual([]);
  };
  return { asker, answer, left, allHaveEnded };
}

describe('a question whose connection ends', () => {
  test('is ended, and gives its place back; one that waits leaves the queue, and is not asked', async () => {
    const asker = await world.connect();
    // Its answer dies with its connection.
    asker.request('ask', { prompt: scenario({ gate: 'left', text: 'Nobody waits for this.' }) }).catch(() => {});
    await world.api.reached('left');
    expect(processes()).toHaveLength(1);
    const waiting = await world.connect();
    waiting.request('ask', { prompt: 'gone before its turn' }).catch(() => {});
    await waiting.request('ping', {});
    await waiting.close();
    const other = await world.connect();
    const next = other.request('ask', { prompt: scenario({ gate: 'next', text: 'One.' }) });
    await other.request('ping', {});
    asker.terminate();
    await world.api.reached('next');
    await waitUntil('its CLI and its folder are gone', () => folders().length === 1);
    world.api.release('next');
    expect((await next).data).toMatchObject({ success: true, response: { result: 'One.' } });
    await waitUntil('nothing is left', () => folders().length === 0);
    expect(world.api.runs('gone before its turn')).toBe(0);
    world.api.release('left');
  });

  test('because the daemon stops leaves no process behind', async () => {
    const asker = await world.connect();
    asker.request('ask', { prompt: scenario({ gate: 'stopped', text: 'Nobody waits for this.' }) }).catch(() => {});
    await world.api.reached('stopped');
    const [pid = 0] = processes();
    await world.daemon.kill('SIGTERM');
    expect(commandOf(String(pid))).toBe('');
    world.api.release('stopped');
    await world.daemon.start();
  });
});

test('one person cannot take the places of others in the queue, and leaves no folder when removed', async () => {
  const { id } = await addUser(world.daemon, 'eve@example.org');
  const { accessToken } = await pairDevice(world.daemon, { user: 'eve@example.org' });
  const eve = await connect(world.daemon, bearerOf(accessToken));
  const held = eve.request('ask', { prompt: scenario({ gate: 'all', text: 'Nobody waits for this.' }) });
  await world.api.reached('all');
  const waiting = Array.from({ length: 19 }, (_, index) => eve.request('ask', { prompt: `question ${index}` }));
  const ended = Promise.allSettled([held, ...waiting]);
  const refused = await eve.request('ask', { prompt: 'one too many' });
  expect(refused).toMatchObject({
    type: 'error',
    data: { code: 'CAPACITY', details: { field: 'prompt', rule: expect.stringContaining('20 questions of yours') } },
  });
  const adam = await world.connect();
  const answer = adam.request('ask', { prompt: 'And mine?' });
  // A refusal would have come before this answer.
  await adam.request('ping', {});
  await askLocally(world.daemon, 'DELETE', '/local/users/eve%40example.org');
  expect((await answer).data).toMatchObject({ success: true });
  await ended;
  await waitUntil('nothing is left', () => folders().length === 0);
  await waitUntil('her folder is gone', () => !existsSync(join(`${world.daemon.home}-people`, id)));
  world.api.release('all');
});

describe(`processes that tools of a question have started ${Object.keys(WAYS).join(', or ')}`, () => {
  test(`end with the answer, also one ${SEEN}`, async () => {
    const { answer, left } = await askToSleep('answered', { ...WAYS, [SEEN]: ofSeenShell });
    world.api.release('answered');
    expect((await answer).data.response).toMatchObject({ result: 'Done.' });
    expect(left()).toEqual([]);
  });

  test('end with the connection that asked', async () => {
    const { asker, allHaveEnded } = await askToSleep('unasked');
    asker.terminate();
    await allHaveEnded();
    world.api.release('unasked');
  });

  test('end at the next start when the daemon was killed', async () => {
    const { allHaveEnded } = await askToSleep('killed');
    await world.daemon.restart('SIGKILL');
    await allHaveEnded();
    world.api.release('killed');
  });
});
