/** One answer of Claude as it is written, wherever it is written. */
import type { Usage } from '../../protocol/content.js';

/** A part of the answer itself; what subagents say is not part of it. */
export type ChatPiece =
  | { kind: 'text'; text: string }
  | { kind: 'toolUse'; name: string; input: unknown }
  | { kind: 'toolResult'; text: string; isError: boolean };

/** The end of its turn. */
export interface ChatEnd {
  /** The CLI's, or `interrupted`, `api_error`, `usage_limit`, `child_exited`, `cancelled`. */
  subtype: string;
  isError: boolean;
  finalResult: string;
  model?: string;
  usage?: Usage;
  /** US dollars. */
  cost?: number;
  /** Of `usage_limit`, where it is known: epoch milliseconds. */
  resetsAt?: number;
}

export interface ChatListener {
  /** Its turn has begun; not told where it cannot wait for others. */
  onBegun?(): void;
  onPiece(piece: ChatPiece): void;
  onEnd(end: ChatEnd): void;
}
