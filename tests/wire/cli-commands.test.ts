/** Commands of the CLI itself, such as `/help` and `/compact`, and what its transcript makes of them later. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const ordinary = useWorld();
const sleepy = useWorld({ environment: { IDLE_HIBERNATE_MS: '300' } });

const notices = (client: WireClient) => client.events().flatMap(({ type, data }) => (type === 'notice' ? [data] : []));

async function say(client: WireClient, workingDirectory: string, prompt: string): Promise<string> {
  const started = await client.request('streamStart', { prompt, workingDirectory });
  const { sessionId, promptId } = started.data;
  await client.waitFor(({ type, data }: Frame) => type === 'streamComplete' && data.promptId === promptId);
  return String(sessionId);
}

async function said(client: WireClient, sessionId: string): Promise<string[]> {
  const { data } = await client.request('getMessageHistory', { sessionId });
  const messages = data.messages as { type: string; content: { text?: string }[] }[];
  return messages.map(({ type, content }) => `${type}: ${content.map(({ text }) => text).join('')}`);
}

const gone = ({ daemon }: World, sessionId: string) =>
  waitUntil('the child is gone', () => daemon.sessionProcesses(sessionId).length === 0);

const ways: [string, World, (sessionId: string) => Promise<void>][] = [
  [
    'its CLI was killed',
    ordinary,
    async (sessionId) => {
      for (const pid of ordinary.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
      await gone(ordinary, sessionId);
    },
  ],
  [
    'the daemon and its CLI were killed',
    ordinary,
    async (sessionId) => {
      const pids = ordinary.daemon.sessionProcesses(sessionId);
      await ordinary.daemon.kill('SIGKILL');
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await ordinary.daemon.start();
    },
  ],
  ['the daemon was killed', ordinary, () => ordinary.daemon.restart('SIGKILL')],
  ['it hibernated', sleepy, (sessionId) => gone(sleepy, sessionId)],
];

/** Prompts without the marks of their scenarios. */
const bare = (text: string) => text.replace(/scenario \S+ @@.*@@/s, '').trim();

describe.each([
  ['', ordinary],
  [' that hibernates', sleepy],
])('what commands of the CLI answered stands once in the history of a session%s', (_what, world) => {
  let directory = '';
  let sessionId = '';

  beforeAll(async () => {
    const client = await world.connect();
    directory = world.daemon.project();
    await say(client, directory, '/help');
    await say(client, directory, '/compact');
    await say(client, directory, `none ${scenario({ text: 'None.' })}`);
    // 2.1.197 does not compact a conversation of one answer.
    sessionId = await say(client, directory, `one ${scenario({ text: 'One.' })}`);
    expect((await said(client, sessionId)).map(bare)).toEqual([
      'user: /help',
      expect.stringMatching(/^assistant: .*\/help/),
      'user: /compact',
      expect.stringMatching(/^assistant: .*Not enough messages/),
      'user: none',
      'assistant: None.',
      'user: one',
      'assistant: One.',
    ]);
  });

  test.each(ways.filter(([, of]) => of === world))(
    'after a compaction and when %s: the next prompt adds nothing but itself and its answer',
    async (_way, _world, happens) => {
      const before = await world.connect();
      const messages = await said(before, sessionId);
      await say(before, directory, '/compact');
      expect(notices(before)).toEqual([
        expect.objectContaining({ kind: 'compacted', level: 'info', message: expect.stringMatching(/compacted/) }),
      ]);
      await happens(sessionId);
      const client = await world.connect();
      await say(client, directory, `two ${scenario({ text: 'Two.' })}`);
      const now = await said(client, sessionId);
      expect(now.slice(0, messages.length)).toEqual(messages);
      expect(now.slice(messages.length).map(bare)).toEqual(['user: /compact', 'user: two', 'assistant: Two.']);
    },
  );
});
