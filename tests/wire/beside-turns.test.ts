/** What the CLI of a session answers beside its turns. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ANSWERS, type AnswerData } from '../../protocol/server-frames.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { IDLE_HIBERNATE_MS: '600000' } });
const sharedDirectory = useSharedDirectory(world);

beforeAll(async () => {
  const commands = join(await sharedDirectory(), '.claude/commands');
  mkdirSync(commands, { recursive: true });
  writeFileSync(join(commands, 'ship.md'), '---\ndescription: Ships it\n---\nShip it.');
});

const open = async (client: WireClient, workingDirectory: string, prompt = '') => {
  const { sessionId, promptId } = (await client.request('streamStart', { prompt, workingDirectory })).data;
  if (prompt !== '') await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  return sessionId;
};

const paths = ({ files }: Pick<AnswerData<'suggestFiles'>, 'files'>) => files.map(({ path }) => path);

describe('sessionCapabilities', () => {
  test('lists the commands, agents, models and output styles of the session, with those of the project', async () => {
    const client = await world.connect();
    const sessionId = await open(client, await sharedDirectory());
    const { type, data } = await client.request('sessionCapabilities', { sessionId });
    expect(type).toBe('sessionCapabilities');
    const told = ANSWERS.sessionCapabilities.parse(data);
    expect(told.sessionId).toBe(sessionId);
    expect(told.commands).toContainEqual(expect.objectContaining({ name: 'clear', description: expect.any(String) }));
    expect(told.commands).toContainEqual(
      expect.objectContaining({ name: 'ship', description: expect.stringContaining('Ships it') }),
    );
    expect(told.agents.map(({ name }) => name)).toContain('Explore');
    expect(told.models.find(({ id }) => id === 'sonnet')).toMatchObject({
      name: expect.stringMatching(/sonnet/i),
      effortLevels: expect.arrayContaining(['low', 'high']),
    });
    expect(told.outputStyles).toEqual(expect.arrayContaining(['default', 'Explanatory']));
  });
});

describe('suggestFiles', () => {
  test('completes a path right after the start, in a directory without git, and not in a closed session', async () => {
    const client = await world.connect();
    const directory = world.daemon.project();
    mkdirSync(join(directory, 'src/alpha'), { recursive: true });
    for (const name of ['src/alpha/model.ts', 'src/main.ts', 'notes.md']) writeFileSync(join(directory, name), '');
    const sessionId = await open(client, directory);
    const first = await client.request('suggestFiles', { sessionId, query: 'almod' });
    expect(paths(first.data as never)).toEqual(['src/alpha/model.ts']);
    const top = await client.request('suggestFiles', { sessionId, query: '' });
    expect(paths(top.data as never).sort()).toEqual(['notes.md', 'src/']);
    const none = await client.request('suggestFiles', { sessionId, query: 'zzzzzz' });
    expect(none.data.files).toEqual([]);
    await client.request('streamClose', { sessionId, reason: 'enough' });
    const refused = await client.request('suggestFiles', { sessionId, query: 'a' });
    expect(refused.data).toMatchObject({ code: 'CONFLICT', details: { field: 'sessionId' } });
  });
});

describe('contextUsage', () => {
  test('says what fills the window, by category', async () => {
    const client = await world.connect();
    const sessionId = await open(client, await sharedDirectory(), scenario({ text: 'Done.' }));
    const { data } = await client.request('contextUsage', { sessionId });
    const { totalTokens, maxTokens, categories } = ANSWERS.contextUsage.parse(data);
    expect(maxTokens).toBeGreaterThan(100_000);
    expect(totalTokens).toBeLessThan(maxTokens);
    expect(categories).toContainEqual(expect.objectContaining({ id: 'system_prompt', tokens: expect.any(Number) }));
    expect(categories).toContainEqual(expect.objectContaining({ id: 'free_space' }));
  });
});

describe('sideQuestion', () => {
  test('is answered in the middle of a turn, and leaves no trace in the conversation', async () => {
    const client = await world.connect();
    const prompt = scenario({
      text: 'The turn goes on. '.repeat(4),
      chunk: 4,
      gateAfter: { deltas: 2, gate: 'beside' },
    });
    const started = await client.request('streamStart', { prompt, workingDirectory: await sharedDirectory() });
    const { sessionId } = started.data;
    await world.api.reached('beside');
    const { totalCount } = (await client.request('getMessageHistory', { sessionId })).data;
    const before = client.events(sessionId).length;
    const answered = await client.request('sideQuestion', {
      sessionId,
      question: scenario({ text: 'Only between us.' }),
    });
    expect(answered).toMatchObject({ type: 'sideQuestion', data: { sessionId, answer: 'Only between us.' } });
    expect(
      client
        .events(sessionId)
        .slice(before)
        .map(({ type }) => type),
    ).toEqual([]);
    world.api.release('beside');
    const end = await client.waitFor(({ type, data }) => type === 'streamComplete' && data.sessionId === sessionId);
    expect(end.data.finalResult).toContain('The turn goes on.');
    await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Next.' }) });
    await client.waitFor(({ data }) => data.finalResult === 'Next.');
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).not.toContain('Only between us.');
    const { data } = await client.request('getMessageHistory', { sessionId });
    expect(data.totalCount).toBe(Number(totalCount) + 3);
    expect(JSON.stringify(data.messages)).not.toContain('Only between us.');
  });

  test('that is blank is refused with its field', async () => {
    const client = await world.connect();
    const sessionId = await open(client, await sharedDirectory());
    const refused = await client.request('sideQuestion', { sessionId, question: ' ' });
    expect(refused.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'question' } });
  });
});
