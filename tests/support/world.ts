import { afterAll, beforeAll } from '@jest/globals';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.js';
import { type ScriptedApi, startScriptedApi } from './scripted-api.js';
import { type ConnectOptions, connect, type WireClient } from './wire-client.js';

export interface World {
  api: ScriptedApi;
  daemon: Daemon;
  /** Clients are closed with the world. */
  connect(options?: ConnectOptions): Promise<WireClient>;
  /** Closes them before: those of the tests before need not read what a shared session says. */
  disconnect(): void;
}

/** One scripted API and one daemon for the tests of a file. */
export function useWorld(options: Omit<DaemonOptions, 'apiUrl'> = {}): World {
  const clients: WireClient[] = [];
  const world = {
    connect: async (connectOptions?: ConnectOptions) => {
      const client = await connect(world.daemon, connectOptions);
      clients.push(client);
      return client;
    },
    disconnect: () => {
      for (const client of clients.splice(0)) client.terminate();
    },
  } as World;
  beforeAll(async () => {
    world.api = await startScriptedApi();
    world.daemon = await startDaemon({ ...options, apiUrl: world.api.url });
  });
  afterAll(async () => {
    world.disconnect();
    await world.daemon.stop();
    await world.api.close();
  });
  return world;
}
