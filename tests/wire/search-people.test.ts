/** Two people who say the same words: each finds what is theirs, in whatever way they ask for the other's. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { SearchResults } from '../../protocol/search.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const TURNS = 3;

interface Person {
  token: string;
  sessionId: string;
  directory: string;
  secret: string;
}

let people: [Person, Person];

async function speak(name: string, email?: string): Promise<Person> {
  const { accessToken: token } = await pairDevice(world.daemon, email === undefined ? {} : { user: email });
  const directory = world.daemon.project(name);
  const body = { workingDirectory: directory };
  const sessionId = String((await askOver(world.daemon, 'POST', '/api/sessions', { token, body })).body.id);
  const secret = `${name}only`;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const prompt = `The pangolin of ${secret}. ${scenario({ text: `A pangolin, says ${secret} ${turn}.` })}`;
    const path = `/api/sessions/${sessionId}/prompts?wait=true`;
    const sent = await askOver(world.daemon, 'POST', path, { token, body: { prompt } });
    expect(sent).toMatchObject({ status: 200, body: { status: 'completed' } });
  }
  return { token, sessionId, directory, secret };
}

beforeAll(async () => {
  await addUser(world.daemon, 'ann@example.org');
  people = [await speak('owners'), await speak('anns', 'ann@example.org')];
});

const ask = ({ token }: Person, query: Record<string, string>) =>
  askOver(world.daemon, 'GET', `/api/search?${new URLSearchParams(query).toString()}`, { token });

async function find(person: Person, query: Record<string, string>): Promise<SearchResults> {
  const { status, body } = await ask(person, query);
  expect({ status, body }).toMatchObject({ status: 200, body: { complete: true } });
  return body as unknown as SearchResults;
}

const sessionsOf = ({ results }: SearchResults) => new Set(results.map(({ sessionId }) => sessionId));

describe.each([
  ['the owner', 0, 1],
  ['another person', 1, 0],
] as const)('%s', (_, mine, theirs) => {
  test('S1: finds all that was said to them with the words of both, and nothing else', async () => {
    const found = await find(people[mine], { q: 'pangolin' });
    expect(found.results).toHaveLength(2 * TURNS);
    expect(sessionsOf(found)).toEqual(new Set([people[mine].sessionId]));
    const text = JSON.stringify(found);
    for (const said of [people[theirs].sessionId, people[theirs].directory, people[theirs].secret]) {
      expect(text).not.toContain(said);
    }
  });

  test("S1: does not find the other's by its words, its beginnings, or what it lacks", async () => {
    const { secret } = people[theirs];
    for (const q of [secret, `"of ${secret}"`, `${secret.slice(0, 4)}*`]) {
      expect((await find(people[mine], { q })).results).toEqual([]);
    }
    const without = await find(people[mine], { q: `pangolin -${people[mine].secret}` });
    expect(without.results).toEqual([]);
  });

  test("S1: does not find the other's by its session or its directory, and is not told that there is one", async () => {
    const bySession = await ask(people[mine], { q: 'pangolin', sessionId: people[theirs].sessionId });
    const byNone = await ask(people[mine], { q: 'pangolin', sessionId: 'there-is-none' });
    expect(bySession).toMatchObject({ status: 404, body: { error: { code: 'SESSION_NOT_FOUND' } } });
    const { requestId: _one, ...error } = bySession.body.error ?? {};
    const { requestId: _other, ...ofNone } = byNone.body.error ?? {};
    expect(error).toEqual(ofNone);
    const { results } = await find(people[mine], { q: 'pangolin', project: people[theirs].directory });
    expect(results).toEqual([]);
  });

  test("S1: cannot go on with the other's cursor", async () => {
    const { nextCursor: cursor = '' } = await find(people[theirs], { q: 'pangolin', limit: '1' });
    expect(cursor).not.toBe('');
    expect(await ask(people[mine], { q: 'pangolin', limit: '1', cursor })).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: { field: 'cursor' } } },
    });
    const own = await find(people[mine], { q: 'pangolin', limit: '1' });
    const all = [...own.results];
    for (let next = own.nextCursor; next !== undefined; ) {
      const page = await find(people[mine], { q: 'pangolin', limit: '1', cursor: next });
      all.push(...page.results);
      next = page.nextCursor;
    }
    expect(all).toHaveLength(2 * TURNS);
    expect(new Set(all.map(({ sessionId }) => sessionId))).toEqual(new Set([people[mine].sessionId]));
  });
});

test('S1: what one purges is gone at once, with its cursors, and what the other said is still found', async () => {
  const [owner, ann] = people;
  const { nextCursor: cursor = '' } = await find(ann, { q: 'pangolin', limit: '1' });
  const path = `/api/sessions/${ann.sessionId}?purge=true`;
  expect((await askOver(world.daemon, 'DELETE', path, { token: owner.token })).status).toBe(404);
  expect((await find(ann, { q: ann.secret })).results).toHaveLength(2 * TURNS);
  expect((await askOver(world.daemon, 'DELETE', path, { token: ann.token })).status).toBe(200);
  expect((await find(ann, { q: 'pangolin' })).results).toEqual([]);
  expect((await find(ann, { q: ann.secret, project: ann.directory })).results).toEqual([]);
  expect((await find(ann, { q: 'pangolin', limit: '1', cursor })).results).toEqual([]);
  const bySession = await ask(ann, { q: 'pangolin', sessionId: ann.sessionId });
  // For a moment its followers are still told of its end.
  expect([404, 200]).toContain(bySession.status);
  expect(bySession.body.results ?? []).toEqual([]);
  expect((await find(owner, { q: 'pangolin' })).results).toHaveLength(2 * TURNS);
});
