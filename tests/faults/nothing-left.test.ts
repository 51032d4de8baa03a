/** What a child's tools start is gone with the session, however it was started. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const foreign: (() => void)[] = [];
afterAll(() => {
  for (const end of foreign) end();
});

interface Recorded {
  pid: number;
  startTime: string;
  childId: string;
  seen?: { pid: number; group: number; startTime: string }[];
}

const recordPath = (sessionId: string) => join(world.daemon.home, 'run', sessionId, 'process.json');
const readRecord = (sessionId: string) => JSON.parse(readFileSync(recordPath(sessionId), 'utf8')) as Recorded;

const allRecords = (): Recorded[] =>
  readdirSync(join(world.daemon.home, 'run'))
    .filter((sessionId) => existsSync(recordPath(sessionId)))
    .map(readRecord);

let seconds = 1000 + (process.pid % 500) * 1000;
/** A `sleep` that no other test has, so that it can be found without a marker. */
const aSleep = () => {
  seconds += 1;
  return `sleep ${seconds}`;
};

/** Pids of live processes with exactly this command line. */
const running = (command: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandOf(name) === command)
    .map(Number);

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1).join(' ');
  } catch {
    return '';
  }
}

/** A client that allows whatever is asked. */
async function connect(): Promise<WireClient> {
  const client: WireClient = await world.connect({
    onFrame: ({ type, data: { sessionId, permissionId } }) => {
      if (type === 'permissionRequest')
        client.send('permission', { sessionId, permissionId, response: 'y', remember: false });
    },
  });
  return client;
}

interface Child {
  sessionId: string;
  pid: number;
}

/** A session whose only turn has run these commands, each in a shell of its own. */
async function afterTools(client: WireClient, ...commands: (string | object)[]): Promise<Child> {
  const tools = commands.map((command) => ({
    name: 'Bash',
    input: { description: 'x', ...(typeof command === 'string' ? { command } : command) },
  }));
  const { data } = await client.request('streamStart', {
    prompt: scenario(...(tools.length > 0 ? [{ tools }] : []), { text: 'Done.' }),
    workingDirectory: world.daemon.project(),
    options: { allowedTools: ['Bash'] },
  });
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  return { sessionId: data.sessionId, pid: readRecord(data.sessionId).pid };
}

const background = (sleep: string) => `echo started; ${sleep} & echo hi`;

/** How tools start processes that outlive them; all of them in one session, since each shell is another. */
const WAYS: Record<string, (sleep: string) => string> = {
  'in the background': background,
  'in a session of its own without an environment': (sleep) => `echo q; setsid env -i ${sleep} & echo hi`,
  'without an environment in a session of its own': (sleep) => `echo q; env -i setsid ${sleep} & echo hi`,
  'without an environment, by two parents that have ended': (sleep) =>
    `echo q; (env -i setsid sh -c '${sleep} & ${sleep} &' &)`,
};

/** A session with a process of each kind. */
async function startAll(client: WireClient) {
  const sleeps = new Map(Object.keys(WAYS).map((way) => [way, aSleep()]));
  const commands = Object.entries(WAYS).map(([way, command]) => command(sleeps.get(way) ?? ''));
  const child = await afterTools(client, ...commands);
  /** The ways whose processes run. */
  const left = () => [...sleeps].flatMap(([way, sleep]) => (running(sleep).length > 0 ? way : []));
  const allHaveEnded = async () => {
    await waitUntil('all have ended', () => left().length === 0).catch(() => {});
    expect(left()).toEqual([]);
  };
  await waitUntil('all run', () => left().length === sleeps.size);
  return { ...child, left, allHaveEnded };
}

/** A process that has nothing to do with the daemon. */
function spawnInnocent() {
  const innocent = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
  foreign.push(() => innocent.kill('SIGKILL'));
  const { pid = 0 } = innocent;
  return { pid, isUnharmed: () => innocent.exitCode === null && innocent.signalCode === null && isAlive(pid) };
}

describe(`processes that tools have started ${Object.keys(WAYS).join(', or ')}`, () => {
  test('H3: end with the session', async () => {
    const client = await connect();
    const { sessionId, pid, allHaveEnded } = await startAll(client);
    await client.request('streamClose', { sessionId, reason: 'test' });
    await allHaveEnded();
    // A zombie counts as ended for the daemon, and is there until its last thread has ended.
    await waitUntil('the child has ended', () => !isAlive(pid));
    await waitUntil('nothing of the session is left', () => world.daemon.sessionProcesses(sessionId).length === 0);
  });

  test('H3: end when their child was killed', async () => {
    const { pid, allHaveEnded } = await startAll(await connect());
    process.kill(pid, 'SIGKILL');
    await allHaveEnded();
  });
});

