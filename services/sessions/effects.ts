import type { PromptId } from '../../protocol/scalars.js';
import type { UserMessage } from '../ports/claude.js';
import type { PromptRecord } from '../ports/records.js';

/** A side effect of a step, executed after the step is in the journal. */
export type Effect =
  | { kind: 'startChild'; delayMs: number; afterFailure: boolean }
  | { kind: 'endChild'; insist: boolean }
  | { kind: 'sendMessage'; message: UserMessage; promptId: PromptId; requestId: string | null }
  /** The contents of these prompts are needed now. */
  | { kind: 'readPrompts'; prompts: PromptRecord[] }
  | { kind: 'answerPermission'; requestId: string; answer: Record<string, unknown> }
  | { kind: 'refuseRequest'; requestId: string; subtype: string }
  /** The CLI must accept it within this time, in milliseconds, and the turn begun then (by `ticks`) must end. */
  | { kind: 'interrupt'; withinMs: number; turnStartedAt: number }
  /** The running child must ask again about what these rules cover, and switch to this mode and model. */
  | { kind: 'adjustChild'; askRules: readonly string[]; mode?: string; model?: string }
  /** Removes rules that the CLI wrote into the directory's settings. */
  | { kind: 'forgetFileRules'; rules: readonly string[] }
  | { kind: 'checkTranscript'; uuids: string[] }
  | { kind: 'forget' };
