import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, opendir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import { utf8Length } from '../../protocol/scalars.js';
import type { FilePlace } from '../ports/workspace.js';
import type { HeldDirectory, HoldDirectory } from './directory-handle.js';
import { obeyed, outside, sensitive } from './file-errors.js';
import type { Spot } from './locate.js';
import {
  isObeyed,
  isObeyedByLink,
  isObeyedFolder,
  isSensitiveName,
  keysWithin,
  type People,
  sensitivePlaces,
} from './protected-names.js';
import { canonical, hold, judge, type Scope } from './safe-path.js';
import { Turns } from './turns.js';

export interface FileAccessOptions extends People {
  roots: readonly string[];
  /** The daemon's home, which no setting opens. */
  home: string;
  /** The CLI's data of people other than the owner. Also never opened. */
  people: string;
  /** In the home: deleted files of sessions, whose other names stay theirs. */
  trash: string;
  /** Whether files with secrets can be read and written. */
  allowSensitive: boolean;
  hold: HoldDirectory;
}

/** A client's path after it was judged. */
export interface Target {
  /** The directory of the session. */
  directory: string;
  /** The client's path without empty parts. */
  names: readonly string[];
  scope: Scope;
  /** All places in which sessions may have their directories. */
  area: Scope;
  spot: Spot;
}

/** A target with the open directory that contains it. */
export interface Reached extends Target {
  folder: HeldDirectory;
  /** The entry's name in that directory. */
  name: string;
}

/** Resolves clients' paths to held directories. */
export class FileAccess {
  readonly leftovers = new Leftovers();
  readonly entries = new Turns();
  readonly #options: FileAccessOptions;

  constructor(options: FileAccessOptions) {
    this.#options = options;
  }

  /** For reading: all links are followed. */
  async find({ directory, path }: FilePlace): Promise<Target> {
    const names = this.#parse(path);
    const { scope, area } = await this.#scopesOf(directory);
    return { directory, names, scope, area, spot: await judge(join(directory, ...names), scope) };
  }

  /** For writing: the last part is an entry and never followed, so the spot is that of its folder. */
  async findFolder({ directory, path, approved = false }: FilePlace): Promise<Target & { name: string }> {
    const names = this.#parse(path);
    const name = names.at(-1);
    if (name === undefined) throw invalid('path', 'must name a file or folder in the directory of the session');
    const { scope: plain, area } = await this.#scopesOf(directory);
    const scope = approved ? plain : { ...plain, requireWritable };
    const spot = await judge(join(directory, ...names.slice(0, -1)), scope);
    if (!approved) await requireNotObeyed(join(spot.path, name));
    return { directory, names, scope, area, spot, name };
  }

