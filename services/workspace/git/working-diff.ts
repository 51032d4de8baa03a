/** What differs between the commit that is checked out and the working tree, as git tells it. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMarked } from '../../../disk/own-file.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import { quotedName } from '../../model/patch-text.js';
import type { FilePlace, WorkingDiff } from '../../ports/workspace.js';
import { keyOf } from '../directory-handle.js';
import type { FileAccess, Target } from '../file-access.js';
import { ifSeen } from '../file-errors.js';
import { isAllowed } from '../safe-path.js';
import { openPlainRepository, type PlainRepository } from './plain-repository.js';
import type { GitResult } from './run-git.js';

export interface DiffOptions {
  access: FileAccess;
  /** A folder of the daemon's own for copies of indexes. */
  scratch: string;
  /** Where programs are. */
  path: string | undefined;
}

type DiffFile = WorkingDiff['files'][number];

const MAX_FILES = 2000;
const MAX_LIST_BYTES = 8 * 1024 * 1024;
const MAX_PATCH_BYTES = 8 * 1024 * 1024;
/** Of each of the four questions. */
const TIMEOUT_MS = 20_000;
/** What git takes for the contents before the first commit. */
const NOTHING = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/**
 * Undefined where the directory is in no repository that can be read. Files that a client cannot read are left out.
 * Rejects as reading a file does, and with `TIMEOUT` when nothing was told in time.
 */
export async function diffWorkingTree(
  { access, scratch, path }: DiffOptions,
  place: FilePlace,
  signal: AbortSignal,
): Promise<WorkingDiff | undefined> {
  const target = await access.find(place);
  const { directory, area: scope } = target;
  const repository = await openPlainRepository({ directory, scope, scratch, path });
  if (!repository) return undefined;
  try {
    return await new Comparison({ access, target, repository, signal }).tell();
  } finally {
    await repository.close();
  }
}

interface ComparisonParts {
  access: FileAccess;
  target: Target;
  repository: PlainRepository;
  signal: AbortSignal;
}

