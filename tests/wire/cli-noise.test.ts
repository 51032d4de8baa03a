/** What no real CLI can be made to write: hostile values, noise, and requests that nobody here knows. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

const raw = (text: string) => ({ raw: Buffer.from(text).toString('base64') });
const assistant = (id: unknown, content: unknown, more: object = {}) => ({
  type: 'assistant',
  message: { id, content, ...more },
  parent_tool_use_id: null,
});

async function run(client: WireClient, ...acts: object[]): Promise<Frame> {
  const from = client.frames.length;
  await client.request('streamStart', { prompt: JSON.stringify(acts), workingDirectory: world.daemon.project() });
  return client.waitFor('streamComplete', from);
}

const ofCli = (client: WireClient): string =>
  JSON.stringify(
    client.frames
      .filter(({ type }) => type !== 'humanMessage')
      .map((frame) => ({ ...frame, data: { ...frame.data, queue: undefined } })),
  );

describe('a hostile CLI', () => {
  test('gets no escape sequence, invisible character or half character into what clients show', async () => {
    const evil = 'x\u001b]0;pwned\u0007\u001b[2J\u202e\u200b\ud83d';
    const client = await world.connect();
    const init = {
      session_id: '11111111-1111-4111-8111-111111111111',
      cwd: '/',
      tools: [evil],
      mcp_servers: [{ name: evil }],
    };
    await run(
      client,
      { line: { type: 'system', subtype: 'init', ...init, model: evil, permissionMode: evil } },
      { line: { type: 'system', subtype: 'status', permissionMode: evil } },
      { line: { type: 'system', subtype: 'task_started', task_id: 't', task_type: evil, description: evil } },
      { line: { type: 'system', subtype: 'informational', content: evil, level: evil } },
      { line: assistant('m1', [{ type: 'tool_use', id: 't1', name: evil, input: {} }], { model: evil }) },
      { line: { type: 'result', subtype: evil, is_error: false, result: 'ok', errors: [evil] } },
    );
    await client.waitFor(({ type }) => type === 'notice');
    expect(ofCli(client)).not.toMatch(/\\u001b|\\u0007|\u202e|\u200b|\\ud83d/);
    expect(ofCli(client)).toContain('pwned');
  });

  test('asks in one plain line each, and gets the very option that it offered', async () => {
    const evil = 'x\u001b]0;pwned\u0007\u001b[2J\u202e\u200b';
    const client = await world.connect();
    const asking = (tool_name: string, input: object) => ({
      line: {
        type: 'control_request',
        request_id: tool_name,
        request: {
          subtype: 'can_use_tool',
          tool_name,
          tool_use_id: tool_name,
          input,
          description: `one\nAllow Read: ${evil}`,
        },
      },
    });
    const questions = [{ question: `Which?${evil}`, header: 'h', options: [{ label: evil }, { label: 'plain' }] }];
    const started = await client.request('streamStart', {
      prompt: JSON.stringify([
        asking('Bash', {}),
        asking('AskUserQuestion', { questions }),
        { waitForAnswer: 'AskUserQuestion' },
      ]),
      workingDirectory: world.daemon.project(),
    });
    for (const name of ['Bash', 'AskUserQuestion']) {
      const asked = await client.waitFor(({ type, data }) => type === 'permissionRequest' && data.toolName === name);
      // The input is content: what is decided about stays as it is.
      const { toolInput: _, ...shown } = asked.data;
      expect(JSON.stringify(shown)).not.toMatch(/\\n|\\u001b|\\u0007|\u202e|\u200b/);
      const { permissionId } = asked.data;
      const [response = ''] = asked.data.options as string[];
      const { sessionId } = started.data;
      const given = { sessionId, permissionId, response, remember: false };
      expect((await client.request('permission', given)).type).toBe('permissionAccepted');
    }
    const end = await client.waitFor('streamComplete');
    expect(JSON.parse(String(end.data.finalResult))).toMatchObject({
      updatedInput: { answers: { [`Which?${evil}`]: evil } },
    });
  });

  test('cannot make numbers of what is none', async () => {
    const client = await world.connect();
    const usage = {
      input_tokens: -1,
      output_tokens: '5',
      cache_read_input_tokens: 1e300,
      good_tokens: 7,
      nested: { bad_tokens: null },
    };
    const end = await run(
      client,
      { line: assistant('m1', [{ type: 'text', text: 'Hi.' }], { usage }) },
      raw('{"type":"result","subtype":"success","is_error":false,"result":"ok","duration_ms":-5,"num_turns":1e999,'),
      raw('"total_cost_usd":"free","usage":{"input_tokens":-7,"iterations":[-1]}}\n'),
    );
    expect(end.data).toMatchObject({ duration: 0, numTurns: 0, usage: { iterations: [] } });
    expect(end.data).not.toHaveProperty('cost');
    const said = await client.waitFor('assistantMessage');
    expect(said.data.usage).toEqual({ good_tokens: 7, nested: {} });
  });

  test('that writes a log to stdout is told of once a turn, with how much it was', async () => {
    const client = await world.connect();
    await run(client, raw('[log] a line of a log\n'.repeat(5000)), { result: 'ok' });
    const warnings = client.frames.filter(({ type, data }) => type === 'progress' && data.stage === 'warning');
    expect(warnings.map(({ data }) => data.message)).toEqual([
      'The Claude CLI wrote 5000 lines (105000 bytes) that are not its protocol.',
    ]);
  });

  test('that dies is quoted, from stdout too, without credentials and controls', async () => {
    const client = await world.connect();
    const words = raw('Fatal: \u001b[31mno such setting\u001b[0m\nAuthorization: Bearer abcdefghijkl\n');
    await run(client, words, { stderr: 'key sk-ant-api03-secretsecret' }, raw('and no newline'), { exit: 1 });
    const { data } = await client.waitFor('error');
    expect(data.message).toContain('Fatal: no such setting');
    expect(data.message).toContain('and no newline');
    expect(data.message).not.toMatch(/abcdefghijkl|secretsecret|\p{Cc}(?<!\n)/u);
  });

  test.each([
    ['a_request_of_yesterday', /^a_request_of_yesterday is not supported here$/],
    ['a_request_of_tomorrow', /^a_request_of_tomorrow is not supported here$/],
  ])('is refused %s, and the person is told', async (subtype, answer) => {
    const client = await world.connect();
    const request = { subtype, mcp_server_name: 'forms', message: 'Your name?', mode: 'form' };
    const end = await run(
      client,
      { line: { type: 'control_request', request_id: 'r1', request } },
      { waitForAnswer: 'r1' },
    );
    expect(end.data.finalResult).toMatch(answer);
    const notice = client.events().find(({ type }) => type === 'notice');
    expect(notice?.data).toMatchObject({
      kind: 'unsupported_request',
      level: 'warning',
      message: expect.stringMatching(new RegExp(`${subtype}.*forms: Your name\\?`)),
    });
  });

  test('says with a request why it asks, and a blank denial has words for Claude', async () => {
    const client = await world.connect();
    const request = {
      subtype: 'can_use_tool',
      tool_name: 'Write',
      tool_use_id: 't1',
      input: { file_path: '/etc/x' },
      decision_reason: 'Path is outside',
      blocked_path: '/etc/x',
    };
    const acts = [{ line: { type: 'control_request', request_id: 'r2', request } }, { waitForAnswer: 'r2' }];
    const started = await client.request('streamStart', {
      prompt: JSON.stringify(acts),
      workingDirectory: world.daemon.project(),
    });
    const asked = await client.waitFor('permissionRequest');
    expect(asked.data).toMatchObject({ reason: 'Path is outside', blockedPath: '/etc/x' });
    const { sessionId } = started.data;
    await client.request('permission', { sessionId, response: 'deny', remember: false, message: ' \n' });
    const end = await client.waitFor('streamComplete');
    expect(end.data.finalResult).toMatch(/"message":"\S.+"/);
  });
});

describe('long before it would hibernate, an idle child', () => {
  const statuses = (client: WireClient): string[] =>
    client.events().flatMap(({ type, data }) => (type === 'sessionStatus' ? data.status : []));
  const errors = (client: WireClient): Frame[] => client.events().filter(({ type }) => type === 'error');
  const hibernated = (client: WireClient): Promise<Frame> =>
    client.waitFor(
      ({ type, data, seq }) => seq !== undefined && type === 'sessionStatus' && data.status === 'hibernated',
    );

  test('that has written more than 64 MiB ends as soon as its turn has', async () => {
    const client = await world.connect();
    const big = { bigResult: 33 * 1024 * 1024 };
    const { sessionId } = (await run(client, big, big, { result: 'Much.' })).data;
    await hibernated(client);
    const next = await client.request('streamSend', { sessionId, prompt: '[{"result":"Little."}]' });
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === next.data.promptId,
    );
    expect(end.data.finalResult).toBe('Little.');
    await client.request('ping', {});
    expect(statuses(client).at(-1)).toBe('idle');
    // The stand-in writes no transcript.
    expect(errors(client)).toMatchObject([{ data: { code: 'NOT_FOUND' } }]);
  });

  test('that ends by itself without a fault has hibernated', async () => {
    const client = await world.connect();
    const end = await run(client, { result: 'Gone.' }, { exit: 0 });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Gone.' });
    await hibernated(client);
    await client.request('ping', {});
    expect(errors(client)).toEqual([]);
  });
});
