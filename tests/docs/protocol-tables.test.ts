/** The documents of the protocol have a table for everything that the code has; `npm run check` says whether it is fresh. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CLIENT_FRAMES } from '../../protocol/client-frames.js';
import { EVENTS } from '../../protocol/events.js';
import { ANSWERS, POSITIONED } from '../../protocol/server-frames.js';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const PROTOCOL = textOf('PROTOCOL.md');
const FRAMES = textOf('docs/protocol/frames.md');
const EVENT_FRAMES = textOf('docs/protocol/events.md');
const REST = textOf('docs/protocol/rest.md');

const hasBlock = (document: string, block: string): boolean =>
  new RegExp(`<!-- generated: ${block} -->\\n\\n[|A-Z#-][\\s\\S]*?\\n<!-- end -->`).test(document);
const headingsOf = (document: string): string[] =>
  [...document.matchAll(/^#{2,4} (.+)$/gm)].flatMap(([, text = '']) =>
    [...text.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );

test.each(Object.keys(CLIENT_FRAMES))('the frame %s has a section, and its table', (name) => {
  expect(headingsOf(FRAMES)).toContain(name);
  // Its twin has the same fields.
  const described = name === 'clientForegrounding' ? 'clientBackgrounding' : name;
  expect(hasBlock(FRAMES, `frame ${described}`)).toBe(true);
});

test.each(Object.keys(EVENTS))('the event %s has a section, and its table', (name) => {
  expect(headingsOf(EVENT_FRAMES)).toContain(name);
  expect(hasBlock(EVENT_FRAMES, `event ${name}`)).toBe(true);
});

test.each([...Object.keys(POSITIONED), 'caughtUp', 'reset', 'conversationResult'])(
  'the frame %s of the daemon has a section, and its table',
  (name) => {
    expect(headingsOf(EVENT_FRAMES)).toContain(name);
    expect(hasBlock(EVENT_FRAMES, `message ${name}`)).toBe(true);
  },
);

test('every other frame of the daemon is an answer, or is described with connections and errors', () => {
  const answers = new Set([...FRAMES.matchAll(/^Answer: `(\w+)`$/gm)].map(([, name = '']) => name));
  const others = Object.keys(ANSWERS).filter(
    (name) => !answers.has(name) && !hasBlock(EVENT_FRAMES, `message ${name}`),
  );
  expect(others.sort()).toEqual(['error', 'tokenExpiring', 'welcome']);
});

test.each([
  'message welcome',
  'client-envelope',
  'server-envelope',
  'capabilities',
  'sizes',
  'errors',
  'close-codes',
  'scopes',
  'rate-limits',
])('the table %s is in PROTOCOL.md', (block) => expect(hasBlock(PROTOCOL, block)).toBe(true));

test.each(['routes', 'routes local', 'route-sections'])('the table %s is in rest.md', (block) =>
  expect(hasBlock(REST, block)).toBe(true),
);

test('the schemas of the documents permit fields of a later version', () => {
  const { components } = JSON.parse(textOf('docs/protocol/openapi.json'));
  expect(components.schemas.Session).toMatchObject({ type: 'object' });
  expect(components.schemas.Session).not.toHaveProperty('additionalProperties');
});
