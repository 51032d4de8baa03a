/** The folder in which the daemon was started, and the one that the CLI keeps its things in. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { type Daemon, MAIN, startDaemon } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { connect, type WireClient } from '../support/wire-client.js';

let api: ScriptedApi;
let daemon: Daemon | undefined;
let client: WireClient | undefined;

afterEach(async () => {
  client?.terminate();
  await daemon?.stop();
  await api.close();
  daemon = undefined;
});

async function turn(workingDirectory: string, options: object = {}) {
  const prompt = scenario({ text: 'Done.' });
  const started = await client?.request('streamStart', { prompt, workingDirectory, options });
  expect(started?.type).toBe('streamStarted');
  const end = await client?.waitFor(
    ({ type, data }) => type === 'streamComplete' && data.promptId === started?.data.promptId,
  );
  expect(end?.data).toMatchObject({ subtype: 'success' });
  return started?.data.sessionId ?? '';
}

const conversationOf = async (sessionId: string): Promise<string> => {
  const view = (await (await daemon?.fetch(`/api/sessions/${sessionId}`))?.json()) as { claudeSessionId: string };
  return view.claudeSessionId;
};

test('fork, resume and new sessions work when the folder in which the daemon was started is removed', async () => {
  api = await startScriptedApi();
  let started = '';
  daemon = await startDaemon({
    apiUrl: api.url,
    command: async ({ base }) => {
      started = join(base, 'started-here');
      mkdirSync(started);
      return ['sh', '-c', `cd '${started}' && exec "$@"`, 'sh'];
    },
  });
  rmSync(started, { recursive: true });
  client = await connect(daemon);
  const workingDirectory = daemon.project();
  const sessionId = await turn(workingDirectory);
  const first = await conversationOf(sessionId);
  await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
  for (const options of [{ resume: first }, { resume: first, fork: true }, { fork: true }]) {
    const answer = await client.request('streamStart', { prompt: '', workingDirectory, options });
    expect(answer).toMatchObject({ type: 'streamStarted', data: { sessionId } });
  }
});

test('the CLI and the daemon find transcripts in a CLAUDE_CONFIG_DIR that begins with ~', async () => {
  api = await startScriptedApi();
  daemon = await startDaemon({ apiUrl: api.url, environment: { CLAUDE_CONFIG_DIR: '~/kept here' } });
  client = await connect(daemon);
  const workingDirectory = daemon.project();
  const sessionId = await turn(workingDirectory);
  const first = await conversationOf(sessionId);
  expect(readdirSync(workingDirectory)).toEqual([]);
  const projects = join(daemon.environment.HOME ?? '', 'kept here/projects');
  const [folder = ''] = readdirSync(projects);
  const transcript = join(projects, folder, `${first}.jsonl`);
  const found = await client.request('streamStart', { prompt: '', workingDirectory, options: { resume: first } });
  expect(found.type).toBe('streamStarted');
  await end(sessionId);
  rmSync(transcript);
  await turn(workingDirectory);
  expect(await conversationOf(sessionId)).not.toBe(first);
  const told = client.events(sessionId).filter(({ type }) => type === 'error');
  expect(told.map(({ data }) => [data.code, data.message])).toEqual([
    ['NOT_FOUND', expect.stringContaining(`no transcript of the conversation ${first}`)],
  ]);
});

/** As when it has slept. */
async function end(sessionId: string): Promise<void> {
  await client?.request('streamClose', { sessionId, reason: 'rest' });
  await daemon?.until(() => daemon?.sessionProcesses(sessionId).length === 0);
}

test('a relative CLAUDE_CONFIG_DIR is refused at the start', async () => {
  api = await startScriptedApi();
  const run = () =>
    execFileSync(process.execPath, [MAIN], {
      env: { PATH: process.env.PATH, HOME: '/nowhere', CLAUDE_CONFIG_DIR: 'kept/here' },
      stdio: 'pipe',
    });
  expect(run).toThrow('CLAUDE_CONFIG_DIR must be an absolute path, or begin with ~/');
});
