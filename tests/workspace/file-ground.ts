/** A project with ways out of it, and what lies outside: each file there is a canary. */
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FileContent } from '../../protocol/files.js';
import type { FilePlace, Files } from '../../services/ports/workspace.js';
import { createFiles } from '../../services/workspace/create-files.js';
import { createDirectoryHolder, type HoldDirectory } from '../../services/workspace/directory-handle.js';
import { Trash } from '../../services/workspace/trash/trash.js';

/** In every file that must not be read. */
export const CANARY = 'canary-7c1f';
/** In every file that is written from outside; never to be found in a place of canaries. */
export const WRITTEN = 'written-by-a-client';

export interface Ground {
  base: string;
  /** The directory of the session. */
  project: string;
  outside: string;
  person: string;
  /** The daemon's. */
  home: string;
}

export function makeGround(): Ground {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'companion-ground-')));
  const ground = {
    base,
    project: join(base, 'roots/project'),
    outside: join(base, 'outside'),
    person: join(base, 'person'),
    home: join(base, 'companion'),
  };
  furnish(ground);
  return ground;
}

export const removeGround = ({ base }: Ground): void => rmSync(base, { recursive: true, force: true });

const write = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

/** A file as a client gets it: opened, read to its end, closed. */
export async function readWhole(files: Files, place: FilePlace): Promise<FileContent> {
  const { info, encoding, pieces, close } = await files.read(place);
  try {
    let content = '';
    for await (const piece of pieces()) content += piece;
    return { ...info, encoding, content };
  } finally {
    await close();
  }
}

/** Everything that the hostile paths speak of. */
export function furnish(ground: Ground): void {
  const { project, outside, person, home } = ground;
  for (const path of ['secret.txt', 'dir/inner.txt', 'dir/deep/inner.txt']) write(join(outside, path), CANARY);
  mkdirSync(join(outside, 'empty'));
  for (const path of ['.ssh/id_rsa', '.claude.json', '.claude/.credentials.json']) write(join(person, path), CANARY);
  for (const path of ['registry.json', 'config.json', 'run/s/stdout.jsonl']) {
    if (!exists(join(home, path))) write(join(home, path), CANARY);
  }
  write(join(dirname(project), 'sibling.txt'), CANARY);
  write(`${project}-evil/secret.txt`, CANARY);
  for (const path of ['.env', '.env.local', '.ssh/id_rsa', 'sub/.env']) write(join(project, path), CANARY);
  write(join(project, 'ok.txt'), 'ok');
  write(join(project, 'sub/inner.txt'), 'inner');
  for (const [name, target] of Object.entries(linksOf(ground))) symlinkSync(target, join(project, name));
  execFileSync('mkfifo', [join(project, 'fifo')]);
  linkSync(join(person, '.ssh/id_rsa'), join(project, 'hard-link'));
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Links in the project that must not be used, by their names. */
export const linksOf = ({ project, outside, person, home }: Ground): Record<string, string> => ({
  out: outside,
  'out-slash': `${outside}/`,
  'out-file': join(outside, 'secret.txt'),
  'out-missing': join(outside, 'missing'),
  'out-missing-deep': join(outside, 'missing/deeper'),
  'out-relative': '../../outside',
  'out-zigzag': 'sub/../../../outside',
  'out-by-link': 'out/dir',
  'out-by-link-up': 'out/../outside/dir',
  'chain-1': 'chain-2',
  'chain-2': join(project, 'chain-3'),
  'chain-3': 'out',
  'sub/out': outside,
  'sub/up': '../..',
  up: '..',
  'up-up': '../..',
  slash: '/',
  evil: `${project}-evil`,
  'proc-root': `/proc/self/root${outside}`,
  'proc-cwd': '/proc/self/cwd',
  'proc-fd': '/proc/self/fd',
  proc: '/proc/self',
  dev: '/dev',
  'dev-null': '/dev/null',
  'dev-zero': '/dev/zero',
  etc: '/etc',
  passwd: '/etc/passwd',
  'to-ssh': join(person, '.ssh'),
  'to-key': join(person, '.ssh/id_rsa'),
  'to-claude': join(person, '.claude.json'),
  'to-credentials': join(person, '.claude/.credentials.json'),
  'to-home': home,
  'to-registry': join(home, 'registry.json'),
  'to-env': '.env',
  'to-own-ssh': '.ssh',
  loop: 'loop',
  'loop-a': 'loop-b',
  'loop-b': 'loop-a',
});

/** What is in a tree: each entry with its kind, its contents and its times. No link is followed. */
export function snapshot(folder: string, above = ''): Record<string, string> {
  const entries = readdirSync(folder).sort();
  return Object.assign(
    {},
    ...entries.map((name) => {
      const [path, shown] = [join(folder, name), join(above, name)];
      const inner = lstatSync(path).isDirectory() ? snapshot(path, shown) : {};
      return { [shown]: describe(path), ...inner };
    }),
  );
}

function describe(path: string): string {
  const stats = lstatSync(path);
  if (stats.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  if (stats.isDirectory()) return 'folder';
  return stats.isFile() ? `file ${stats.mode} ${stats.mtimeMs} ${readFileSync(path, 'utf8')}` : 'special';
}

/** All that lies outside of the project. */
export const snapshotOutside = (ground: Ground) => ({ ...snapshotBeside(ground), home: snapshot(ground.home) });

/** The same without the daemon's home, in which a daemon that runs is at work. */
export const snapshotBeside = ({ outside, person, project }: Ground) => ({
  outside: snapshot(outside),
  person: snapshot(person),
  beside: readdirSync(dirname(project)).sort(),
  evil: snapshot(`${project}-evil`),
});

interface FilesSetup {
  roots?: string[];
  hold?: HoldDirectory;
  allowSensitive?: boolean;
}

const trashIn = (base: string): Trash =>
  new Trash({ folder: join(base, 'trash'), maxBytes: 1e9, maxAgeMs: 1e9, now: () => Date.now(), log: silent });

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The files of the ground as the daemon serves them. */
export function filesOf({ base, person, home }: Ground, setup: FilesSetup = {}) {
  const { roots = [join(base, 'roots')], hold = createDirectoryHolder('linux'), allowSensitive = false } = setup;
  return createFiles({
    roots,
    home,
    people: `${home}-people`,
    personHome: person,
    claudeFolder: join(person, '.claude'),
    keyFiles: [],
    allowSensitive,
    hold,
    trash: trashIn(base),
    git: { scratch: join(base, 'git'), path: process.env.PATH },
  });
}
