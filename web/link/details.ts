/** Asks for what a session's view shows beside its conversation, and tells the store. Never rejects. */
import { changeSession, showLimits } from '../../client/rest/index.js';
import type { Details, Loadable } from '../store/session-details.js';
import type { ConsoleParts } from '../views/use-console.js';
import { wordsOf } from './link.js';

async function load<K extends 'capabilities' | 'context'>(
  { store }: ConsoleParts,
  { sessionId, what, ask }: { sessionId: string; what: K; ask: () => Promise<unknown> },
): Promise<void> {
  const tell = (loaded: Loadable<unknown>) =>
    store.dispatch({ do: 'detail', sessionId, detail: { [what]: loaded } as Partial<Details> });
  try {
    tell({ kind: 'known', value: await ask() });
  } catch (error) {
    tell({ kind: 'failed', because: wordsOf(error) });
  }
}

export const loadCapabilities = (parts: ConsoleParts, sessionId: string): Promise<void> =>
  load(parts, {
    sessionId,
    what: 'capabilities',
    ask: () => parts.link.client.sessionCapabilities({ sessionId }),
  });

export const loadContext = (parts: ConsoleParts, sessionId: string): Promise<void> =>
  load(parts, { sessionId, what: 'context', ask: () => parts.link.client.contextUsage({ sessionId }) });

export async function loadLimits({ link, store }: ConsoleParts): Promise<void> {
  try {
    const { updatedAt, ...limit } = await showLimits(link.rest, {});
    if (updatedAt !== undefined) store.dispatch({ do: 'limited', limit: { ...limit, at: updatedAt } });
  } catch {
    // The next event tells of it; without one there is nothing to warn of.
  }
}

export const setAutoContinue = ({ link }: ConsoleParts, sessionId: string, autoContinue: boolean) =>
  changeSession(link.rest, { params: { id: sessionId }, body: { autoContinue } });

export async function loadOutput(parts: ConsoleParts, sessionId: string, taskId: string): Promise<void> {
  const { link, store } = parts;
  const tell = (output: Details['outputs'] extends ReadonlyMap<string, infer Output> ? Output : never) => {
    const outputs = new Map(store.get().details.get(sessionId)?.outputs).set(taskId, output);
    store.dispatch({ do: 'detail', sessionId, detail: { outputs } });
  };
  try {
    tell({ kind: 'known', value: (await link.client.request('getTaskOutput', { sessionId, taskId })).data });
  } catch (error) {
    tell({ kind: 'failed', because: wordsOf(error) });
  }
}
