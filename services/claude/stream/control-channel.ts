import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { firstVersionWith } from '../../../protocol/capabilities.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import { plainLine } from '../../../protocol/plain-text.js';
import type { CliFact, ControlRequest, EffectiveRules } from '../../ports/claude.js';
import type { LimitWindow } from '../../ports/records.js';
import type { CliControlResponse } from './cli-lines.js';
import { requestFacts } from './control-requests.js';
import { parseUsageWindows, readAccount } from './usage-limits.js';

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
   * Resolves with the CLI's answer. Rejects with `INVALID_REQUEST` (its refusal), `TIMEOUT` or `CLAUDE_UNAVAILABLE`
   * (the child is gone, or its version does not know the request). `withinMs` can be infinite.
   */
  ask(
    request: ControlRequest,
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
      pending.reject(refusal(pending.subtype, response.error));
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

/** How the CLI answers a request that it does not know (2.1.197 to 2.1.332). */
const UNKNOWN_REQUEST = /^(?:unsupported|unknown) control request/i;

function refusal(subtype: string, error = 'The Claude CLI refused the request.'): CompanionError {
  if (!UNKNOWN_REQUEST.test(error)) return new CompanionError('INVALID_REQUEST', error);
  const since = firstVersionWith(subtype);
  return new CompanionError('CLAUDE_UNAVAILABLE', `This version of the Claude CLI does not know ${subtype}.`, {
    rule: since === undefined ? `needs a Claude CLI that knows ${subtype}` : `needs Claude Code ${since} or later`,
    suggestion: 'Update the Claude CLI, and start the session again.',
  });
}

function initializedFact({ response = {}, ...lists }: CliControlResponse): CliFact {
  const { account: given, claude_code_version: version } = response;
  const { pending_permission_requests: tool, pending_elicitation_requests: elicitation } = lists;
  const { pending_user_dialog_requests: dialog } = lists;
  const account = readAccount(given);
  return {
    kind: 'initialized',
    pending: {
      ...(tool && { tool: asksOf(tool) }),
      ...(dialog && { dialog: asksOf(dialog) }),
      ...(elicitation && { elicitation: asksOf(elicitation) }),
    },
    loggedIn: isLoggedIn(given),
    ...(account && { account }),
    ...(typeof version === 'string' && { version }),
  };
}

const asksOf = (requests: NonNullable<CliControlResponse['pending_permission_requests']>) =>
  requests.flatMap(requestFacts).flatMap((fact) => (fact.kind === 'permissionAsked' ? [fact.ask] : []));

/** An account without a token can still have an API key. An answer without an account does not mean a missing login. */
function isLoggedIn(account: unknown): boolean {
  if (typeof account !== 'object' || account === null) return true;
  const { tokenSource, apiKeySource } = account as { tokenSource?: unknown; apiKeySource?: unknown };
  const hasKey = typeof apiKeySource === 'string' && apiKeySource !== 'none';
  return tokenSource !== 'none' || hasKey;
}

// An entry of another shape loses only itself.
const entries = <Shape extends z.ZodType>(shape: Shape) => z.array(shape.catch(() => undefined as never)).catch([]);

const answerSchema = z.object({
  state: z.object({
    rules: entries(z.object({ rule: z.string(), behavior: z.string(), source: z.string() })),
    workspaceDirectories: entries(z.object({ path: z.string() })),
  }),
});

/** The limit for rules, and for directories. */
const MAX_ENTRIES = 500;
const MAX_RULE = 500;
const MAX_NAME = 64;
const MAX_PATH = 4096;

/**
 * The CLI's current rules to allow, ask and deny; undefined where it does not report them: 2.1.197 does not know the
 * request, and a starting CLI may not answer within `withinMs`.
 */
export async function readRules(control: ControlChannel, withinMs: number): Promise<EffectiveRules | undefined> {
  // A refusal, a timeout or an ended child means that no rules are reported.
  const answer = await control.ask({ subtype: 'list_permission_rules' }, { withinMs }).catch(() => undefined);
  const { data } = answerSchema.safeParse(answer);
  if (!data) return undefined;
  const rules = data.state.rules.filter((entry) => entry !== undefined);
  const directories = data.state.workspaceDirectories.filter((entry) => entry !== undefined);
  return {
    rules: rules.slice(0, MAX_ENTRIES).map(({ rule, behavior, source }) => ({
      rule: plainLine(rule, MAX_RULE),
      behavior: plainLine(behavior, MAX_NAME),
      source: plainLine(source, MAX_NAME),
    })),
    directories: directories.slice(0, MAX_ENTRIES).map(({ path }) => plainLine(path, MAX_PATH)),
    ...((rules.length > MAX_ENTRIES || directories.length > MAX_ENTRIES) && { truncated: true }),
  };
}

/**
 * The windows of the account's usage limits; undefined where it has none, or the CLI does not answer within `withinMs`.
 * Without `skip_behaviors` the CLI would read all transcripts of a week.
 */
export async function readUsageWindows(control: ControlChannel, withinMs: number): Promise<LimitWindow[] | undefined> {
  // A refusal, a timeout or an ended child means that no windows are reported.
  const answer = await control.ask({ subtype: 'get_usage', skip_behaviors: true }, { withinMs }).catch(() => undefined);
  return parseUsageWindows(answer);
}

/** How the CLI learns that the daemon does not support a request. */

export interface Refused {
  requestId: string;
  /** The subtype of the control request. */
  subtype: string;
}

/**
 * The control response that refuses a request, such as an elicitation that cannot be shown. Claude Code turns an error about an elicitation into the answer
 * "cancel", which the MCP server attributes to the person. So an elicitation gets a result that the CLI accepts and its
 * MCP client rejects: MCP allows no `null` among the values of a form. The server then receives a JSON-RPC error that
 * quotes the reason. "cancel" remains for a client that does not check.
 */
export function refusalOf({ requestId, subtype }: Refused): object {
  const reason = `${subtype} is not supported here`;
  const answer =
    subtype === 'elicitation'
      ? { subtype: 'success', response: { action: 'cancel', content: { [reason]: null } } }
      : { subtype: 'error', error: reason };
  return { type: 'control_response', response: { request_id: requestId, ...answer } };
}
