/** What a session has changed. */
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionDiff } from '../../protocol/files.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { PromptRecord } from '../ports/records.js';
import type { Files } from '../ports/workspace.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';
import { type KeptDiff, keptDiff } from './turn-diff.js';

interface DiffRequest {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
  path?: string | undefined;
  /** The caller has gone. */
  signal: AbortSignal;
}

/**
 * What is not committed in the directory of the session. Where it is in no repository, what is kept of the changes of
 * its turns. Rejects with `NOT_FOUND`, `TIMEOUT`, and as files do for the path.
 */
export async function readSessionDiff(
  services: CommandServices & { files: Files },
  { caller, sessionId, path = '', signal }: DiffRequest,
): Promise<SessionDiff> {
  const { directory } = sessionOf(services, caller, sessionId).state.record;
  const found = await services.files.diff({ directory, path }, signal);
  if (found) return { sessionId, source: 'git', ...found };
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  return { sessionId, source: 'turns', ...(await diffOfTurns(services.journal, sessionId, names.join('/'))) };
}

const MAX_FILES = 2000;
const MAX_PATCH_UNITS = 8 * 1024 * 1024;
const BATCH = 100;

type ByPath = Map<string, SessionDiff['files'][number]>;

async function diffOfTurns(journal: Journal, sessionId: SessionId, path: string) {
  const files: ByPath = new Map();
  let [patch, truncated] = ['', false];
  for (const { outcome } of turnsOf(journal, sessionId)) {
    if (!outcome?.diff) continue;
    const diff = await keptDiff({ journal, sessionId }, { place: outcome.diff, wanted: (one) => isAt(one, path) });
    truncated ||= diff.truncated || diff.partial === true;
    add(files, diff, path);
    const text = patchAt(await textOf(diff.patch), path) + (await textOf(diff.hunks));
    if (patch.length + text.length > MAX_PATCH_UNITS) truncated = true;
    else patch += text;
    await turnOfOthers();
  }
  const all = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: all.slice(0, MAX_FILES), patch, truncated: truncated || all.length > MAX_FILES };
}

/** Prompts that have ended, oldest first. */
function turnsOf(journal: Journal, sessionId: SessionId): PromptRecord[] {
  const found: PromptRecord[] = [];
  for (let before: number | undefined; ; ) {
    const range = { sessionId, limit: BATCH, offset: 0, ...(before !== undefined && { before }) };
    const { prompts } = journal.listPrompts(range);
    found.push(...prompts.map(({ prompt }) => prompt));
    before = prompts.at(-1)?.number;
    if (prompts.length < BATCH) return found.reverse();
  }
}

const isAt = (path: string, wanted: string): boolean =>
  wanted === '' || path === wanted || path.startsWith(`${wanted}/`);

/** Lines that several turns have changed count for each. */
function add(files: ByPath, diff: KeptDiff, wanted: string): void {
  for (const file of diff.files) {
    if (!isAt(file.path, wanted)) continue;
    const before = files.get(file.path);
    const additions = (before?.additions ?? 0) + file.additions;
    files.set(file.path, { ...file, additions, deletions: (before?.deletions ?? 0) + file.deletions });
  }
}

/** Its pieces are the inside of a JSON string. */
async function textOf(patch: KeptDiff['patch']): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of patch) {
    const part = Buffer.from(piece as string);
    bytes += part.length;
    pieces.push(part);
    if (bytes > 2 * MAX_PATCH_UNITS) break;
  }
  if (bytes > 2 * MAX_PATCH_UNITS) return ' '.repeat(MAX_PATCH_UNITS + 1);
  return JSON.parse(`"${Buffer.concat(pieces).toString('utf8')}"`) as string;
}

/** A line that begins so is in no hunk: those begin with a blank, a sign or a backslash. */
const FILE = /^(?=diff --git )/m;

function patchAt(patch: string, wanted: string): string {
  if (wanted === '') return patch;
  const isWanted = (part: string) => {
    const name = /^(?:\+\+\+|---) "?[ab]\/(.*?)"?\t?$/m.exec(part.replace(/^--- \/dev\/null$/m, ''))?.[1];
    return name !== undefined && isAt(name, wanted);
  };
  return patch.split(FILE).filter(isWanted).join('');
}
