/** `docs/coverage.md` against the code: what it says that is here is here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { settingsSchema } from '../../config/settings.js';
import { CLIENT_FRAMES } from '../../protocol/client-frames.js';
import { EVENTS } from '../../protocol/events.js';
import { ANSWERS, POSITIONED } from '../../protocol/server-frames.js';
import { findRoute } from '../../routes/access/find-route.js';
import { useWorld } from '../support/world.js';

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/coverage.md'), 'utf8');
const STATES = ['works', 'replaced', 'declined'];

interface Row {
  item: string;
  state: string;
  here: string;
}

const rows: Row[] = DOCUMENT.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '))
  .filter(([, state = '']) => STATES.includes(state))
  .map(([item = '', state = '', here = '']) => ({ item, state, here }));

const found = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, name = '']) => name);
const routesIn = (text: string) => found(text, /`((?:GET|POST|PUT|PATCH|DELETE) \/[^`]*)`/g);
const isRoute = (route: string): boolean => {
  const [method = '', path = ''] = route.split(' ');
  return findRoute(method, path.replace(/[:*]\w+/g, 'x')) !== undefined;
};

test('the documents have rows, each of four columns at most', () => {
  expect(rows.length).toBeGreaterThan(100);
  expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(STATES));
});

test.each(rows.filter(({ state }) => state === 'works' || state === 'replaced'))('$item: is here', ({ here }) => {
  expect(here).not.toBe('');
  expect(routesIn(here).filter((route) => !isRoute(route))).toEqual([]);
  const frames = { ...CLIENT_FRAMES, ...ANSWERS, ...POSITIONED };
  expect(found(here, /frame `(\w+)`/g).filter((name) => !Object.hasOwn(frames, name))).toEqual([]);
  expect(found(here, /event `(\w+)`/g).filter((name) => !Object.hasOwn(EVENTS, name))).toEqual([]);
  const settings = found(here, /`([A-Z][A-Z_]+_[A-Z_]+|PORT)`/g);
  const known = { COMPANION_HOME: true, ...settingsSchema.shape };
  expect(settings.filter((name) => !Object.hasOwn(known, name))).toEqual([]);
});

describe('a daemon', () => {
  const world = useWorld();

  test('has every route that is named', async () => {
    const routes = new Set(rows.flatMap(({ here }) => routesIn(here)));
    const missing: string[] = [];
    for (const route of routes) {
      const [method = '', path = ''] = route.split(' ');
      const answer = await world.daemon.fetch(path.replace(/[:*]\w+/g, 'x'), { method: 'OPTIONS' });
      if (!answer.headers.get('allow')?.split(', ').includes(method)) missing.push(route);
    }
    expect(missing).toEqual([]);
    expect(routes.size).toBeGreaterThan(40);
  });
});

test.each(rows.filter(({ state }) => state === 'declined'))('$item: is declined with a reason', ({ here }) => {
  expect(here.split(' ').length).toBeGreaterThan(1);
});
