import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryCursorStore } from '../../client/cursor-store.js';
import { createFileCursorStore } from '../../client/file-cursor-store.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cursors-'));
});
afterEach(() => rm(folder, { recursive: true }));

const cursor = (seq: number) => ({ epoch: 'e1', seq });
const pathOf = () => join(folder, 'made', 'cursors.json');

describe.each([
  ['memory', () => createMemoryCursorStore()],
  ['a file', () => createFileCursorStore(pathOf())],
])('a cursor store in %s', (_kind, create) => {
  test('gives back what was saved last', async () => {
    const store = create();
    expect(await store.load()).toEqual(new Map());
    await store.save('a', cursor(1));
    await Promise.all([store.save('a', cursor(2)), store.save('b', cursor(7))]);
    expect(await store.load()).toEqual(
      new Map([
        ['a', cursor(2)],
        ['b', cursor(7)],
      ]),
    );
  });

  test('forgets a session that was removed', async () => {
    const store = create();
    await store.save('a', cursor(1));
    await store.save('b', cursor(1));
    await store.remove?.('a');
    expect([...(await store.load()).keys()]).toEqual(['b']);
  });

  test('hands out a map that changes nothing in it', async () => {
    const store = create();
    await store.save('a', cursor(1));
    ((await store.load()) as Map<string, unknown>).clear();
    expect((await store.load()).size).toBe(1);
  });
});

describe('a cursor store in a file', () => {
  test('is read by the next process', async () => {
    await createFileCursorStore(pathOf()).save('a', cursor(3));
    expect(await createFileCursorStore(pathOf()).load()).toEqual(new Map([['a', cursor(3)]]));
  });

  test('keeps what is there when something is saved before it was loaded', async () => {
    await createFileCursorStore(pathOf()).save('a', cursor(3));
    await createFileCursorStore(pathOf()).save('b', cursor(4));
    expect((await createFileCursorStore(pathOf()).load()).size).toBe(2);
  });

  test('is readable by its owner alone, and leaves no drafts', async () => {
    await createFileCursorStore(pathOf()).save('a', cursor(3));
    expect((await stat(pathOf())).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'made'))).toEqual(['cursors.json']);
  });

  test('writes a burst of saves in a few goes, and each resolves when its cursor is in the file', async () => {
    const store = createFileCursorStore(pathOf());
    await store.load();
    const saves = Array.from({ length: 1000 }, (_, seq) => store.save('a', cursor(seq)));
    await saves[0];
    const early = JSON.parse(await readFile(pathOf(), 'utf8')) as { a: { seq: number } };
    // All that were asked for before the first write began are in it.
    expect(early.a.seq).toBe(999);
    await Promise.all(saves);
  });

  test('says what is wrong with a file that is damaged, and replaces it with the next save', async () => {
    const path = join(folder, 'cursors.json');
    await writeFile(path, '{"a": {"epoch": "e1"');
    const store = createFileCursorStore(path);
    await expect(store.load()).rejects.toThrow();
    await store.save('b', cursor(1));
    expect(await createFileCursorStore(path).load()).toEqual(new Map([['b', cursor(1)]]));
  });

  test('tells when a cursor could not be saved, and saves the next one when it can', async () => {
    const path = join(folder, 'file', 'cursors.json');
    await writeFile(join(folder, 'file'), '');
    const store = createFileCursorStore(path);
    await expect(store.save('a', cursor(1))).rejects.toThrow();
    await rm(join(folder, 'file'));
    await chmod(folder, 0o700);
    await store.save('a', cursor(2));
    expect(await createFileCursorStore(path).load()).toEqual(new Map([['a', cursor(2)]]));
  });
});
