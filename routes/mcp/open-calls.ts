import type { McpMessageId } from '../../protocol/mcp-message.js';
import type { Principal } from '../../services/identity/principal.js';

/** Who has sent a request: ids of requests are unique only within a session of the protocol. */
export interface CallKey {
  principal: Principal;
  /** `Mcp-Session-Id`; without one, a request cannot be cancelled. */
  protocolSession: string | undefined;
  id: McpMessageId;
}

/** The requests that are being answered, so that their clients can cancel them by another message. */
export class OpenCalls {
  readonly #open = new Map<string, AbortController>();

  /** Until `done` is called. */
  begin(key: CallKey): { cancelled: AbortSignal; done: () => void } {
    const controller = new AbortController();
    const name = nameOf(key);
    if (name !== undefined) this.#open.set(name, controller);
    const done = () => {
      if (name !== undefined && this.#open.get(name) === controller) this.#open.delete(name);
    };
    return { cancelled: controller.signal, done };
  }

  /** Does nothing for a request that is unknown or has been answered. */
  cancel(key: CallKey): void {
    const name = nameOf(key);
    if (name !== undefined) this.#open.get(name)?.abort();
  }
}

/** Of the same credential, whoever else learns the id of the session. */
function nameOf({ principal, protocolSession, id }: CallKey): string | undefined {
  const { userId, credential, device, key } = principal;
  if (protocolSession === undefined) return undefined;
  return JSON.stringify([userId, credential, device?.familyId, key?.keyId, protocolSession, id]);
}
