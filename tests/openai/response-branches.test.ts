/** Responses that go on from one that is not the last, with OpenAI's own client. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { Response } from 'openai/resources/responses/responses';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
let sessionId: string;

const client = () => new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
const ask = (text: string, more: object = {}, step: object = {}) =>
  client().responses.create({ model: 'default', input: scenario({ text, ...step }), ...more }) as Promise<Response>;
const behind = ({ id }: Response) => ({ previous_response_id: id });
const sessionOf = (response: Response) => (response as Response & { session_id: string }).session_id;

/** What Claude is told of the answers before, when this is asked. */
async function told<Answer>(asked: () => Promise<Answer>) {
  const from = world.api.requests.length;
  const answer = await asked();
  const sent = world.api.requests.slice(from).map(({ system, messages }) => JSON.stringify({ system, messages }));
  const texts = sent.join('\n');
  return { answer, texts, answers: ['One.', 'Two.', 'Three.'].filter((text) => texts.includes(`"text":"${text}"`)) };
}

beforeAll(async () => {
  ({ sessionId } = await openShared(await world.connect()));
});

describe.each([
  ['a conversation of its own', () => ({})],
  ['a session', () => ({ session_id: sessionId }) as object],
])('%s', (_, more) => {
  test('branches after any response, and goes on as it was', async () => {
    const one = await ask('One.', more());
    const two = await ask('Two.', behind(one));
    const three = await ask('Three.', behind(two));
    const { answer: branch, answers } = await told(() => ask('Other.', behind(one)));
    expect(branch).toMatchObject({ status: 'completed', output_text: 'Other.', previous_response_id: one.id });
    expect(answers).toEqual(['One.']);
    expect(sessionOf(branch)).not.toBe(sessionOf(one));
    const lists = await Promise.all(['/api/sessions', '/v1/sessions'].map((path) => world.daemon.fetch(path)));
    for (const list of lists) expect(await list.text()).not.toContain(sessionOf(branch));

    const goesOn = await told(() => ask('Four.', behind(three)));
    expect(goesOn.answers).toEqual(['One.', 'Two.', 'Three.']);
    expect(goesOn.texts).not.toContain('"text":"Other."');
    expect(sessionOf(goesOn.answer)).toBe(sessionOf(three));

    const onBranch = await told(() => ask('Further.', behind(branch)));
    expect(onBranch.answers).toEqual(['One.']);
    expect(onBranch.texts).toContain('"text":"Other."');
    expect(sessionOf(onBranch.answer)).toBe(sessionOf(branch));

    const ofBranch = await told(() => ask('A branch of the branch.', behind(branch)));
    expect(ofBranch.answers).toEqual(['One.']);
    expect(ofBranch.texts).toContain('"text":"Other."');
    expect(ofBranch.texts).not.toContain('"text":"Further."');

    await client().responses.delete(ofBranch.answer.id);
    for (const kept of [one, two, three, branch]) {
      expect((await client().responses.retrieve(kept.id)).output_text).toBe(kept.output_text);
    }
  });
});

test('two that go on from the same response at once are two conversations', async () => {
  const one = await ask('One.');
  const [left, right] = await told(() => Promise.all([ask('Left.', behind(one)), ask('Right.', behind(one))])).then(
    ({ answer }) => answer,
  );
  expect([left.output_text, right.output_text]).toEqual(['Left.', 'Right.']);
  expect(sessionOf(left)).not.toBe(sessionOf(right));
  const { texts } = await told(() => ask('On.', behind(right)));
  expect(texts).toContain('"text":"Right."');
  expect(texts).not.toContain('"text":"Left."');
});

test('a branch keeps the instructions, and outlives a daemon that is killed before it has answered', async () => {
  const gate = 'branch-killed';
  const one = await ask('One.', { instructions: 'Speak of ships.' });
  await ask('Two.', behind(one));
  const from = world.api.requests.length;
  const begun = await ask('After all.', { ...behind(one), background: true }, { gate });
  await world.api.reached(gate);
  const sent = world.api.requests.slice(from).map(({ system, messages }) => JSON.stringify({ system, messages }));
  expect(sent.join('\n')).toContain('Speak of ships.');
  await world.daemon.restart('SIGKILL');
  world.api.release(gate);
  for await (const _ of await client().responses.retrieve(begun.id, { stream: true }));
  expect((await client().responses.retrieve(begun.id)).output_text).toBe('After all.');
  const { answers } = await told(() => ask('On.', behind(begun)));
  expect(answers).toEqual(['One.']);
});

test('one that has not ended and has others behind it is no place to branch', async () => {
  const gate = 'unended';
  const one = await ask('One.', { background: true }, { gate });
  await ask('Two.', { ...behind(one), background: true });
  await expect(ask('Other.', behind(one))).rejects.toMatchObject({
    status: 409,
    code: 'CONFLICT',
    param: 'previous_response_id',
    message: expect.stringContaining('must have ended'),
  });
  world.api.release(gate);
});
