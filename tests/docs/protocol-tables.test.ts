/** What PROTOCOL.md lists in tables is what the code has: no row is missing, none is left over, and each says the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CLIENT_FRAMES } from '../../protocol/client-frames.js';
import { type CommandRule, FRAME_COMMANDS, ROUTES } from '../../protocol/commands.js';
import { CLOSE, ERROR_STATUS } from '../../protocol/error-codes.js';
import { EVENTS } from '../../protocol/events.js';

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../PROTOCOL.md'), 'utf8');
const CELLS = DOCUMENT.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );

const IN_WORDS: Partial<Record<CommandRule<never>['needs'], string>> = {
  credential: 'any',
  actionToken: 'approve, or an action token',
};
const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

const inWords = (needs: CommandRule<never>['needs']): string => IN_WORDS[needs] ?? needs;

test('routes and what each needs', () => {
  const told = CELLS.flatMap(([request = '', needs = '']) => {
    const [, route] = /^`((?:GET|POST|PUT|PATCH|DELETE) \/(?!local)\S+)`$/.exec(request) ?? [];
    return route === undefined ? [] : [[route, needs.replace(/, of a device$/, '')]];
  });
  const others = /^(\/api\/claude-code|\/local)/;
  const own = ROUTES.filter(({ path }) => !others.test(path));
  const rows = own.map(({ method, path, needs }) => [`${method} ${path}`, inWords(needs)]);
  // A device is revoked by itself with any credential, and by others with `admin`.
  const revoking = 'DELETE /api/devices/:id';
  const plain = told.map(([route = '', needs = '']) => [
    route,
    route === revoking ? needs.split('; ')[1]?.split(' ')[0] : needs,
  ]);
  expect(sorted(plain)).toEqual(sorted(rows));
});

test('frames of a client and what each needs', () => {
  const told = CELLS.flatMap(([frames = '', needs = '', ...more]) => {
    const names = [...frames.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    const isOfFrames = more.length === 0 && names.length > 0 && names.every((name) => name in CLIENT_FRAMES);
    return isOfFrames ? names.map((name) => [name, needs]) : [];
  });
  const rows = Object.entries(FRAME_COMMANDS).map(([name, { needs }]) => [name, inWords(needs)]);
  expect(sorted(told)).toEqual(sorted(rows));
});

test('error codes and their status', () => {
  const told = CELLS.flatMap(([code = '', status = '']) => {
    const [, name = ''] = /^`([A-Z_]+)`$/.exec(code) ?? [];
    return name in ERROR_STATUS && /^\d{3}$/.test(status) ? [[name, Number(status)]] : [];
  });
  expect(sorted(told)).toEqual(sorted(Object.entries(ERROR_STATUS)));
});

test('close codes', () => {
  const told = CELLS.flatMap(([code = '']) => (/^(1|4)\d{3}$/.test(code) ? [Number(code)] : []));
  const unsent: number[] = [CLOSE.goingAway, CLOSE.overCapacity];
  expect(sorted(told)).toEqual(sorted(Object.values(CLOSE).filter((code) => !unsent.includes(code))));
});

test('every frame of a client has a heading, and every event an entry', () => {
  const entries = [...DOCUMENT.matchAll(/^(?:#{3,4} |\*\*)(`\w+`(?:, `\w+`)*)/gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/\w+/g)].map(([name]) => name),
  );
  const missing = [...Object.keys(CLIENT_FRAMES), ...Object.keys(EVENTS)].filter((name) => !entries.includes(name));
  expect(missing).toEqual([]);
});