  /** Opens the folder at a canonical path. The caller closes it. */
  hold(path: string, scope: Scope): Promise<HeldDirectory> {
    return hold(path, scope, this.#options.hold);
  }

  /** Opens the folder that contains the target, for the duration of `use`. */
  async within<Result>(target: Target, use: (reached: Reached) => Promise<Result>): Promise<Result> {
    const { path } = target.spot;
    const folder = await this.hold(dirname(path), target.scope);
    try {
      return await use({ ...target, folder, name: basename(path) });
    } finally {
      await folder.close();
    }
  }

  /** The status of a canonical path, read through its held folder. */
  async lookAt(path: string, scope: Scope): Promise<Stats> {
    const isRoot = scope.within.includes(path);
    const folder = await this.hold(isRoot ? path : dirname(path), scope);
    try {
      return await (isRoot ? stat(folder.self()) : lstat(folder.entry(basename(path))));
    } finally {
      await folder.close();
    }
  }

  /** Device and inode of files that must not be read by any name: a path does not reveal hard links to them. */
  forbiddenKeys(): Promise<Set<string>> {
    return keysWithin(this.#forbidden(), this.#options.trash);
  }

  #parse(path: string): string[] {
    const names = parseFilePath(path, 'path');
    if (!this.#options.allowSensitive && names.some(isSensitiveName)) throw sensitive();
    return names;
  }

  #forbidden(): string[] {
    const { home, allowSensitive } = this.#options;
    return [home, ...(allowSensitive ? [] : sensitivePlaces(this.#options))];
  }

  /** The session's directory must be unmoved since the session was opened, and still be allowed. */
  async #scopesOf(directory: string): Promise<{ scope: Scope; area: Scope }> {
    const { roots, allowSensitive } = this.#options;
    const [within, never] = await Promise.all([
      Promise.all(roots.map(canonical)),
      Promise.all([this.#options.people, ...this.#forbidden()].map(canonical)),
    ]);
    const area = { within, never, keepsSensitive: !allowSensitive, refused: outside };
    const spot = await judge(directory, area);
    if (spot.path !== directory || spot.rest.length > 0) throw directoryGone();
    return { area, scope: { ...area, within: [directory] } };
  }
}

function requireWritable(folder: string): void {
  if (isObeyedFolder(folder)) throw obeyed();
}

async function requireNotObeyed(path: string): Promise<void> {
  if (isObeyed(path) || (await isObeyedByLink(path))) throw obeyed();
}

const directoryGone = () =>
  new CompanionError('PROJECT_NOT_FOUND', 'The directory of the session no longer exists.', {
    field: 'path',
    rule: 'must be in a session whose directory exists',
  });

/** The limit of most file systems. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 2048;
export const MAX_DEPTH = 64;

/** Control characters and unpaired surrogates, which UTF-8 cannot encode. */
const UNPRINTABLE = /\p{Cc}|\p{Cs}/u;
const DRIVE = /^[A-Za-z]:/;

/**
 * The names in a client's file path, which is relative to the session's directory; empty for that directory itself. `/`
 * is the only separator; empty parts and `.` are ignored. Throws `INVALID_REQUEST` with the rejected part: anything
 * that any system could interpret as a way up or out. The path must already be decoded, once.
 */
function parseFilePath(path: string, field: string): string[] {
  const refuse = (rule: string): CompanionError => invalid(field, rule);
  if (utf8Length(path) > MAX_PATH_BYTES) throw refuse(`must be at most ${MAX_PATH_BYTES} bytes`);
  if (path.startsWith('/') || DRIVE.test(path)) throw refuse('must be relative to the directory of the session');
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length > MAX_DEPTH) throw refuse(`must be at most ${MAX_DEPTH} folders deep`);
  for (const name of names) {
    const broken = brokenNameRule(name);
    if (broken !== undefined) throw refuse(broken);
  }
  return names;
}

/** The rule that a single name breaks; undefined for an acceptable name. */
export function brokenNameRule(name: string): string | undefined {
  if (UNPRINTABLE.test(name)) return 'must not contain control characters or halves of surrogate pairs';
  if (name.includes('\\')) return 'must not contain a backslash; folders are separated by /';
  if (utf8Length(name) > MAX_NAME_BYTES) return `must have names of at most ${MAX_NAME_BYTES} bytes`;
  return isWayUp(name) ? 'must not contain .. or what is normalised to it, to / or to a backslash' : undefined;
}

/** Includes forms that only some system treats as `..` or a separator, such as full-width ones. */
function isWayUp(name: string): boolean {
  const plain = name.normalize('NFKC');
  return plain === '..' || plain === '.' || /[/\\]/.test(plain);
}

const NAME = /^\.companion-[0-9a-f]{16}\.tmp$/;
const RANDOM_BYTES = 8;

/** The name of a draft written beside the file it replaces. */
export const temporaryName = (): string => `.companion-${randomBytes(RANDOM_BYTES).toString('hex')}.tmp`;

/** Maximum entries scanned per folder. */
const MOST_ENTRIES = 10_000;
/** Maximum remembered folders; beyond that, folders are scanned again. */
const MOST_FOLDERS = 10_000;
/** A younger file can be another daemon's current draft. */
const YOUNG_MS = 60_000;

/**
 * Removes drafts left by a daemon that died while replacing a file: each folder is scanned once, at its first write.
 * Removes only regular files of this user with a single name, older than this daemon.
 */
class Leftovers {
  readonly #before = Date.now() - YOUNG_MS;
  readonly #seen = new Set<string>();

  /** Never rejects: a failed removal is no reason to refuse the write. */
  async sweep(folder: HeldDirectory): Promise<void> {
    // The folder can be unreadable or about to be removed: the write itself reports that.
    await this.#sweepOnce(folder).catch(() => undefined);
  }

  async #sweepOnce(folder: HeldDirectory): Promise<void> {
    // A new folder can have the inode of a removed one.
    const { birthtimeNs } = await stat(folder.self(), { bigint: true });
    const key = `${folder.key}:${birthtimeNs}`;
    if (this.#seen.has(key)) return;
    if (this.#seen.size >= MOST_FOLDERS) this.#seen.clear();
    this.#seen.add(key);
    await this.#removeFrom(folder);
  }

  async #removeFrom(folder: HeldDirectory): Promise<void> {
    let looked = 0;
    for await (const { name } of await opendir(folder.self())) {
      looked += 1;
      if (looked > MOST_ENTRIES) return;
      if (NAME.test(name) && (await this.#isLeft(folder.entry(name)))) await unlink(folder.entry(name));
    }
  }

  async #isLeft(path: string): Promise<boolean> {
    const stats = await lstat(path);
    const isOwn = stats.isFile() && stats.nlink === 1 && stats.uid === process.getuid?.();
    return isOwn && stats.mtimeMs < this.#before;
  }
}
