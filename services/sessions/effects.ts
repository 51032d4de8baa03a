import type { PromptId } from '../../protocol/scalars.js';
import type { UserMessage } from '../ports/claude.js';
import type { PromptRecord } from '../ports/records.js';

/** What a step wants done to the world, after it is in the journal. */
export type Effect =
  | { kind: 'startChild'; delayMs: number; afterFailure: boolean }
  | { kind: 'endChild'; insist: boolean }
  | { kind: 'sendMessage'; message: UserMessage; promptId: PromptId; requestId: string | null }
  /** What they are made of is needed now. */
  | { kind: 'readPrompts'; prompts: PromptRecord[] }
  | { kind: 'answerPermission'; requestId: string; answer: Record<string, unknown> }
  | { kind: 'refuseRequest'; requestId: string; subtype: string }
  /** The CLI is to take it up within this time, in milliseconds, and the turn that began then (by `ticks`) is to end. */
  | { kind: 'interrupt'; withinMs: number; turnStartedAt: number }
  /** The living child is to ask again for what these rules of the CLI cover, and to have this mode and model. */
  | { kind: 'adjustChild'; askRules: readonly string[]; mode?: string; model?: string }
  /** Rules that the CLI wrote into the settings of the directory are taken out of them. */
  | { kind: 'forgetFileRules'; rules: readonly string[] }
  | { kind: 'checkTranscript'; uuids: string[] }
  | { kind: 'forget' };
