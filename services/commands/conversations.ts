/** The conversations of a directory, those of a terminal included. */
import type { ListedConversation } from '../ports/transcripts.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices, NamedDirectory } from './command-context.js';

interface FoundConversation extends ListedConversation {
  /** The caller's session that it is held in. */
  session: Session | undefined;
}

/**
 * Those of the caller, newest first. Rejects as `resolveDirectory` does, and when the transcripts cannot be read in 30 s.
 */
export async function listConversations(
  { registry, launchers, workspace }: CommandServices,
  { caller, directory }: { caller: Pick<Caller, 'device'>; directory: NamedDirectory },
): Promise<FoundConversation[]> {
  const { userId } = caller.device;
  const { path } = await workspace.resolveDirectory(directory.path, directory);
  const found = await launchers.of(userId).listConversations(path);
  const holders = new Map(
    registry.owned(userId).map((session) => [session.state.record.claudeSessionId ?? '', session]),
  );
  return found.map((one) => ({ ...one, session: holders.get(one.claudeSessionId) }));
}
