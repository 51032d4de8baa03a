import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { FilePlace } from '../ports/workspace.js';
import type { HeldDirectory, HoldDirectory } from './directory-handle.js';
import { obeyed, outside, sensitive } from './file-errors.js';
import { parseFilePath } from './file-path.js';
import { Leftovers } from './leftovers.js';
import type { Spot } from './locate.js';
import { isObeyed, isObeyedByLink, isObeyedFolder } from './obeyed-names.js';
import { canonical, hold, judge, type Scope } from './safe-path.js';
import { isSensitiveName, keysWithin, type People, sensitivePlaces } from './sensitive-places.js';

export interface FileAccessOptions extends People {
  roots: readonly string[];
  /** The daemon's home, which no setting opens. */
  home: string;
  /** The CLI's data of people other than the owner. Also never opened. */
  people: string;
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
  readonly #options: FileAccessOptions;

  constructor(options: FileAccessOptions) {
    this.#options = options;
  }

  /** For reading: all links are followed. */
  async find({ directory, path }: FilePlace): Promise<Target> {
    const names = this.#parse(path);
    const scope = await this.#scopeOf(directory);
    return { directory, names, scope, spot: await judge(join(directory, ...names), scope) };
  }

  /** For writing: the last part is an entry and never followed, so the spot is that of its folder. */
  async findFolder({ directory, path, approved = false }: FilePlace): Promise<Target & { name: string }> {
    const names = this.#parse(path);
    const name = names.at(-1);
    if (name === undefined) throw invalid('path', 'must name a file or folder in the directory of the session');
    const plain = await this.#scopeOf(directory);
    const scope = approved ? plain : { ...plain, requireWritable };
    const spot = await judge(join(directory, ...names.slice(0, -1)), scope);
    if (!approved) await requireNotObeyed(join(spot.path, name));
    return { directory, names, scope, spot, name };
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
    return keysWithin(this.#forbidden());
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
  async #scopeOf(directory: string): Promise<Scope> {
    const { roots, allowSensitive } = this.#options;
    const [within, never] = await Promise.all([
      Promise.all(roots.map(canonical)),
      Promise.all([this.#options.people, ...this.#forbidden()].map(canonical)),
    ]);
    const scope = { within, never, keepsSensitive: !allowSensitive, refused: outside };
    const spot = await judge(directory, scope);
    if (spot.path !== directory || spot.rest.length > 0) throw directoryGone();
    return { ...scope, within: [directory] };
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
