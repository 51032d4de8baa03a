import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { CompanionError } from '../../protocol/error-codes.js';
import type { EventData } from '../../protocol/events.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { patchText } from '../model/patch-text.js';
import type { Journal } from '../ports/journal.js';
import type { DiffPlace, EventRecord, PromptRecord } from '../ports/records.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices } from './command-context.js';
import { requirePromptOf } from './prompt.js';

export interface TurnDiff {
  files: EventData<'turnDiff'>['files'];
  /** Not everything could be compared. */
  partial?: boolean;
  /** Changes are missing: they were too many, or have expired. */
  truncated: boolean;
  /** The whole patch, as the inside of a JSON string. */
  patch: AsyncGenerator<string | Uint8Array>;
}

interface OfPrompt {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
  promptId: PromptId;
}

/**
 * What changed in the turn of a prompt; nothing for a turn that changed no file. Rejects with `NOT_FOUND`,
 * `INVALID_REQUEST` for a prompt of another session, `CONFLICT` before the end of the turn, and `TIMEOUT` when the
 * directory has not been compared 15 s later.
 */
export async function readTurnDiff(services: CommandServices, of: OfPrompt): Promise<TurnDiff> {
  const { journal } = services;
  const session = requirePromptOf(services, of);
  requireEnded(journal.findPrompt(of.promptId));
  await untilTold(session, of.promptId);
  const { hunks, ...diff } = await keptDiff(
    { journal, sessionId: session.id },
    { place: journal.findPrompt(of.promptId)?.outcome?.diff },
  );
  return { ...diff, patch: concat(diff.patch, hunks) };
}

/** `hunks`: the changes that are not in the patch, each with its path. */
export interface KeptDiff extends Omit<TurnDiff, 'patch'> {
  patch: Pieces;
  hunks: AsyncGenerator<string>;
}

interface Kept {
  place: DiffPlace | undefined;
  wanted?: (path: string) => boolean;
}

/** What is kept of the changes of a turn. `wanted` picks those that are not in the patch. */
export async function keptDiff(
  { journal, sessionId }: { journal: Journal; sessionId: SessionId },
  { place = { changes: [] }, wanted = () => true }: Kept,
): Promise<KeptDiff> {
  const event = place.seq === undefined ? undefined : journal.findEvent(sessionId, place.seq);
  const told = event && (await toldIn(journal, place, event));
  const kept = place.changes.filter((one) => journal.sizeOfEvent(sessionId, one) !== undefined);
  const patch = await patchOf(journal, { place, event, told });
  const isMissing = told?.truncated === true || !patch || kept.length < place.changes.length;
  return {
    files: told?.files ?? [],
    ...(place.partial && { partial: true }),
    truncated: isMissing,
    patch: patch ?? [],
    hunks: hunksOf(journal, { sessionId, seqs: kept, wanted }),
  };
}

function requireEnded(prompt: PromptRecord | undefined): void {
  if (prompt?.endedAt !== undefined) return;
  throw new CompanionError('CONFLICT', 'The turn of the prompt has not ended.', {
    field: 'promptId',
    rule: 'must be a prompt that has ended',
  });
}

const TOLD_MS = 15_000;

async function untilTold(session: Session, promptId: PromptId): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TOLD_MS).unref();
  });
  await Promise.race([session.diffTold(promptId), late]).finally(() => clearTimeout(timer));
  const { owedDiffs = [] } = session.state.record;
  if (owedDiffs.some(({ prompts }) => prompts.includes(promptId)))
    throw new CompanionError('TIMEOUT', 'The changes of the turn are still being compared.');
}

type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

interface Told {
  place: DiffPlace;
  event: EventRecord | undefined;
  told: EventData<'turnDiff'> | undefined;
}

/** The data without the patch in the blob. */
async function toldIn(journal: Journal, { patchAt }: DiffPlace, event: EventRecord): Promise<EventData<'turnDiff'>> {
  return patchAt === undefined ? dataOf(journal, event) : (JSON.parse(event.data) as EventData<'turnDiff'>);
}

/** The patch of the event; undefined when it is lost. A patch that follows from tool results is theirs alone. */
async function patchOf({ blobs }: Journal, { place, event, told }: Told): Promise<Pieces | undefined> {
  if (place.patchAt === undefined) return place.changes.length > 0 ? [] : [escaped(told?.patch ?? '')];
  if (!event?.blob) return undefined;
  const pieces = blobs.stream(event.blob);
  try {
    // A lost blob shows at its first piece, before anything was answered.
    const first = await pieces.next();
    return textIn(concat(first.done ? [] : [first.value], pieces), { from: place.patchAt, to: event.blob.bytes - 2 });
  } catch (error) {
    if (error instanceof CompanionError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function* textIn(pieces: AsyncIterable<Uint8Array>, { from, to }: { from: number; to: number }) {
  let at = 0;
  for await (const piece of pieces) {
    const part = piece.subarray(Math.max(0, from - at), Math.max(0, to - at));
    at += piece.length;
    if (part.length > 0) yield part;
  }
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

interface Hunks {
  sessionId: SessionId;
  seqs: readonly number[];
  wanted: (path: string) => boolean;
}

/** The changes that tools have reported. Other work gets its turn after each. */
async function* hunksOf(journal: Journal, { sessionId, seqs, wanted }: Hunks): AsyncGenerator<string> {
  for (const seq of seqs) {
    await turnOfOthers();
    const event = journal.findEvent(sessionId, seq);
    const result = event && (await dataOf<EventData<'toolResult'>>(journal, event));
    if (result?.change && wanted(result.change.path)) yield escaped(patchText(result.change));
  }
}

async function* concat<Piece>(...parts: (AsyncIterable<Piece> | Iterable<Piece>)[]): AsyncGenerator<Piece> {
  for (const part of parts) yield* part;
}

/** The data of an event, whole while its blob is there. */
async function dataOf<Data>({ blobs }: Journal, { data, blob }: EventRecord): Promise<Data> {
  const whole = blob && (await blobs.read(blob).catch(orCut));
  return JSON.parse(whole ? whole.toString('utf8') : data) as Data;
}

function orCut(error: unknown): undefined {
  if (error instanceof CompanionError && error.code === 'NOT_FOUND') return undefined;
  throw error;
}
