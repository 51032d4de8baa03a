import type { Journal } from '../ports/journal.js';
import type { SessionSource } from '../ports/session-source.js';
import { newestPage } from './history.js';
import { permissionRequestOf } from './permission-requests.js';
import type { SessionRegistry } from './session-registry.js';
import { openPermissions, sessionStatusOf } from './session-state.js';

/** Messages in the snapshot that replaces removed events. */
const SNAPSHOT_MESSAGES = 50;

/** Sessions as seen by delivery. */
export function createSessionSource(registry: SessionRegistry, journal: Journal): SessionSource {
  const source: SessionSource = {
    head: (owner, sessionId) => {
      const session = registry.find(sessionId);
      return session?.owner === owner ? session.publishedHead : undefined;
    },
    owned: (owner) => registry.owned(owner).flatMap((session) => (registry.hasEnded(session) ? [] : [session.id])),
    openBlocks: (sessionId) => registry.followed(sessionId)?.openBlocks() ?? [],
    openPermissions: (sessionId) => {
      const session = registry.followed(sessionId);
      return session ? openPermissions(session.state).map(permissionRequestOf) : [];
    },
    snapshot: async (sessionId) => {
      const session = registry.followed(sessionId);
      if (!session) throw new Error(`no session ${sessionId}`);
      const messages = newestPage(await journal.readNewestMessages(sessionId, SNAPSHOT_MESSAGES));
      return { status: sessionStatusOf(session.state), messages, permissions: source.openPermissions(sessionId) };
    },
  };
  return source;
}
