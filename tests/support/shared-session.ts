import { useSharedDirectory } from './shared-directory.js';
import type { WireClient } from './wire-client.js';
import type { World } from './world.js';

interface Shared {
  sessionId: string;
  directory: string;
}

/** The session of a shared directory, opened by a client: unless it was there before, it gets the events from then on. */
export function useSharedSession(world: Pick<World, 'daemon'>, options: object = {}) {
  const directoryOf = useSharedDirectory(world);
  return async (client: WireClient): Promise<Shared> => {
    const directory = await directoryOf();
    const started = await client.request('streamStart', { prompt: '', workingDirectory: directory, options });
    return { sessionId: started.data.sessionId, directory };
  };
}
