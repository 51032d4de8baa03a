/** What was said is found by everyone who said it, and by no one else. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ErrorBody } from '../../protocol/rest.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import type { SearchResults } from '../../protocol/search.js';
import { runInTerminal } from '../client/support/cli-run.js';
import { inTerminal } from '../support/desk.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

let sessionId = '';
let directory = '';
let deskId = '';

beforeAll(async () => {
  // Before the first search, which begins to look at conversations of terminals.
  deskId = await inTerminal(world.daemon, world.daemon.project('desk'), scenario({ text: 'A numbat at the desk.' }));
  const client = await world.connect();
  directory = world.daemon.project('searched');
  const turns = [
    `The parseHttpUrl function is broken. ${scenario({ text: 'I fix <b>parseHttpUrl</b> at once, café included.' })}`,
    scenario({ tools: [{ name: 'Bash', input: { command: 'echo quokka' } }] }, { text: 'データベースの検索' }),
  ];
  const opened = await client.request('streamStart', { prompt: '', workingDirectory: directory });
  sessionId = opened.data.sessionId;
  for (const prompt of turns) {
    const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  }
});

const ask = (query: Record<string, string>): Promise<Response> =>
  world.daemon.fetch(`/api/search?${new URLSearchParams(query).toString()}`);

async function find(query: Record<string, string>): Promise<SearchResults> {
  const response = await ask(query);
  const answer = (await response.json()) as SearchResults;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  expect(REST_ANSWERS.searchAll.shape?.safeParse(answer).error).toBeUndefined();
  return answer;
}

const rolesOf = ({ results }: SearchResults): string[] => results.map(({ role }) => role).sort();
const marked = ({ results }: SearchResults): string[] =>
  results.flatMap(({ snippet: { text, marks } }) => marks.map(({ from, to }) => text.slice(from, to)));

describe('what was said', () => {
  test('is found as soon as it is told, with its place and the words marked', async () => {
    const found = await find({ q: 'parsehttpurl' });
    expect(rolesOf(found)).toEqual(['assistant', 'user']);
    expect(found).toMatchObject({ complete: true, hasMore: false });
    expect(marked(found)).toContain('parseHttpUrl');
    const [first] = found.results;
    expect(first).toMatchObject({ source: 'session', sessionId, directory });
    const event = await world.daemon.fetch(`/api/sessions/${sessionId}/events/${first?.seq}`);
    expect(JSON.stringify(await event.json())).toContain('parseHttpUrl');
  });

  test('is found by parameters and pages, what tools did as well', async () => {
    expect(rolesOf(await find({ q: 'quokka', tool: 'bash', sessionId }))).toEqual(['tool', 'tool']);
    expect(rolesOf(await find({ q: '"データベース"', role: 'assistant', project: directory }))).toEqual(['assistant']);
    expect(rolesOf(await find({ q: 'cafe', until: '2020-01-01' }))).toEqual([]);
    const first = await find({ q: 'parsehttpurl', limit: '1' });
    expect(first).toMatchObject({ hasMore: true, limit: 1 });
    const second = await find({ q: 'parsehttpurl', limit: '1', cursor: first.nextCursor ?? '' });
    expect(second).toMatchObject({ hasMore: false });
    expect([...first.results, ...second.results].map(({ role }) => role).sort()).toEqual(['assistant', 'user']);
  });
});

test.each([
  [{ q: '* - ""' }, 'q'],
  [{ q: '' }, 'q'],
  [{ q: '-fish' }, 'q'],
  [{ q: 'x'.repeat(1001) }, 'q'],
  [{ q: 'fish', role: 'nobody' }, 'role'],
  [{ q: 'fish', since: 'yesterday' }, 'since'],
  [{ q: 'fish', since: '2027-01-02', until: '2027-01-01' }, 'until'],
  [{ q: 'fish', limit: '201' }, 'limit'],
  [{ q: 'fish', cursor: 'x' }, 'cursor'],
  [{ q: 'fish', sessionId: '' }, 'sessionId'],
])('a search for %j is refused by the name of the field', async (query, field) => {
  const response = await ask(query as Record<string, string>);
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as ErrorBody;
  expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { field, rule: expect.any(String) } });
});

test('what is purged is not found any more', async () => {
  const client = await world.connect();
  const { data } = await client.request('streamStart', {
    prompt: scenario({ text: 'A wombat to be forgotten.' }),
    workingDirectory: world.daemon.project('purged'),
  });
  await client.waitFor(({ type, data: { sessionId: of } }) => type === 'streamComplete' && of === data.sessionId);
  expect(rolesOf(await find({ q: 'wombat', role: 'assistant' }))).toEqual(['assistant']);
  const removed = await world.daemon.fetch(`/api/sessions/${data.sessionId}?purge=true`, { method: 'DELETE' });
  expect(removed.status).toBe(200);
  expect((await find({ q: 'wombat' })).results).toEqual([]);
});

test('what was said in a terminal is found in the background, and only what was said there', async () => {
  const atDesk = async () => (await find({ q: '"numbat at the desk"', role: 'assistant' })).results;
  await waitUntil('the conversation is in the index', async () => (await atDesk()).length > 0);
  expect(await atDesk()).toMatchObject([{ source: 'terminal', claudeSessionId: deskId }]);
  const { results } = await find({ q: 'parsehttpurl' });
  expect(results.map(({ source }) => source)).toEqual(['session', 'session']);
});

test('companion search shows who said it, where and when', async () => {
  const run = runInTerminal({ args: ['search', 'cafe', '--role', 'assistant'], home: world.daemon.home });
  expect(await run.exitCode).toBe(0);
  expect(run.stdout()).toMatch(
    /^\S+Z {2}assistant {2}\S+searched {2}\S+\n {2}I fix <b>parseHttpUrl<\/b> at once, café included\.\n$/,
  );
  const refused = runInTerminal({ args: ['search', '*', '--json'], home: world.daemon.home });
  expect(await refused.exitCode).toBe(1);
  expect(JSON.parse(refused.stdout())).toMatchObject({ error: { code: 'INVALID_REQUEST', details: { field: 'q' } } });
});
