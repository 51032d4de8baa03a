/** The prompts of a session that wait. Pure. */
import type { EventData } from '../../client/browser.js';

type Status = EventData<'sessionStatus'>;
export type QueuedPrompt = NonNullable<Status['queue']>[number];

export interface Queue {
  /** In running order; at most 50. */
  prompts: readonly QueuedPrompt[];
  /** All of them. */
  depth: number;
  /** None of them starts until a person asks for it. */
  isHeld: boolean;
}

export const NO_QUEUE: Queue = { prompts: [], depth: 0, isHeld: false };

export const queueIn = ({ queue = [], queueDepth, queueHeld = false }: Status): Queue => ({
  prompts: queue,
  depth: queueDepth,
  isHeld: queueHeld,
});
