import type { SessionId } from '../../protocol/scalars.js';
import type { UserId } from './records.js';

/** One word or phrase. */
export interface Term {
  /** Follow each other. */
  parts: string[];
  /** The same as one word: `javascript` is found by `JavaScript`, and the other way round. */
  whole?: string;
  /** The last part is the beginning of a word. */
  isPrefix: boolean;
}

export interface SearchTerms {
  /** All must be there; at least one. */
  all: Term[];
  /** None may be there. */
  none: Term[];
}

/** A part of a text, in UTF-16 units. */
export interface Span {
  from: number;
  to: number;
}

export type SaidBy = 'user' | 'assistant' | 'tool';

export interface SearchRequest {
  /** Only what is this person's is found. */
  owner: UserId;
  terms: SearchTerms;
  sessionId?: SessionId | undefined;
  /** A directory. */
  project?: string | undefined;
  role?: SaidBy | undefined;
  tool?: string | undefined;
  /** Epoch milliseconds; inclusive. */
  since?: number | undefined;
  /** Epoch milliseconds; exclusive. */
  until?: number | undefined;
  limit: number;
  cursor?: string | undefined;
  /** Epoch milliseconds: recency counts from here. */
  now: number;
}

/** Something that was said, and the part of it in which the words are. */
export interface SearchHit {
  /** Where it was said: in a session, or in a conversation of a terminal. */
  place: { kind: 'session'; sessionId: SessionId; seq: number } | { kind: 'terminal'; claudeSessionId: string };
  directory: string;
  role: SaidBy;
  toolName?: string;
  messageId?: string;
  toolId?: string;
  /** Epoch milliseconds. */
  at: number;
  snippet: { text: string; marks: Span[] };
}

export interface SearchPage {
  hits: SearchHit[];
  /** Of the next page; absent on the last. */
  nextCursor?: string;
  /** Everything in the record was looked at; false while the index is filled. */
  isComplete: boolean;
}

/** Something that was said. */
export interface Said {
  role: SaidBy;
  text: string;
  toolName?: string;
  messageId?: string;
  toolId?: string;
}

/** In a transcript. `at`: epoch milliseconds. */
export interface ToldSaid extends Said {
  at: number;
}

/** A conversation of the CLI that was held outside of the sessions, or before one held it. */
export interface OutsideConversation {
  claudeSessionId: string;
  directory: string;
  /** Changes with its transcript. */
  stamp: string;
}

/** The transcripts of the owner's CLI. */
export interface OutsideConversations {
  /** Those below the allowed roots, newest first; as many as are to be searched. */
  list(): Promise<OutsideConversation[]>;
  /** What was said, in order, in small pages. */
  read(claudeSessionId: string): AsyncIterable<ToldSaid[]>;
}

/** Takes the conversations of a person that the record does not have. */
export interface OutsideIndex {
  /**
   * Those that are not in the index as they are now. All others than these are removed from it. Undefined while the index
   * has not everything of the record: what it holds of them is not known yet.
   */
  pendingOutside(owner: UserId, conversations: readonly OutsideConversation[]): Promise<string[] | undefined>;
  /** Adds a page of one. The first one replaces what the index has of it, and the last one is empty. */
  addOutside(owner: UserId, page: OutsidePage): Promise<void>;
}

export interface OutsidePage {
  conversation: OutsideConversation;
  said: readonly ToldSaid[];
  isFirst: boolean;
}

/** The index of what was said. It follows the record and can be lost: it is then made anew. */
export interface SearchIndex {
  /**
   * Finds what was committed before the call, unless the index is being filled. Rejects with `INVALID_REQUEST` for a
   * `cursor` of another search, with `STORAGE_FULL`, and with `TIMEOUT`.
   */
  search(request: SearchRequest): Promise<SearchPage>;
}
