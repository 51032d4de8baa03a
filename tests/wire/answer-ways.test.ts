/** What the CLI wants to be answered with care, through each way of answering. The stand-in asks: the real CLI defaults to no only where its classifier has judged. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { waitingSchema } from '../../protocol/waiting.js';
import { runInTerminal } from '../client/support/cli-run.js';
import { until } from '../client/support/until.js';
import { usePushWorld } from '../support/push-world.js';
import { connect, type WireClient } from '../support/wire-client.js';

const world = usePushWorld({ CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') });

const suggestion = { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'ls' }], behavior: 'allow' };
const suggestions = [{ ...suggestion, destination: 'localSettings' }];

let asked = 0;

/** A prompt in whose turn the CLI asks with these flags; its result is the answer that the CLI gets. */
function asking(flags: object): string {
  asked += 1;
  const id = `request-${asked}`;
  const input = { command: 'ls' };
  const request = { subtype: 'can_use_tool', tool_name: 'Bash', tool_use_id: id, input, ...flags };
  const line = {
    type: 'control_request',
    request_id: id,
    request: { permission_suggestions: suggestions, ...request },
  };
  return JSON.stringify([{ line }, { waitForAnswer: id }]);
}

interface Asked {
  client: WireClient;
  sessionId: string;
  permissionId: string;
  path: string;
}

async function ask(flags: object): Promise<Asked & { request: Record<string, unknown> }> {
  const client = await connect(world.daemon);
  const workingDirectory = world.daemon.project();
  const { data } = await client.request('streamStart', { prompt: asking(flags), workingDirectory });
  const { data: request } = await client.waitFor('permissionRequest');
  const { sessionId } = data;
  const { permissionId } = request;
  return { client, sessionId, permissionId, request, path: `/api/sessions/${sessionId}/permissions/${permissionId}` };
}

async function openRequests(sessionId: string) {
  const response = await world.daemon.fetch(`/api/waiting?sessionId=${sessionId}`);
  return waitingSchema.parse(await response.json()).sessions.flatMap(({ permissions }) => permissions);
}

interface Answer {
  response: string;
  remember?: boolean;
}

/** A decision, or the error in the words of the wire. */
type Outcome = Record<string, unknown>;

const outcomeOf = (answer: unknown): Outcome => {
  const { error = answer } = answer as { error?: unknown };
  const { decision, code, details } = error as Outcome;
  return decision === undefined ? { code, ...(details as object) } : { decision };
};

const ways: Record<string, (asked: Asked, answer: Answer) => Promise<Outcome>> = {
  frame: async ({ client, sessionId, permissionId }, answer) => {
    const answered = await client.request('permission', { sessionId, permissionId, remember: false, ...answer });
    return outcomeOf(answered.data);
  },
  REST: async ({ path }, answer) => outcomeOf(await (await world.send('POST', path, answer)).json()),
  token: async ({ client, path }, answer) => {
    await client.close();
    const device = `away-${asked}`;
    await world.pushed(device);
    const actions = (world.messages(device)[0]?.actions ?? []).map(({ body }) => JSON.parse(body) as Answer);
    // Where no button says it, whoever holds the token of another one tries.
    const action = actions.find(({ response }) => response === answer.response) ?? actions.at(-1);
    const sent = { ...action, ...answer };
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(sent);
    return outcomeOf(await (await fetch(`${world.daemon.url}${path}`, { method: 'POST', headers, body })).json());
  },
  terminal: async ({ permissionId }, { response }) => {
    const run = runInTerminal({ args: ['answer', permissionId, response, '--json'], home: world.daemon.home });
    await run.exitCode;
    return outcomeOf(JSON.parse(run.stdout()));
  },
};

const INTERACTIVE = { requires_user_interaction: true };
const CAREFUL = { default_to_no: true };
const FORGETFUL = { suppress_always_allow_rule: true };

const allowed = { decision: 'allow' };
const denied = { decision: 'deny' };
const inSession = { code: 'PERMISSION_DENIED', field: 'response', rule: 'must be answered in the session' };
const invalid = (field: string) => ({ code: 'INVALID_REQUEST', field, rule: expect.stringMatching(/^must /) });

/** `others`: of ways with another outcome, or none, as the command has no word for it but `always`. */
const RULES: [string, object, Answer, Outcome, others?: Record<string, Outcome | null>][] = [
  ['that must be answered in the session: allow', INTERACTIVE, { response: 'allow' }, allowed, { token: inSession }],
  ['that must be answered in the session: deny', INTERACTIVE, { response: 'deny' }, denied],
  ['that defaults to no: allow', CAREFUL, { response: 'allow' }, allowed],
  [
    'that cannot be remembered: always',
    FORGETFUL,
    { response: 'always' },
    invalid('response'),
    { terminal: invalid('remember') },
  ],
  [
    'that cannot be remembered: remember',
    FORGETFUL,
    { response: 'allow', remember: true },
    invalid('remember'),
    { terminal: null },
  ],
];

