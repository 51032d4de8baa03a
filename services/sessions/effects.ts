import type { PromptId } from '../../protocol/scalars.js';
import type { UserMessage } from '../ports/claude.js';

/** What a step wants done to the world, after it is in the journal. */
export type Effect =
  | { kind: 'startChild'; delayMs: number; afterFailure: boolean }
  | { kind: 'endChild' }
  | { kind: 'sendMessage'; message: UserMessage; promptId: PromptId; requestId: string | null }
  | { kind: 'answerPermission'; requestId: string; answer: Record<string, unknown> }
  | { kind: 'refuseRequest'; requestId: string; reason: string }
  | { kind: 'interrupt' }
  | { kind: 'checkTranscript'; uuids: string[] }
  | { kind: 'forget' };
