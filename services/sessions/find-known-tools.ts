import type { CliLine } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { SessionState } from './session-state.js';
import type { KnownTool, KnownTools } from './tool-ids.js';

export interface KnownToolsQuery {
  lines: readonly CliLine[];
  state: SessionState;
  journal: Pick<Journal, 'isToolTaken' | 'findTool'>;
}

/** The recorded tools that are used, or whose results arrive, in these lines. */
export async function findKnownTools({ lines, state, journal }: KnownToolsQuery): Promise<KnownTools> {
  const { sessionId } = state.record;
  const facts = lines.flatMap((line) => line.facts);
  const ids = facts.flatMap((fact) => (fact.kind === 'block' && 'id' in fact.content ? [fact.content.id] : []));
  const taken = new Set<string>();
  for (const id of new Set(ids)) if (await journal.isToolTaken(sessionId, id)) taken.add(id);
  const isRunning = new Set([...ids, ...[...state.tools.values()].map(({ foreignId }) => foreignId)]);
  const used = new Map<string, KnownTool>();
  for (const fact of facts) {
    if (fact.kind !== 'toolResult' || isRunning.has(fact.toolId)) continue;
    const tool = await journal.findTool(sessionId, fact.toolId);
    if (tool) used.set(fact.toolId, tool);
  }
  return { taken, used };
}
