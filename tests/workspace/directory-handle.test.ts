import { renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createWorkspace } from '../../services/workspace/allowed-roots.js';
import { createDirectoryHolder } from '../../services/workspace/directory-handle.js';
import { filesOf, type Ground, makeGround, removeGround } from './file-ground.js';

let ground: Ground;
beforeEach(() => {
  ground = makeGround();
});
afterEach(() => removeGround(ground));

test('S2: a held directory stays what it is and says where it lies, when its path leads elsewhere by now', async () => {
  const path = join(ground.project, 'sub');
  const held = await createDirectoryHolder('linux')(path);
  const child = await createDirectoryHolder('linux')(ground.project).then(async (parent) => {
    const found = await parent.child('sub');
    await parent.close();
    return found;
  });
  expect(child.key).toBe(held.key);
  renameSync(path, join(ground.base, 'moved'));
  symlinkSync(ground.outside, path);
  for (const one of [held, child]) expect(await one.location()).toBe(join(ground.base, 'moved'));
  await Promise.all([held.close(), child.close()]);
});

test('S2: where no path leads through a handle, directories can be worked in, and files are not served', async () => {
  const hold = createDirectoryHolder('freebsd');
  const workspace = createWorkspace({
    roots: [join(ground.base, 'roots')],
    home: ground.home,
    people: `${ground.home}-people`,
    hold,
  });
  const field = 'workingDirectory';
  expect((await workspace.resolveDirectory(ground.project, { field })).path).toBe(ground.project);
  await expect(workspace.resolveDirectory('project/out', { field })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
  const files = filesOf(ground, { hold });
  const place = { directory: ground.project, path: 'ok.txt' };
  const refused = { code: 'PERMISSION_DENIED', details: { field: 'path' } };
  await expect(files.read(place)).rejects.toMatchObject(refused);
  await expect(files.replace(place, { bytes: [Buffer.from('x')] })).rejects.toMatchObject(refused);
  await expect(files.list({ ...place, path: '' }, { recursive: false })).rejects.toMatchObject(refused);
});
