/** A daemon that is killed while it moves a file to the trash or back: the file is in one of the two places. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { TrashList } from '../../protocol/files.js';
import { isAlive } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-trash-kill-'));
const KILL_POINT_FILE = join(folder, 'kill-point');
const NODE_OPTIONS = `--import ${join(import.meta.dirname, '../support/kill-steps.mjs')}`;
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
/** In memory, and so on another file system than the home. */
const MEMORY = '/dev/shm';
const isElsewhere = existsSync(MEMORY) && statSync(MEMORY).dev !== statSync(tmpdir()).dev;
const elsewhere = realpathSync(mkdtempSync(join(isElsewhere ? MEMORY : tmpdir(), 'companion-trash-kill-')));
const world = useWorld({
  environment: { NODE_OPTIONS, KILL_POINT_FILE, CLAUDE_PATH, PROJECT_ROOTS: `${folder}:${elsewhere}` },
});

afterAll(() => {
  for (const one of [folder, elsewhere]) rmSync(one, { recursive: true });
});

async function ask(method: string, path: string, body?: object) {
  const response = await world.daemon.fetch(path, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}

/** Kills the daemon behind a change of the request; true when it was answered before there were so many. */
async function isAnswered(change: number, run: () => Promise<{ status: number }>): Promise<boolean> {
  const { pid } = world.daemon;
  writeFileSync(KILL_POINT_FILE, String(change));
  // Killed before it answers.
  const answer = await run().catch(() => undefined);
  const isDone = existsSync(KILL_POINT_FILE);
  if (isDone) {
    expect(answer?.status).toBe(200);
    rmSync(KILL_POINT_FILE);
    return true;
  }
  await world.daemon.until(() => !isAlive(pid));
  await world.daemon.restart('SIGKILL');
  return false;
}

const PLACES: [string, string][] = [
  ['the file system of the home', folder],
  ['another file system', elsewhere],
];

type Kind = 'file' | 'folder';

/** A session with one entry in its directory. */
async function openWith(kind: Kind, root: string) {
  const project = join(root, `project-${kind}`);
  mkdirSync(project, { recursive: true });
  const { body } = await ask('POST', '/api/sessions', { workingDirectory: project });
  const files = `/api/sessions/${String(body.id)}/files`;
  const path = join(project, 'a');
  if (kind === 'file') writeFileSync(path, 'contents');
  else mkdirSync(path);
  const trashed = async () => (await ask('GET', `${files}/trash`)).body as unknown as TrashList;
  return {
    path,
    trashed,
    remove: () => ask('DELETE', `${files}/a`),
    restore: async () => ask('POST', `${files}/trash/${(await trashed()).files[0]?.trashId}/restore`, {}),
  };
}

type Opened = Awaited<ReturnType<typeof openWith>>;

/** Whether it is in its place after a death, and then not in the trash; or else the other way round. */
async function isInPlace({ path, trashed }: Opened, change: number): Promise<boolean> {
  const isThere = existsSync(path);
  const { total } = await trashed();
  expect([change, isThere, total]).toEqual([change, isThere, isThere ? 0 : 1]);
  return isThere;
}

async function killAtEach(opened: Opened, way: 'remove' | 'restore'): Promise<number> {
  const back = way === 'remove' ? 'restore' : 'remove';
  for (let change = 1; ; change += 1) {
    if (await isAnswered(change, opened[way])) return change;
    const isDone = (await isInPlace(opened, change)) === (way === 'restore');
    if (isDone) expect((await opened[back]()).status).toBe(200);
  }
}

describe.each(PLACES)('on %s', (_name, root) => {
  test.each<Kind>(['file', 'folder'])('a %s is lost nowhere, and is never in both places', async (kind) => {
    const opened = await openWith(kind, root);
    expect(await killAtEach(opened, 'remove')).toBeGreaterThan(3);
    expect(await killAtEach(opened, 'restore')).toBeGreaterThan(3);
    expect(await isInPlace(opened, 0)).toBe(true);
    if (kind === 'file') expect(readFileSync(opened.path, 'utf8')).toBe('contents');
  });
});
