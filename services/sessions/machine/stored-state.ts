import type { SessionRecord, StoredSession } from '../../ports/records.js';
import { readRemembered } from './remembered-grants.js';
import type { SessionState, Turn } from './session-state.js';
import { newTurn } from './turns.js';

/** The state of a session when the daemon starts. */
export function stateOf({ record, head, prompts, permissions }: StoredSession): SessionState {
  const isRunning = prompts.some(({ state }) => state !== 'queued');
  // Only the wall clock could tell how long the earlier daemon was gone, and it can have been set meanwhile.
  const ticks = performance.now();
  return {
    ticks,
    record: {
      ...record,
      ...(record.remembered && { remembered: readRemembered(record.remembered, record.updatedAt) }),
    },
    head,
    child: { phase: record.child ? 'adopting' : 'none' },
    turn: isRunning && record.child ? turnOf(record, ticks) : null,
    prompts,
    permissions,
    background: record.child?.background ?? [],
    tools: new Map(),
    failures: [],
  };
}

/** The turn that ran when the previous daemon ended, as far as its child's record shows. */
const turnOf = ({ child }: SessionRecord, ticks: number): Turn => ({
  ...newTurn(ticks),
  answering: child?.answering ?? false,
  interrupted: child?.interrupted ?? false,
  outputLost: child?.outputLost ?? false,
});
