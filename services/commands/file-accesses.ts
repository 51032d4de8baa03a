/** The record of accesses to files: what Claude's tools and people's devices did. */
import { isAbsolute, join, relative, sep } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';
import type { EventData } from '../../protocol/events.js';
import type { FileAccesses, FileAccessKind, FileAccessView, ListFileAccesses } from '../../protocol/file-accesses.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { nextCursor, readCursor } from '../model/page-cursor.js';
import type { AccessQuery, ListedAccess } from '../ports/file-accesses.js';
import type { Journal } from '../ports/journal.js';
import type { PromptRecord } from '../ports/records.js';
import type { Session } from '../sessions/session.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';
import { requirePromptOf } from './prompt.js';

interface OfSession {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
}

/** The CLI's tools that name the file or folder which they use. */
const KINDS: Readonly<Record<string, FileAccessKind>> = {
  Read: 'read',
  NotebookRead: 'read',
  Write: 'write',
  Edit: 'edit',
  MultiEdit: 'edit',
  NotebookEdit: 'edit',
  LS: 'list',
  Glob: 'search',
  Grep: 'search',
};

const ALL_KINDS: readonly FileAccessKind[] = ['read', 'write', 'edit', 'delete', 'list', 'search'];

/**
 * A page of the accesses to files in a session, newest first. Rejects with `NOT_FOUND`, also for a prompt, and with
 * `INVALID_REQUEST` for a cursor or a prompt of something else.
 */
export function listFileAccesses(
  services: CommandServices,
  { caller, sessionId, limit, offset, cursor, ...filter }: OfSession & ListFileAccesses,
): FileAccesses {
  const session = sessionOf(services, caller, sessionId);
  const { journal } = services;
  const { promptId } = filter;
  if (promptId !== undefined) requirePromptOf(services, { caller, sessionId, promptId });
  const before = cursor === undefined ? undefined : readCursor(cursor, journal.epoch);
  const { accesses, total } = journal.listAccesses({
    sessionId,
    ...namesIn(session, filter),
    ...(promptId !== undefined && { during: turnOf(journal, promptId) }),
    limit: limit + 1,
    offset: offset ?? 0,
    ...(before !== undefined && { before }),
  });
  const shown = accesses.slice(0, limit);
  const last = accesses.length > limit ? shown.at(-1) : undefined;
  const turns = new Turns(journal, session);
  return {
    accesses: shown.map((access) => accessView(session, access, turns)),
    total,
    limit,
    ...(cursor === undefined && { offset: offset ?? 0 }),
    hasMore: last !== undefined,
    ...(last && { nextCursor: nextCursor(last.number, journal.epoch) }),
  };
}

type Filter = Pick<ListFileAccesses, 'path' | 'kind' | 'tool'>;

function namesIn({ state }: Session, { path, kind, tool }: Filter): Pick<AccessQuery, 'tools' | 'kinds' | 'paths'> {
  const tools = Object.keys(KINDS).filter(
    (name) => (tool === undefined || name === tool) && (kind === undefined || KINDS[name] === kind),
  );
  const kinds = ALL_KINDS.filter((name) => tool === undefined && (kind === undefined || name === kind));
  if (path === undefined) return { tools, kinds };
  const { directory } = state.record;
  const absolute = join(isAbsolute(path) ? '' : directory, path).replace(/(?<=.)\/$/, '');
  return { tools, kinds, paths: [...new Set([absolute, shownPath(directory, absolute)])] };
}

/** Relative below the directory. */
function shownPath(directory: string, path: string): string {
  const below = isAbsolute(path) ? relative(directory, path) : path;
  return below === '..' || below.startsWith(`..${sep}`) ? path : below;
}

/** Tool uses between the message of the prompt and the end of its turn. */
function turnOf(journal: Journal, promptId: PromptId): NonNullable<AccessQuery['during']> {
  const prompt = journal.findPrompt(promptId);
  const from = prompt && journal.seqOfMessage(prompt.sessionId, prompt.uuid);
  const isOver = prompt?.endedAt !== undefined;
  const none = { promptId, from: 1, to: 0 };
  if (from === undefined) return none;
  const to = prompt?.outcome?.endSeq ?? (isOver ? undefined : Number.MAX_SAFE_INTEGER);
  return to === undefined ? none : { promptId, from, to };
}

const isRunning = ({ state }: PromptRecord): boolean => state === 'processing' || state === 'dispatching';

interface TurnRange {
  promptId: PromptId | undefined;
  from: number;
  to: number;
}

/** Finds the prompts of turns; neighbours are mostly of the same one. */
class Turns {
  readonly #journal: Journal;
  readonly #session: Session;
  #last: TurnRange | undefined;

  constructor(journal: Journal, session: Session) {
    this.#journal = journal;
    this.#session = session;
  }

  promptAt(seq: number): PromptId | undefined {
    if (!this.#last || seq < this.#last.from || seq > this.#last.to) this.#last = this.#find(seq);
    return this.#last.promptId;
  }

  #find(seq: number): TurnRange {
    const ended = this.#journal.promptsEndingFrom(this.#session.id, seq);
    const candidates = ended.length > 0 ? ended : this.#session.state.prompts.filter(isRunning);
    const prompt = candidates.find(({ mode }) => mode !== 'steer') ?? candidates[0];
    const from = prompt && this.#journal.seqOfMessage(this.#session.id, prompt.uuid);
    // Between two turns with prompts there can be one that none began.
    if (prompt === undefined || from === undefined || from > seq) return { promptId: undefined, from: seq, to: seq };
    return { promptId: prompt.promptId, from, to: prompt.outcome?.endSeq ?? Number.MAX_SAFE_INTEGER };
  }
}

function accessView(session: Session, access: ListedAccess, turns: Turns): FileAccessView {
  const sessionId = session.id;
  if ('device' in access) {
    const { kind, path, at, deviceId, promptId } = access.device;
    return { sessionId, ...(promptId && { promptId }), kind, path, timestamp: iso(at), by: 'device', deviceId };
  }
  const { seq, at, data } = access.toolUse;
  const { toolName: tool, toolId: toolUseId, toolInput } = JSON.parse(data) as EventData<'toolUse'>;
  const { file_path, notebook_path, path = '', pattern } = (toolInput ?? {}) as Readonly<Record<string, unknown>>;
  const promptId = turns.promptAt(seq);
  return {
    sessionId,
    ...(promptId && { promptId }),
    kind: KINDS[tool] ?? 'read',
    path: shownPath(session.state.record.directory, String(file_path ?? notebook_path ?? path)),
    ...(typeof pattern === 'string' && { pattern }),
    timestamp: iso(at),
    by: 'tool',
    tool,
    toolUseId,
    seq,
  };
}

const iso = (at: number): string => new Date(at).toISOString();

/** Records what a device has done with a file of a session. */
export function noteFileAccess(
  services: Pick<CommandServices, 'registry' | 'journal' | 'now'>,
  { caller, sessionId, kind, path }: OfSession & { kind: FileAccessKind; path: string },
): void {
  const { state } = sessionOf(services, caller, sessionId);
  const running = state.prompts.find(isRunning);
  try {
    services.journal.noteAccess({
      sessionId,
      seq: state.head,
      at: services.now(),
      deviceId: caller.device.deviceId,
      kind,
      path: path
        .split('/')
        .filter((name) => name !== '' && name !== '.')
        .join('/'),
      ...(running && { promptId: running.promptId }),
    });
  } catch (error) {
    // It is done. A full disk is no reason to say that it failed; the audit log has it as well.
    if (!(error instanceof CompanionError)) throw error;
  }
}
