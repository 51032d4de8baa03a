import { randomUUID } from 'node:crypto';
import { CompanionError } from '../../protocol/error-codes.js';
import type { CliFact } from '../ports/claude.js';
import type { CliControlResponse } from './cli-lines.js';

interface Pending {
  subtype: string;
  resolve: (answer: CliControlResponse['response']) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout | undefined;
}

const ANSWER_TIMEOUT_MS = 15_000;

/** The daemon's pending requests to the CLI, matched by request id with the answers on its stdout. */
export class ControlChannel {
  readonly #pending = new Map<string, Pending>();
  readonly #write: (line: object) => void;

  constructor(write: (line: object) => void) {
    this.#write = write;
  }

  /** Resolves when the CLI has agreed. Rejects as `ask` does. */
  async request(...question: Parameters<ControlChannel['ask']>): Promise<void> {
    await this.ask(...question);
  }

  /**
   * Resolves with the CLI's answer. Rejects with `INVALID_REQUEST` (its refusal), `TIMEOUT` or `CLAUDE_UNAVAILABLE`.
   * `withinMs` can be infinite.
   */
  ask(
    request: { subtype: string } & Record<string, unknown>,
    { withinMs = ANSWER_TIMEOUT_MS }: { withinMs?: number } = {},
  ): Promise<CliControlResponse['response']> {
    const requestId = randomUUID();
    return new Promise((resolve, reject) => {
      const expire = () => {
        this.#pending.delete(requestId);
        reject(new CompanionError('TIMEOUT', `The Claude CLI did not answer ${request.subtype} in time.`));
      };
      const timer = Number.isFinite(withinMs) ? setTimeout(expire, withinMs) : undefined;
      this.#pending.set(requestId, { subtype: request.subtype, resolve, reject, timer });
      this.#write({ type: 'control_request', request_id: requestId, request });
    });
  }

  /**
   * Takes a `control_response` line: an answer to the daemon, or the CLI's confirmation that it has read one of its.
   */
  receive(response: CliControlResponse): CliFact[] {
    const pending = this.#pending.get(response.request_id);
    if (!pending) return [{ kind: 'permissionRead', requestId: response.request_id }];
    this.#pending.delete(response.request_id);
    clearTimeout(pending.timer);
    if (response.subtype !== 'success') {
      pending.reject(new CompanionError('INVALID_REQUEST', response.error ?? 'The Claude CLI refused the request.'));
      return [];
    }
    pending.resolve(response.response);
    return pending.subtype === 'initialize' ? [initializedFact(response)] : [];
  }

  /** The child is gone, so no answers will follow. */
  close(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new CompanionError('CLAUDE_UNAVAILABLE', 'The Claude CLI ended before it answered.'));
    }
    this.#pending.clear();
  }
}

function initializedFact({ response = {}, pending_permission_requests: pending = [] }: CliControlResponse): CliFact {
  const { account, claude_code_version: version } = response;
  return {
    kind: 'initialized',
    pendingRequestIds: pending.map(({ request_id: requestId }) => requestId),
    loggedIn: isLoggedIn(account),
    ...(typeof version === 'string' && { version }),
  };
}

/** An account without a token can still have an API key. An answer without an account does not mean a missing login. */
function isLoggedIn(account: unknown): boolean {
  if (typeof account !== 'object' || account === null) return true;
  const { tokenSource, apiKeySource } = account as { tokenSource?: unknown; apiKeySource?: unknown };
  const hasKey = typeof apiKeySource === 'string' && apiKeySource !== 'none';
  return tokenSource !== 'none' || hasKey;
}
