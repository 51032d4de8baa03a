/** The CLI's safeguards on its requests, through each way of answering. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { connect, type WireClient } from '../support/wire-client.js';

const world = usePushWorld();

async function ask(client: WireClient, tool: { name: string; input: object }, options = {}) {
  const directory = world.daemon.project();
  const started = await client.request('streamStart', {
    prompt: scenario({ tools: [tool] }, { text: 'Noted.' }),
    workingDirectory: directory,
    options,
  });
  const { sessionId } = started.data;
  const { data } = await client.waitFor((frame) => frame.type === 'permissionRequest' && frame.sessionId === sessionId);
  return { sessionId, directory, request: data };
}

test('what the CLI does not let anyone remember cannot be remembered by any way, and stays open', async () => {
  const client = await connect(world.daemon);
  const { sessionId, request } = await ask(client, { name: 'Bash', input: { command: 'rm -rf /', description: 'x' } });
  expect(request).toMatchObject({
    options: ['allow', 'deny'],
    default: 'deny',
    displayName: 'Bash',
    reasonType: 'safetyCheck',
    oneTap: true,
    canRemember: false,
  });
  const path = `/api/sessions/${sessionId}/permissions/${String(request.permissionId)}`;
  for (const [answer, field] of [
    [{ response: 'always', remember: false }, 'response'],
    [{ response: 'allow', remember: true }, 'remember'],
  ] as const) {
    const refused = await client.request('permission', { sessionId, ...answer });
    expect(refused.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    const overRest = await world.send('POST', path, answer);
    expect(overRest.status).toBe(400);
    expect(await overRest.json()).toMatchObject({ error: { details: { field } } });
  }
  await client.request('permission', { sessionId, response: 'deny', remember: false });
  expect((await client.waitFor('permissionResolved')).data).toMatchObject({ decision: 'deny' });
});

const QUESTIONS = [
  {
    question: 'Which colours?',
    header: 'Colours',
    multiSelect: true,
    options: [
      { label: 'Blue', description: 'Like the sky', preview: '██' },
      { label: 'Red', description: 'Like a rose' },
    ],
  },
  {
    question: 'Which size?',
    header: 'Size',
    multiSelect: false,
    options: [
      { label: 'S', description: 'Small' },
      { label: 'L', description: 'Large' },
    ],
  },
];

test('a question cannot be answered from a notification, and all of it is answered in the session', async () => {
  const away = await world.register('asked-1');
  await away.close();
  const client = await connect(world.daemon);
  const { sessionId, request } = await ask(client, { name: 'AskUserQuestion', input: { questions: QUESTIONS } });
  expect(request).toMatchObject({ kind: 'question', questions: QUESTIONS, oneTap: false, canRemember: false });
  await client.close();
  await world.pushed('asked-1');
  const [message] = world.messages('asked-1');
  const bodies = (message?.actions ?? []).map(
    ({ body }) => JSON.parse(body) as { response: string; actionToken: string },
  );
  expect(bodies).toMatchObject([{ response: 'deny' }]);
  const path = `/api/sessions/${sessionId}/permissions/${String(request.permissionId)}`;
  const send = (body: object) =>
    fetch(`${world.daemon.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  for (const response of ['Blue', 'allow']) {
    const refused = await send({ response, actionToken: bodies[0]?.actionToken });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      error: { code: 'PERMISSION_DENIED', details: { rule: 'must be answered in the session' } },
    });
  }
  expect((await send({ response: 'Blue', actionToken: 'x'.repeat(43) })).status).toBe(401);

  const back = await connect(world.daemon);
  const answer = (answers: Record<string, string | string[]>) =>
    back.request('permission', { sessionId, response: 'allow', remember: false, answers });
  const several = await answer({ 'Which size?': ['S', 'L'] });
  expect(several.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'answers.Which size?' } });
  await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
  await answer({ 'Which colours?': ['Red', 'Blue'], 'Which size?': 'XXL, with a hood' });
  const result = await back.waitFor('toolResult');
  expect(String(result.data.result)).toContain('"Which colours?"="Red, Blue"');
  expect(String(result.data.result)).toContain('"Which size?"="XXL, with a hood"');
});

test('a plan is approved into acceptEdits: the session has that mode, and Claude edits without asking', async () => {
  const client = await connect(world.daemon);
  const directory = world.daemon.project();
  const write = { name: 'Write', input: { file_path: join(directory, 'made.txt'), content: 'x' } };
  const started = await client.request('streamStart', {
    prompt: scenario(
      { tools: [{ name: 'ExitPlanMode', input: { plan: 'Write it.' } }] },
      { tools: [write] },
      { text: 'Done.' },
    ),
    workingDirectory: directory,
    options: { permissionMode: 'plan' },
  });
  const { sessionId } = started.data;
  const request = await client.waitFor('permissionRequest');
  expect(request.data).toMatchObject({ kind: 'plan', options: ['allow', 'acceptEdits', 'deny'], default: 'deny' });
  await client.request('permission', { sessionId, response: 'acceptEdits', remember: false });
  const complete = await client.waitFor('streamComplete');
  expect(complete.data).toMatchObject({ isError: false, finalResult: 'Done.' });
  expect(client.events(sessionId).filter(({ type }) => type === 'permissionRequest')).toHaveLength(1);
  const view = await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json();
  expect(view).toMatchObject({ permissionMode: 'acceptEdits' });
});

test('a plan that is rejected with feedback goes back to Claude with the words', async () => {
  const client = await connect(world.daemon);
  const plan = { name: 'ExitPlanMode', input: { plan: 'Write it.' } };
  const { sessionId } = await ask(client, plan, { permissionMode: 'plan' });
  await client.request('permission', { sessionId, response: 'no', remember: false, message: 'Test it first.' });
  const result = await client.waitFor((frame) => frame.type === 'toolResult' && frame.sessionId === sessionId);
  expect(result.data).toMatchObject({ success: false, error: expect.stringContaining('Test it first.') });
});

test('the requests of two subagents name them, and each is answered by its own id while a prompt waits', async () => {
  const client = await connect(world.daemon);
  const helper = (file: string) => {
    const tools = [{ name: 'Bash', input: { command: `touch ${file}`, description: file } }];
    const prompt = scenario({ tools }, { text: `${file} done.` });
    return {
      name: 'Agent',
      input: { description: file, prompt, subagent_type: 'general-purpose', run_in_background: false },
    };
  };
  const directory = world.daemon.project();
  const started = await client.request('streamStart', {
    prompt: scenario({ tools: [helper('one'), helper('two')] }, { text: 'Both.' }),
    workingDirectory: directory,
    options: { allowedTools: ['Agent'] },
  });
  const { sessionId } = started.data;
  const requests = () => client.frames.flatMap(({ type, data }) => (type === 'permissionRequest' ? [data] : []));
  await client.waitFor(() => requests().length === 2);
  const agents = requests().map(({ agentId }) => agentId);
  expect(new Set(agents).size).toBe(2);
  expect(agents).not.toContain(undefined);
  const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Queued.' }) });
  expect(next).toMatchObject({ type: 'promptAccepted', data: { position: 1 } });
  for (const { permissionId, description } of requests().reverse()) {
    const response = description === 'two' ? 'allow' : 'deny';
    const answered = await client.request('permission', { sessionId, permissionId, response, remember: false });
    expect(answered.data).toMatchObject({ permissionId, decision: response });
  }
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === next.data.promptId);
  expect(['one', 'two'].map((file) => existsSync(join(directory, file)))).toEqual([false, true]);

  const last = await client.request('streamSend', {
    sessionId,
    prompt: scenario({ tools: [{ name: 'Bash', input: { command: 'touch three', description: 'three' } }] }),
  });
  await client.waitFor(() => requests().length === 3);
  await client.request('interrupt', { sessionId });
  const { promptId } = last.data;
  const end = await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  expect(end.data.subtype).toBe('interrupted');
  const settled = client.frames.filter(({ type }) => type === 'permissionResolved').at(-1);
  expect(settled?.data).toMatchObject({ permissionId: requests()[2]?.permissionId, decision: 'cancelled' });
});
