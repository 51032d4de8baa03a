import { setTimeout as delay } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import { isBusy } from '../../services/sessions/machine/session-state.js';
import type { Session } from '../../services/sessions/session.js';
import type { McpContext } from './mcp-context.js';

/** In it, a client says in which session it runs: the value of `CLAUDE_COMPANION_SESSION` in its environment. */
const HEADER = 'x-companion-session';
/** In it, the CLI says for which use of a tool it calls (2.1.332). */
const TOOL_USE = 'claudecode/toolUseId';
/** The CLI writes that it calls before it does (measured with 2.1.332); what it has written is read within this time. */
const WITHIN_MS = 1000;
const POLL_MS = 25;

/** The session whose agent calls; undefined for a client that is in none of the person's. */
export async function findCallingSession(context: McpContext): Promise<Session | undefined> {
  const { services, response, principal, message } = context;
  const named = response.req.headers[HEADER];
  const found = typeof named === 'string' ? services.registry.find(named as SessionId) : undefined;
  if (found?.owner === principal.userId) return found;
  const { [TOOL_USE]: toolUseId } = (message.params?._meta ?? {}) as Record<string, unknown>;
  return typeof toolUseId === 'string' && toolUseId !== '' ? findByToolUse(context, toolUseId) : undefined;
}

async function findByToolUse({ services, principal }: McpContext, toolUseId: string): Promise<Session | undefined> {
  const uses = ({ state }: Session) => [...state.tools.values()].some(({ foreignId }) => foreignId === toolUseId);
  const busy = services.registry.owned(principal.userId).filter(({ state }) => isBusy(state));
  if (busy.length === 0) return undefined;
  for (const until = performance.now() + WITHIN_MS; ; await delay(POLL_MS)) {
    // One whose output cannot be read is not the one that calls, as far as is known.
    await Promise.all(busy.map((session) => session.caughtUp().catch(() => {})));
    const found = busy.find(uses);
    if (found || performance.now() > until) return found;
  }
}