test('H3: a stopped child ends too, with what it has started', async () => {
  const client = await connect();
  const sleep = aSleep();
  const { sessionId, pid } = await afterTools(client, background(sleep));
  process.kill(pid, 'SIGSTOP');
  await client.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('both have ended', () => running(sleep).length === 0 && !isAlive(pid));
});

test('H3: what a background task runs is on record while it runs, and so is one without environment and with an output of its own, when its shell was there to be seen; both end', async () => {
  const client = await connect();
  const inTask = aSleep();
  const ofShell = aSleep();
  const gate = join(world.daemon.root, `gate-${seconds}`);
  const command = `env -i setsid ${ofShell} > /dev/null 2>&1 & until [ -e ${gate} ]; do sleep 0.1; done`;
  const turn = afterTools(client, { command: inTask, run_in_background: true }, command);
  await waitUntil('both run', () => running(inTask).length > 0 && running(ofShell).length === 1);
  for (const sleep of [inTask, ofShell]) {
    const [pid] = running(sleep);
    await waitUntil('it is on record', () => allRecords().some(({ seen }) => seen?.some((one) => one.pid === pid)));
  }
  const [task] = running(inTask);
  writeFileSync(gate, '');
  const { sessionId, pid } = await turn;
  expect(readRecord(sessionId).seen?.find((one) => one.pid === task)?.group).not.toBe(pid);
  await client.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('both have ended', () => running(inTask).length === 0 && running(ofShell).length === 0);
});

test('H3: after a daemon that was killed, what a child has left that was killed meanwhile ends; a pid on record that is another process by now, also one of another boot with the same pid and start, is left alone, and its child counts as gone; nothing of a question to a CLI of its own is left', async () => {
  const client = await connect();
  const { pid: killed, left, allHaveEnded } = await startAll(client);
  const replaced = await afterTools(client);
  const rebooted = await afterTools(client);
  // Its answer dies with the daemon.
  client.request('ask', { prompt: scenario({ text: 'Nobody waits for this.', gate: 'question' }) }).catch(() => {});
  await world.api.reached('question');
  const questions = join(world.daemon.home, 'ask');
  const [question] = readdirSync(questions);
  expect(world.daemon.sessionProcesses(`ask-${question}`)).toHaveLength(1);
  await world.daemon.kill('SIGKILL');
  for (const pid of [killed, replaced.pid]) process.kill(pid, 'SIGKILL');
  process.kill(rebooted.pid, 'SIGSTOP');
  const other = spawnInnocent();
  record(replaced, other.pid, readRecord(replaced.sessionId).startTime);
  const ofOtherBoot = spawnInnocent();
  const [started] = readFileSync(`/proc/${ofOtherBoot.pid}/stat`, 'latin1').split(') ')[1]?.split(' ').slice(19) ?? [];
  record(rebooted, ofOtherBoot.pid, `${started}@00000000-0000-0000-0000-000000000000`);
  expect(left()).toHaveLength(Object.keys(WAYS).length);
  await world.daemon.start();
  expect(world.daemon.sessionProcesses(`ask-${question}`)).toEqual([]);
  expect(existsSync(questions)).toBe(false);
  await allHaveEnded();
  await waitUntil('the real child is swept', () => !isAlive(rebooted.pid));
  const view = await (await world.daemon.fetch(`/api/sessions/${rebooted.sessionId}`)).json();
  expect((view as { pid?: number }).pid).not.toBe(ofOtherBoot.pid);
  const { sessionId } = replaced;
  const after = await world.connect({ deviceId: client.deviceId });
  const sent = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'By another.' }) });
  const end = await after.waitFor(
    ({ type, data }) => type === 'streamComplete' && data.promptId === sent.data.promptId,
  );
  expect(end.data.finalResult).toBe('By another.');
  expect(readRecord(sessionId).pid).not.toBe(other.pid);
  await after.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('its folder is gone', () => !readdirSync(join(world.daemon.home, 'run')).includes(sessionId));
  expect([other.isUnharmed(), ofOtherBoot.isUnharmed()]).toEqual([true, true]);
  world.api.release('question');
});

/** As if this process were the child of the session. */
function record({ sessionId }: Child, pid: number, startTime: string): void {
  const stale = { pid, group: pid, startTime };
  writeFileSync(recordPath(sessionId), JSON.stringify({ ...readRecord(sessionId), ...stale, seen: [stale] }));
}
