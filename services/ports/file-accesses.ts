import type { FileAccessKind } from '../../protocol/file-accesses.js';
import type { DeviceId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { EventRecord, PromptRecord } from './records.js';

/** What a device did with a file over REST. */
export interface DeviceAccess {
  sessionId: SessionId;
  /** Of the last event before it. */
  seq: number;
  at: number;
  deviceId: DeviceId;
  kind: FileAccessKind;
  path: string;
  /** Of the turn that ran then. */
  promptId?: PromptId;
}

/** A tool use or what a device did, with its number: later ones have greater numbers in an epoch. */
export type ListedAccess = { number: number } & ({ toolUse: EventRecord } | { device: DeviceAccess });

export interface AccessQuery {
  sessionId: SessionId;
  /** Names of tools, and kinds of devices' accesses. */
  tools: readonly string[];
  kinds: readonly FileAccessKind[];
  /** As Claude and devices name a file. */
  paths?: readonly string[];
  /** Tool uses with these seqs, both included, and what devices did during this prompt. */
  during?: { promptId: PromptId; from: number; to: number };
  limit: number;
  offset: number;
  /** Only those before the one with this number. */
  before?: number;
}

/** Accesses to files: the tool uses among the events, and what devices did. Both go with their session. */
export interface FileAccessStore {
  /** The last 10,000 of a session are kept, as long as its events. */
  noteAccess(access: DeviceAccess): void;
  /** Newest first, and how many there are. */
  listAccesses(query: AccessQuery): { accesses: ListedAccess[]; total: number };
  /** The prompts of the turn that was first to end at this seq or later. */
  promptsEndingFrom(sessionId: SessionId, seq: number): PromptRecord[];
}
