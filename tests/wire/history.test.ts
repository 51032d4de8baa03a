/** What was said in a session, over REST: pages of messages, and the whole as a document. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Conversations } from '../../protocol/conversations.js';
import type { PastPrompt, ToldMessage } from '../../protocol/history.js';
import type { ErrorBody } from '../../protocol/rest.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import type { History } from '../../protocol/server-frames.js';
import { inTerminal } from '../support/desk.js';
import { pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PERMISSION_MODE: 'acceptEdits' } });

type Page = Omit<History, 'messages'> & { messages: ToldMessage[]; nextCursor?: string };

let sessionId = '';
let directory = '';
const TURNS = 4;

beforeAll(async () => {
  const client = await world.connect();
  directory = world.daemon.project('told');
  const inner = scenario({ tools: [{ name: 'Bash', input: { command: 'echo inner' } }] }, { text: 'The inner part.' });
  const agent = { description: 'look', prompt: inner, subagent_type: 'general-purpose', run_in_background: false };
  const file = { file_path: join(directory, 'kept.md'), content: '# Kept\n' };
  const turns = [
    scenario({ text: 'I look.', tools: [{ name: 'Bash', input: { command: 'echo outer' } }] }, { text: 'Seen.' }),
    scenario({ tools: [{ name: 'Agent', input: agent }] }, { text: 'Both done.' }),
    scenario({ tools: [{ name: 'Write', input: file }] }, { text: 'Written:\n```md\n# Kept' }),
    scenario({ text: 'The end.' }),
  ];
  const opened = await client.request('streamStart', { prompt: '', workingDirectory: directory });
  sessionId = opened.data.sessionId;
  for (const prompt of turns) {
    const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  }
});

const pageOf = async (query = ''): Promise<Page> => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/messages?${query}`);
  expect(response.status).toBe(200);
  const page = (await response.json()) as Page;
  expect(REST_ANSWERS.listMessages.shape?.safeParse(page).error).toBeUndefined();
  return page;
};

const exported = async (query: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/export?${query}`);
  expect(response.status).toBe(200);
  return { type: response.headers.get('content-type'), headers: response.headers, text: await response.text() };
};

interface ToolUse {
  name: string;
  result?: { success: boolean; text: string };
  subagent?: ToldMessage[];
}

const toolsIn = (messages: readonly ToldMessage[]): ToolUse[] =>
  messages.flatMap(({ content }) => content.flatMap((block) => (block.type === 'tool_use' ? (block as never) : [])));
const textsIn = (messages: readonly ToldMessage[]): string[] =>
  messages.flatMap(({ content }) =>
    content.flatMap((block) => (block.type === 'text' && 'text' in block ? (block.text ?? '') : [])),
  );

describe('messages', () => {
  test('are the ones of getMessageHistory, in the same shape', async () => {
    const client = await world.connect();
    const { data } = await client.request('getMessageHistory', { sessionId });
    const { timestamp: _one, ...frame } = data as unknown as Page;
    const { timestamp: _other, ...page } = await pageOf();
    expect(page).toEqual(frame);
    expect(page.messages.filter(({ type }) => type === 'user')).toHaveLength(TURNS);
  });

  test('have the results of their tools, and subagents below the tool use that began them', async () => {
    const { messages } = await pageOf('includeToolCalls=true');
    const tools = toolsIn(messages);
    expect(tools.map(({ name }) => name)).toEqual(['Bash', 'Agent', 'Write']);
    expect(tools[0]?.result).toMatchObject({ success: true, text: 'outer' });
    expect(tools[1]?.result?.text).toContain('The inner part.');
    const inner = tools[1]?.subagent ?? [];
    expect(toolsIn(inner)).toEqual([
      expect.objectContaining({ name: 'Bash', result: { success: true, text: 'inner' } }),
    ]);
    expect(messages.some(({ subagents }) => subagents !== undefined)).toBe(false);
    expect(messages.some(({ toolsTruncated }) => toolsTruncated)).toBe(false);
  });

  test('come without tools where they are not wanted', async () => {
    const { messages } = await pageOf('includeToolCalls=false');
    expect(toolsIn(messages)).toEqual([]);
    expect(textsIn(messages)).toEqual(textsIn((await pageOf()).messages));
  });

  test('come in the same order by cursor, by offset and backwards', async () => {
    const whole = (await pageOf()).messages.map(({ id }) => id);
    for (const [first, isBackwards] of [
      ['', false],
      ['&before=1000000', true],
    ] as const) {
      const found: string[][] = [];
      for (let query: string | undefined = `limit=3${first}`; query !== undefined; ) {
        const page: Page = await pageOf(query);
        found.push(page.messages.map(({ id }) => id));
        expect(page.hasMore).toBe(page.nextCursor !== undefined);
        query = page.nextCursor === undefined ? undefined : `limit=3&cursor=${page.nextCursor}`;
      }
      expect((isBackwards ? found.reverse() : found).flat()).toEqual(whole);
    }
    const byOffset = await Promise.all(
      [0, 3, 6].map((offset) => pageOf(`limit=3&offset=${offset}&includeToolCalls=true`)),
    );
    expect(byOffset.flatMap(({ messages }) => messages.map(({ id }) => id))).toEqual(whole.slice(0, 9));
    expect(new Set(byOffset.map(({ totalCount }) => totalCount))).toEqual(new Set([whole.length]));
  });
});

interface Past {
  prompts: PastPrompt[];
  total: number;
  hasMore: boolean;
  nextCursor?: string;
}

const historyOf = async (query = '', id = sessionId): Promise<Past> => {
  const response = await world.daemon.fetch(`/api/sessions/${id}/history?${query}`);
  expect(response.status).toBe(200);
  const page = (await response.json()) as Past;
  expect(REST_ANSWERS.listHistory.shape?.safeParse(page).error).toBeUndefined();
  return page;
};

describe('prompts that have begun', () => {
  test('come newest first, each with its answer and its state', async () => {
    const { prompts, total } = await historyOf();
    expect(total).toBe(TURNS);
    expect(prompts.map(({ response }) => response)).toEqual([
      'The end.',
      'Written:\n```md\n# Kept',
      'Both done.',
      'Seen.',
    ]);
    const [newest] = prompts;
    expect(newest).toMatchObject({ status: 'completed', prompt: expect.stringContaining('The end.') });
    expect(newest?.metadata).toMatchObject({ subtype: 'success', duration: expect.any(Number) });
    expect(newest?.metadata.toolCalls).toBeUndefined();
    const one = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts/${newest?.id}`);
    expect(await one.json()).toMatchObject({ id: newest?.id, response: 'The end.', status: 'completed' });
  });

  test('have their tools where they are wanted, subagents below the one that began them', async () => {
    const calls = (await historyOf('includeToolCalls=true')).prompts.map(({ metadata }) => metadata.toolCalls);
    expect(calls.map((some) => some?.map(({ tool }) => tool))).toEqual([[], ['Write'], ['Agent'], ['Bash']]);
    expect(calls[3]?.[0]).toMatchObject({ params: { command: 'echo outer' }, result: 'outer', success: true });
    expect(toolsIn((calls[2]?.[0]?.subagent ?? []) as never).map(({ name }) => name)).toEqual(['Bash']);
  });

  test('come in the same order by cursor and by offset', async () => {
    const whole = (await historyOf()).prompts.map(({ id }) => id);
    const first = await historyOf('limit=3');
    expect(first.hasMore).toBe(true);
    const second = await historyOf(`limit=3&cursor=${first.nextCursor}`);
    expect([...first.prompts, ...second.prompts].map(({ id }) => id)).toEqual(whole);
    expect(second).toMatchObject({ hasMore: false, total: TURNS });
    const byOffset = await Promise.all([0, 1, 2, 3, 4].map((offset) => historyOf(`limit=1&offset=${offset}`)));
    expect(byOffset.flatMap(({ prompts }) => prompts.map(({ id }) => id))).toEqual(whole);
    expect(byOffset.map(({ hasMore }) => hasMore)).toEqual([true, true, true, false, false]);
  });
});

describe('conversations of a directory', () => {
  const conversationsIn = async (query: string) => {
    const response = await world.daemon.fetch(`/api/conversations?${query}`);
    expect(response.status).toBe(200);
    const page = (await response.json()) as Conversations;
    expect(REST_ANSWERS.listConversations.shape?.safeParse(page).error).toBeUndefined();
    return page;
  };

  test('held in a terminal are listed, resumed and forked, and what was said there is in the history', async () => {
    const workingDirectory = world.daemon.project('at-desk');
    expect(await conversationsIn('folderName=at-desk')).toMatchObject({ conversations: [], total: 0 });
    execFileSync('git', ['init', '-q', '-b', 'side-branch'], { cwd: workingDirectory });
    const prompt = scenario({ text: 'Said at the desk.' });
    const claudeSessionId = await inTerminal(world.daemon, workingDirectory, prompt);
    await inTerminal(world.daemon, workingDirectory, scenario({ text: 'Another.' }));
    const query = `workingDirectory=${encodeURIComponent(workingDirectory)}`;
    const { conversations, total } = await conversationsIn(query);
    expect(total).toBe(2);
    const found = conversations.find((one) => one.claudeSessionId === claudeSessionId);
    expect(found).toMatchObject({ title: expect.any(String), branch: 'side-branch', size: expect.any(Number) });
    expect(found?.firstPrompt).toContain('Said at the desk.');
    expect(found?.sessionId).toBeUndefined();
    expect(Date.parse(found?.lastModified ?? '')).toBeGreaterThan(Date.now() - 60_000);
    const pages = await Promise.all([0, 1, 2].map((offset) => conversationsIn(`${query}&limit=1&offset=${offset}`)));
    expect(pages.flatMap((page) => page.conversations)).toEqual(conversations);
    expect(pages.map(({ hasMore }) => hasMore)).toEqual([true, false, false]);
    const second = await conversationsIn(`${query}&limit=1&cursor=${pages[0]?.nextCursor}`);
    expect(second).toEqual({ conversations: conversations.slice(1), total: 2, limit: 1, hasMore: false });

    const opened = await world.daemon.fetch('/api/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ workingDirectory, resume: claudeSessionId }),
    });
    const { sessionId: resumed } = (await opened.json()) as { sessionId: string };
    await waitUntil('its session holds it', async () =>
      (await conversationsIn(query)).conversations.some((one) => one.sessionId === resumed),
    );
    const client = await world.connect();
    const again = await client.request('streamStart', { workingDirectory, prompt: scenario({ text: 'Here again.' }) });
    const { promptId } = again.data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    expect((await historyOf('', resumed)).prompts[0]).toMatchObject({ response: 'Here again.' });
  });
});

describe('an export', () => {
  test('as JSON and JSON lines has every message with its tools', async () => {
    const { messages } = await pageOf('includeToolCalls=true');
    const json = await exported('format=json');
    expect(json.type).toBe('application/json; charset=utf-8');
    const parsed = JSON.parse(json.text) as { session: object; messages: ToldMessage[]; files: unknown[] };
    expect(parsed.session).toMatchObject({ sessionId, workingDirectory: directory });
    expect(parsed.messages).toEqual(messages);
    expect(parsed.files).toEqual([]);
    const lines = await exported('format=jsonl');
    expect(lines.type).toBe('application/x-ndjson; charset=utf-8');
    const [session, ...others] = lines.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { record: string });
    expect(session).toMatchObject({ record: 'session', sessionId });
    expect(others).toEqual(messages.map((message) => ({ record: 'message', ...message })));
  });

  test('as Markdown has headings for who speaks, folded tools, and closed fences', async () => {
    const { type, text, headers } = await exported('');
    expect(type).toBe('text/markdown; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename=told.md');
    expect(text).toMatch(/^# told\n\n\| \| \|\n\|---\|---\|\n\| Directory \| .*told \|\n/);
    expect(text.match(/^## Person · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/gm)).toHaveLength(TURNS);
    expect(text.match(/^## Claude · /gm)).toHaveLength(TURNS);
    expect(text).toContain('<details><summary><b>Bash</b> <code>echo outer</code></summary>\n\n```json\n');
    expect(text).toContain('```text\nouter\n```\n\n</details>');
    const agent = text.slice(text.indexOf('<b>Agent</b>'), text.lastIndexOf('Both done.'));
    expect(agent).toContain('<b>Bash</b> <code>echo inner</code>');
    expect(text).toContain('Written:\n```md\n# Kept\n```\n');
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });

  test('has the files that tools have written, as they are, for those who may read files', async () => {
    const path = 'kept.md';
    const { files } = JSON.parse((await exported('format=json&includeFiles=true')).text) as { files: unknown[] };
    expect(files).toEqual([{ path, encoding: 'utf-8', content: readFileSync(join(directory, path), 'utf8') }]);
    expect((await exported('includeFiles=true')).text).toContain('## Files\n\n### kept.md\n\n```md\n# Kept\n```\n');
    const { accessToken } = await pairDevice(world.daemon, { scopes: ['read'] });
    const headers = { authorization: `Bearer ${accessToken}` };
    const statusOf = async (query: string) => {
      const response = await world.daemon.fetch(`/api/sessions/${sessionId}/export?${query}`, { headers });
      await response.text();
      return response.status;
    };
    expect(await statusOf('includeFiles=true')).toBe(403);
    expect(await statusOf('')).toBe(200);
  });

  test('without tools has none', async () => {
    const { text } = await exported('format=json&includeToolCalls=false');
    expect(toolsIn((JSON.parse(text) as { messages: ToldMessage[] }).messages)).toEqual([]);
  });
});

describe('bad input', () => {
  test.each([
    ['messages?limit=0', 'limit'],
    ['messages?limit=201', 'limit'],
    ['messages?limit=ten', 'limit'],
    ['messages?offset=-1', 'offset'],
    ['messages?before=1.5', 'before'],
    ['messages?after=x', 'after'],
    ['messages?cursor=nonsense', 'cursor'],
    ['messages?cursor=MQ&offset=1', 'cursor'],
    ['messages?cursor=MQ&after=1', 'cursor'],
    ['messages?includeToolCalls=yes', 'includeToolCalls'],
    ['history?limit=201', 'limit'],
    ['history?offset=x', 'offset'],
    ['history?cursor=x', 'cursor'],
    ['history?cursor=MQ&offset=0', 'cursor'],
    ['history?includeToolCalls=1', 'includeToolCalls'],
    ['export?format=pdf', 'format'],
    ['export?includeFiles=1', 'includeFiles'],
  ])('O1: %s names its field', async (path, field) => {
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}/${path}`);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as ErrorBody;
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { field, rule: expect.any(String) } });
  });

  test.each([
    ['', 'workingDirectory', 400],
    ['folderName=a&projectPath=b', 'workingDirectory', 400],
    ['folderName=a&limit=0', 'limit', 400],
    ['folderName=a&offset=0&cursor=MQ', 'cursor', 400],
    ['folderName=not-there', 'folderName', 404],
    ['projectPath=/etc', 'projectPath', 403],
  ])('O1: conversations?%s names its field', async (query, field, status) => {
    const response = await world.daemon.fetch(`/api/conversations?${query}`);
    expect(response.status).toBe(status);
    expect(((await response.json()) as ErrorBody).error.details).toMatchObject({ field });
  });

  test('an unknown session has none of it', async () => {
    for (const path of ['messages', 'history', 'export']) {
      expect((await world.daemon.fetch(`/api/sessions/none/${path}`)).status).toBe(404);
    }
  });
});
