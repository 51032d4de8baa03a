import { isAway } from '../store/console-state.js';
import { asTranscript, type Kept, type KeptTranscript } from '../store/kept.js';
import type { Transcript } from '../store/transcript.js';
import { useStore } from './use-console.js';

/** What was kept of all sessions, while their list is not known. */
export const useKeptList = (): Kept | undefined =>
  useStore((state) => (state.list.kind !== 'loaded' && isAway(state) ? state.kept : undefined));

/** What was kept of a session, while nothing of it comes. */
export function useKept(sessionId: string): { name: string | undefined; kept: KeptTranscript | undefined } {
  const kept = useStore((state) => {
    const phase = state.transcripts.get(sessionId)?.phase ?? 'loading';
    return phase === 'failed' || (phase === 'loading' && isAway(state)) ? state.kept : undefined;
  });
  const view = kept?.sessions.find((one) => one.sessionId === sessionId);
  return { name: view?.projectName, kept: kept?.transcripts.get(sessionId) };
}

/** The same value for the same messages. */
const made = new WeakMap<KeptTranscript, Transcript>();

export function transcriptOf(kept: KeptTranscript): Transcript {
  const transcript = made.get(kept) ?? asTranscript(kept);
  made.set(kept, transcript);
  return transcript;
}