class Comparison {
  readonly #parts: ComparisonParts;
  #isCut = false;

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
  }

  async tell(): Promise<WorkingDiff> {
    const { head } = this.#parts.repository;
    await this.#addUntracked();
    const files = await this.#changedFiles();
    const patch = files.length === 0 ? '' : await this.#patchOf(files);
    return { ...(head !== undefined && { base: head }), files, patch, truncated: this.#isCut };
  }

  /** Shown as new, without their contents in the copy of the index. */
  async #addUntracked(): Promise<void> {
    const { output } = await this.#run(['ls-files', '--others', '--exclude-standard', '-z'], MAX_LIST_BYTES);
    const names = wholeParts(output).filter((name) => !name.endsWith('/'));
    const shown = await this.#shownOf(names);
    if (shown.length > MAX_FILES) this.#isCut = true;
    const input = shown.slice(0, MAX_FILES).join('\0');
    if (input === '') return;
    const args = ['add', '--intent-to-add', '--pathspec-from-file=-', '--pathspec-file-nul'];
    const { code } = await this.#ask({ args, input, maxBytes: MAX_LIST_BYTES });
    // One of them has just gone.
    if (code !== 0) this.#isCut = true;
  }

  async #changedFiles(): Promise<DiffFile[]> {
    const { output } = await this.#run([...this.#diff, '--raw', '--numstat', '-z'], MAX_LIST_BYTES);
    const files = parseList(wholeParts(output));
    const shown = new Set(await this.#shownOf(files.map((file) => file.path)));
    const kept = files.filter((file) => shown.has(file.path));
    if (kept.length > MAX_FILES) this.#isCut = true;
    return kept.slice(0, MAX_FILES);
  }

  /** The parts of those files alone: others can have come since. */
  async #patchOf(files: readonly DiffFile[]): Promise<string> {
    const wasCut = this.#isCut;
    this.#isCut = false;
    const { output } = await this.#run([...this.#diff, '--patch'], MAX_PATCH_BYTES);
    const parts = output.toString('utf8').split(/^(?=diff --git )/m);
    // The last one has no end.
    if (this.#isCut) parts.pop();
    this.#isCut ||= wasCut;
    const heads = new Set(files.map(({ path }) => `diff --git ${quotedName(`a/${path}`)} ${quotedName(`b/${path}`)}`));
    return parts.filter((part) => heads.has(part.slice(0, part.indexOf('\n')))).join('');
  }

  get #diff(): string[] {
    const { head = NOTHING } = this.#parts.repository;
    return ['diff', '--no-renames', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all', '--relative', head];
  }

  async #run(args: readonly string[], maxBytes: number): Promise<GitResult> {
    const { names } = this.#parts.target;
    const result = await this.#ask({ args: [...args, '--', names.join('/') || '.'], maxBytes });
    if (result.cut === 'time' && result.output.length === 0) {
      throw new CompanionError('TIMEOUT', 'The working tree could not be compared in time.');
    }
    if (result.cut) this.#isCut = true;
    else if (result.code !== 0) throw new UnreadableRepository(result.complaint);
    return result;
  }

  #ask({ args, ...call }: { args: readonly string[]; input?: string; maxBytes: number }): Promise<GitResult> {
    const { repository, signal } = this.#parts;
    return repository.run({ ...call, args: ['--literal-pathspecs', ...args], signal, timeoutMs: TIMEOUT_MS });
  }

  /** As for reading: by their names and places, and by what they are where they have several names. */
  async #shownOf(paths: readonly string[]): Promise<string[]> {
    const { access, target } = this.#parts;
    const shown: string[] = [];
    let forbidden: Promise<Set<string>> | undefined;
    const isSecretAt = async (path: string) => {
      const stats = await ifSeen(lstat(path, { bigint: true }));
      if (!stats?.isFile()) return false;
      if (isMarked(Number(stats.mode))) return true;
      if (stats.nlink === 1n) return false;
      forbidden ??= access.forbiddenKeys();
      return (await forbidden).has(keyOf(stats));
    };
    for (const path of paths) {
      const absolute = join(target.directory, path);
      const isShown = isAllowed(absolute, target.scope) && !(await isSecretAt(absolute));
      if (isShown) shown.push(path);
    }
    return shown;
  }
}

/** Git cannot read it: objects are missing, or it is damaged. */
export class UnreadableRepository extends Error {}

/** The parts that end with NUL. */
const wholeParts = (output: Buffer): string[] => output.toString('utf8').split('\0').slice(0, -1);

const STATUSES: Readonly<Record<string, DiffFile['status']>> = { A: 'added', D: 'deleted' };

/** The entries of `--raw`, each with its path as the next part, then those of `--numstat`. */
function parseList(parts: readonly string[]): DiffFile[] {
  const files = new Map<string, DiffFile>();
  for (const [at, part] of parts.entries()) {
    const path = parts[at + 1] ?? '';
    // A path can begin like an entry, but not behind another entry.
    if (ENTRY.test(part) && !ENTRY.test(parts[at - 1] ?? '')) {
      files.set(path, { path, status: STATUSES[part.at(-1) ?? ''] ?? 'modified', additions: 0, deletions: 0 });
    }
  }
  for (const part of parts) {
    const [, additions, deletions, path = ''] = COUNTS.exec(part) ?? [];
    const file = files.get(path);
    if (file) files.set(path, { ...file, ...countsOf(additions, deletions) });
  }
  return [...files.values()];
}

const ENTRY = /^:\d{6} \d{6} [0-9a-f]+ [0-9a-f]+ [A-Z]$/;
const COUNTS = /^(\d+|-)\t(\d+|-)\t(.*)$/s;

/** Without counts, what is binary. */
const countsOf = (additions = '-', deletions = '-'): Partial<DiffFile> =>
  additions === '-' ? { omitted: 'binary' } : { additions: Number(additions), deletions: Number(deletions) };