const CASES = RULES.flatMap(([name, flags, answer, standard, others = {}]) =>
  Object.keys(ways).flatMap((way) => {
    const { [way]: outcome = standard } = others;
    return outcome === null ? [] : [{ name, flags, answer, way, outcome }];
  }),
);

describe('a request', () => {
  test.each(CASES)('$name by $way', async ({ flags, answer, way, outcome }) => {
    if (way === 'token') await (await world.register(`away-${asked + 1}`)).close();
    const request = await ask(flags);
    const { sessionId, permissionId } = request;
    expect(await ways[way]?.(request, answer)).toEqual(outcome);
    const isOpen = (await openRequests(sessionId)).some((open) => open.permissionId === permissionId);
    expect(isOpen).toBe('code' in outcome);
    await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
    await request.client.close();
  });

  test('that is a question defaults to no where the CLI does, and to its first option otherwise', async () => {
    const options = ['Yes', 'No'].map((label) => ({ label, description: label }));
    const input = { questions: [{ question: 'Sure?', header: 'Sure', multiSelect: false, options }] };
    for (const [flags, standard] of [
      [CAREFUL, 'deny'],
      [{}, 'Yes'],
    ] as const) {
      const { client, sessionId, request } = await ask({ tool_name: 'AskUserQuestion', input, ...flags });
      expect(request).toMatchObject({ options: ['Yes', 'No'], default: standard, defaultOption: standard });
      await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
      await client.close();
    }
  });

  test('says what the CLI wants, in the event, in the list and in the push', async () => {
    await (await world.register(`away-${asked + 1}`)).close();
    const { client, sessionId, request } = await ask({ ...INTERACTIVE, ...CAREFUL, ...FORGETFUL });
    const said = { default: 'deny', defaultOption: 'deny', defaultToNo: true, oneTap: false, canRemember: false };
    expect(request).toMatchObject({ ...said, options: ['allow', 'deny'] });
    expect(await openRequests(sessionId)).toMatchObject([said]);
    await client.close();
    await world.pushed(`away-${asked}`);
    expect(world.messages(`away-${asked}`)[0]?.actions?.map(({ label }) => label)).toEqual(['Deny']);
    await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
  });
});

describe('in the terminal', () => {
  /** `ask`, until a key is read. `answered` resolves with the answer that the CLI gets. */
  async function askThere(flags: object, ...more: string[]) {
    const args = ['ask', asking(flags), '--dir', world.daemon.project(), ...more];
    const run = runInTerminal({ args, home: world.daemon.home, isTTY: true });
    await until(`a key is read: ${run.stderr()}`, run.isRaw);
    const pressUntil = (key: string, what: string) =>
      until(`${key} was heard: ${run.stderr()}`, () => {
        if (!run.stderr().includes(what)) run.press(key);
        return run.stderr().includes(what);
      });
    const answered = async () => {
      expect(await run.exitCode).toBe(0);
      return (JSON.parse(run.stdout()) as { behavior: string }).behavior;
    };
    return { run, pressUntil, answered };
  }

  test('no single key allows what defaults to no: Enter declines, and a word allows', async () => {
    const first = await askThere(CAREFUL);
    expect(first.run.stderr()).toContain('  [n] no (or Enter)\n');
    await first.pressUntil('y', 'Type yes to allow it:');
    first.run.press('y\r');
    await until('it asks again', () => first.run.stderr().includes('It must be yes.'));
    await first.pressUntil('\r', '  no\n');
    expect(await first.answered()).toBe('deny');

    const second = await askThere(CAREFUL);
    await second.pressUntil('y', 'Type yes to allow it:');
    second.run.press('yes\r');
    expect(await second.answered()).toBe('allow');
  });

  test('what cannot be remembered is not offered, and its key does nothing', async () => {
    const { run, pressUntil, answered } = await askThere(FORGETFUL);
    expect(run.stderr()).not.toContain('always');
    run.press('a');
    await pressUntil('y', '  yes\n');
    expect(await answered()).toBe('allow');
  });

  test('--yes leaves to the person what must be answered in the session', async () => {
    const { run, pressUntil, answered } = await askThere(INTERACTIVE, '--yes');
    expect(run.stderr()).toContain('Allow Bash?\nls\n');
    await pressUntil('y', '  yes\n');
    expect(await answered()).toBe('allow');

    const args = ['ask', asking(INTERACTIVE), '--dir', world.daemon.project(), '--yes'];
    const alone = runInTerminal({ args, home: world.daemon.home });
    expect(await alone.exitCode).toBe(0);
    expect(JSON.parse(alone.stdout())).toMatchObject({
      behavior: 'deny',
      message: expect.stringContaining('A person must look at this'),
    });
  });
});
