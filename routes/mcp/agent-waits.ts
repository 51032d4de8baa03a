import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';

/** Which sessions' agents wait for the end of a prompt in which session. */
export class AgentWaits {
  readonly #waits = new Set<{ from: SessionId; to: SessionId }>();

  /**
   * Until the returned function is called. `from`: the session of the agent that waits, where it is in one. Throws
   * `CONFLICT` when the other session waits for this one by itself, or through others: neither turn would end.
   */
  begin(from: SessionId | undefined, to: SessionId): () => void {
    if (from === undefined) return () => {};
    if (this.#reaches(to, from)) throw circle();
    const wait = { from, to };
    this.#waits.add(wait);
    return () => this.#waits.delete(wait);
  }

  #reaches(from: SessionId, to: SessionId): boolean {
    const seen = new Set<SessionId>();
    const next = [from];
    for (let at = next.pop(); at !== undefined; at = next.pop()) {
      if (at === to) return true;
      if (seen.has(at)) continue;
      seen.add(at);
      for (const wait of this.#waits) if (wait.from === at) next.push(wait.to);
    }
    return false;
  }
}

function circle(): CompanionError {
  const rule = 'must not be waited for: its turn waits for the end of the turn that would wait';
  const suggestion = 'Send the prompt with wait false, and end the turn.';
  return new CompanionError('CONFLICT', `sessionId: ${rule}`, { field: 'sessionId', rule, suggestion });
}
