import type { ClaudeLauncher } from '../../services/ports/claude.js';
import type { Log } from '../../services/ports/log.js';
import type { UserId } from '../../services/ports/records.js';
import type { OutsideConversation, OutsideIndex, SearchIndex } from '../../services/ports/search.js';
import type { FoundTranscript } from '../../services/ports/transcripts.js';
import type { Workspace } from '../../services/ports/workspace.js';
import { OutsideRounds } from '../../services/record/search/outside-rounds.js';

interface SearchParts {
  search: SearchIndex & OutsideIndex;
  identity: { people: { owner: { userId: string } } };
  /** Of the owner. */
  launcher: ClaudeLauncher;
  workspace: Workspace;
  log: Log;
}

/** The search: in the sessions of all people, and in what the owner's CLI has of other conversations. */
export const createSearch = ({ search: index, identity, launcher, workspace, log }: SearchParts): OutsideRounds =>
  new OutsideRounds({
    index,
    owner: identity.people.owner.userId as UserId,
    conversations: {
      list: async () => allowed(workspace, await launcher.listTranscripts(MAX_TRANSCRIPTS)),
      read: (claudeSessionId) => launcher.readSaid(claudeSessionId),
    },
    log,
  });

/** The newest are searched. */
const MAX_TRANSCRIPTS = 2000;
/** A transcript is read as a whole, in memory. */
const MAX_BYTES = 64 * 1024 * 1024;
/** All together. */
const MAX_TOTAL_BYTES = 1024 * 1024 * 1024;

async function allowed(workspace: Workspace, found: readonly FoundTranscript[]): Promise<OutsideConversation[]> {
  const places = new Map<string, string | undefined>();
  const listed: OutsideConversation[] = [];
  let total = 0;
  for (const { claudeSessionId, directory, size, lastModified } of found) {
    if (!places.has(directory)) places.set(directory, await placeOf(workspace, directory));
    const place = places.get(directory);
    if (place === undefined || size > MAX_BYTES) continue;
    total += size;
    if (total > MAX_TOTAL_BYTES) break;
    listed.push({ claudeSessionId, directory: place, stamp: `${size} ${lastModified}` });
  }
  return listed;
}

async function placeOf(workspace: Workspace, directory: string): Promise<string | undefined> {
  try {
    return (await workspace.resolveDirectory(directory, { field: 'directory' })).path;
  } catch {
    // Whatever the reason: no session can be opened there, so nothing there is shown.
    return undefined;
  }
}
