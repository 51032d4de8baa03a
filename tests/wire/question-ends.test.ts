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

const bash = (command: string) => ({ tools: [{ name: 'Bash', input: { command, description: 'x' } }] });

describe('a question whose connection ends', () => {
  test('is ended, and gives its place back', async () => {
    const asker = await world.connect();
    // Its answer dies with its connection.
    asker.request('ask', { prompt: scenario({ gate: 'left', text: 'Nobody waits for this.' }) }).catch(() => {});
    await world.api.reached('left');
    expect(processes()).toHaveLength(1);
    asker.terminate();
    await waitUntil('its CLI and its folder are gone', () => folders().length === 0);
    const other = await world.connect();
    expect((await other.request('ask', { prompt: 'Is there room?' })).data).toMatchObject({ success: true });
    world.api.release('left');
  });

  test('leaves the queue, and is not asked', async () => {
    const first = await world.connect();
    const held = first.request('ask', { prompt: scenario({ gate: 'held', text: 'One.' }) });
    await world.api.reached('held');
    const asker = await world.connect();
    asker.request('ask', { prompt: 'gone before its turn' }).catch(() => {});
    await asker.request('ping', {});
    await asker.close();
    world.api.release('held');
    expect((await held).data.response).toMatchObject({ result: 'One.' });
    expect((await first.request('ask', { prompt: 'And now?' })).data).toMatchObject({ success: true });
    expect(world.api.runs('gone before its turn')).toBe(0);
  });

  test('because its person is removed leaves no folder of theirs', async () => {
    const { id } = await addUser(world.daemon, 'eve@example.org');
    const { accessToken } = await pairDevice(world.daemon, { user: 'eve@example.org' });
    const eve = await connect(world.daemon, bearerOf(accessToken));
    eve.request('ask', { prompt: scenario({ gate: 'removed', text: 'Nobody waits for this.' }) }).catch(() => {});
    await world.api.reached('removed');
    await askLocally(world.daemon, 'DELETE', '/local/users/eve%40example.org');
    await waitUntil('it is gone', () => folders().length === 0);
    await waitUntil('her folder is gone', () => !existsSync(join(`${world.daemon.home}-people`, id)));
    world.api.release('removed');
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

// Without a person the CLI (2.1.329) runs no command with an `&` of its own, whatever is allowed.
describe.each([
  ['in a session of its own', (sleep: string) => `setsid -f ${sleep}`],
  ['in a session of its own without an environment', (sleep: string) => `setsid -f env -i ${sleep}`],
])('a process that a tool of a question has started %s', (_, command) => {
  test('ends with the answer', async () => {
    const client = await world.connect();
    const sleep = aSleep();
    const prompt = scenario(bash(command(sleep)), { gate: sleep, text: 'Done.' });
    const answer = client.request('ask', { prompt });
    await world.api.reached(sleep);
    await waitUntil('it runs', () => running(sleep).length > 0);
    world.api.release(sleep);
    expect((await answer).data.response).toMatchObject({ result: 'Done.' });
    expect(running(sleep)).toEqual([]);
  });

  test('ends with the connection that asked', async () => {
    const asker = await world.connect();
    const sleep = aSleep();
    asker.request('ask', { prompt: scenario(bash(command(sleep)), { gate: sleep, text: 'Done.' }) }).catch(() => {});
    await world.api.reached(sleep);
    await waitUntil('it runs', () => running(sleep).length > 0);
    asker.terminate();
    await waitUntil('it has ended', () => running(sleep).length === 0);
    world.api.release(sleep);
  });

  test('ends at the next start when the daemon was killed', async () => {
    const asker = await world.connect();
    const sleep = aSleep();
    asker.request('ask', { prompt: scenario(bash(command(sleep)), { gate: sleep, text: 'Done.' }) }).catch(() => {});
    await world.api.reached(sleep);
    await waitUntil('it runs', () => running(sleep).length > 0);
    await world.daemon.restart('SIGKILL');
    await waitUntil('it has ended', () => running(sleep).length === 0);
    world.api.release(sleep);
  });
});

test('a process of a question without environment and with an output of its own ends too, when its shell was there to be seen', async () => {
  const client = await world.connect();
  const sleep = aSleep();
  // The daemon looks each second.
  const command = `sh -c "env -i setsid ${sleep} > /dev/null 2>&1 & sleep 2.5"`;
  const prompt = scenario(bash(command), { gate: sleep, text: 'Done.' });
  const answer = client.request('ask', { prompt });
  await world.api.reached(sleep);
  expect(running(sleep)).toHaveLength(1);
  world.api.release(sleep);
  await answer;
  expect(running(sleep)).toEqual([]);
});
