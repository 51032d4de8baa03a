/** What a person is told when files that programs obey are not as they were when they last opened the directory. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

async function open(client: WireClient, workingDirectory: string): Promise<string> {
  return (await client.request('streamStart', { prompt: '', workingDirectory })).data.sessionId;
}

test('S1: opening a directory again says which files that programs obey have changed since', async () => {
  const client = await world.connect();
  const directory = world.daemon.project('trusted');
  write(join(directory, '.git/hooks/pre-commit'), 'true');
  write(join(directory, '.git/index'), '1');
  write(join(directory, 'src/main.ts'), '1');
  write(join(directory, 'node_modules/x/.claude/settings.json'), '{}');
  write(join(directory, '.mcp.json'), '{}');
  const sessionId = await open(client, directory);
  const notices = () => client.events(sessionId).filter(({ type }) => type === 'notice');
  const isTold = (text: string) => notices().some(({ data }) => String(data.message).includes(text));
  /** A change from before the last look has come to its end is no news, so there is another one each time. */
  const untilTold = (text: string, change: (count: number) => void) => {
    let count = 0;
    return waitUntil(`${text} is told`, async () => {
      count += 1;
      change(count);
      await open(client, directory);
      return isTold(text);
    });
  };

  await untilTold('.git/hooks/pre-commit', (count) => {
    write(join(directory, '.git/index'), String(count));
    write(join(directory, 'src/main.ts'), String(count));
    write(join(directory, 'node_modules/x/.claude/settings.json'), `{"a":${count}}`);
    write(join(directory, '.git/hooks/pre-commit'), `echo ${count}`);
  });
  await untilTold('packages/a/.claude/settings.json', (count) =>
    write(join(directory, 'packages/a/.claude/settings.json'), `{"a":${count}}`),
  );
  expect(isTold('.mcp.json')).toBe(false);
  rmSync(join(directory, '.mcp.json'));
  await untilTold('1 removed', () => {});
  for (const { data } of notices()) {
    expect(data).toMatchObject({ kind: 'obeyed_files_changed', level: 'warning' });
    expect(data.message).not.toMatch(/index|main|node_modules/);
  }
});

test('a directory in which nothing changes is opened without a word', async () => {
  const client = await world.connect();
  const directory = world.daemon.project('quiet');
  write(join(directory, '.claude/settings.json'), '{}');
  const sessionId = await open(client, directory);
  const other = world.daemon.project('loud');
  const told = await open(client, other);
  let count = 0;
  await waitUntil('another directory is told of', async () => {
    count += 1;
    write(join(other, 'CLAUDE.md'), String(count));
    await open(client, directory);
    await open(client, other);
    return client.events(told).some(({ type }) => type === 'notice');
  });
  expect(client.events(sessionId).filter(({ type }) => type === 'notice')).toEqual([]);
});
