import type { Daemon } from './daemon.js';
import { waitUntil } from './wait-until.js';

interface Session {
  workingDirectory: string;
  status: string;
}

const AT_REST = ['idle', 'hibernated', 'closed'];

/**
 * One directory for the tests of a file that need no fresh session, so that its CLI starts once. A client that opens it
 * sees what happens from then on, and nothing of the tests before. What a failed test left in the middle of a turn is left
 * alone: the next test gets another directory.
 */
export function useSharedDirectory(world: { readonly daemon: Daemon }): () => Promise<string> {
  let directory: string | undefined;
  const isAtRest = async () => {
    const { sessions } = (await (await world.daemon.fetch('/api/sessions')).json()) as { sessions: Session[] };
    const found = sessions.find(({ workingDirectory }) => workingDirectory === directory);
    return found === undefined || AT_REST.includes(found.status);
  };
  const comesToRest = async () => {
    try {
      await waitUntil('the session of the test before is at rest', isAtRest);
      return true;
    } catch {
      // It never is: that test has failed, and says why itself.
      return false;
    }
  };
  return async () => {
    if (directory === undefined || !(await comesToRest())) directory = world.daemon.project();
    return directory;
  };
}
