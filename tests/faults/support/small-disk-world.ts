/** A world whose daemon has its home on a small disk, and in it a session that has had a turn. */
import { afterAll, afterEach, beforeEach, expect } from '@jest/globals';
import { scenario } from '../../support/scripted-api.js';
import type { WireClient } from '../../support/wire-client.js';
import { useWorld, type World } from '../../support/world.js';
import { endOf } from './failing-world.js';
import { createSmallDisk, type SmallDisk } from './small-disk.js';

const DISK_BYTES = 12 * 1024 * 1024;

export interface SmallDiskWorld {
  world: World;
  /** A session of its own for each test, and who opened it. */
  sessionId: string;
  readonly client: WireClient;
  /** Where this process sees `COMPANION_HOME`. */
  readonly home: string;
  /** Takes all that is left of the disk; given back after each test. */
  fill(): void;
  free(): void;
  /** Lets nothing be written any more, or again; while no daemon runs. */
  setReadOnly(readOnly: boolean): void;
  /** The daemon was restarted. */
  reconnect(): Promise<void>;
  /** A prompt gets its answer, and ran once. */
  expectGoodTurn(text: string): Promise<void>;
}

export function useSmallDiskWorld(): SmallDiskWorld {
  let disk: SmallDisk;
  let client: WireClient;
  let isFull = false;
  const world = useWorld({
    environment: { MIN_FREE_DISK_BYTES: '0' },
    command: async (folders) => {
      disk = await createSmallDisk(folders, DISK_BYTES);
      return disk.command;
    },
  });
  const stage: SmallDiskWorld = {
    world,
    sessionId: '',
    get client() {
      return client;
    },
    get home() {
      return disk.home;
    },
    fill: () => {
      disk.fill();
      isFull = true;
    },
    free: () => {
      if (isFull) disk.free();
      isFull = false;
    },
    setReadOnly: (readOnly) => disk.setReadOnly(readOnly),
    reconnect: async () => {
      client = await world.connect({ deviceId: client.deviceId });
    },
    expectGoodTurn: async (text) => {
      const prompt = scenario({ text });
      const accepted = await stage.client.request('streamSend', { sessionId: stage.sessionId, prompt });
      expect(accepted.type).toBe('promptAccepted');
      const end = await stage.client.waitFor(endOf(accepted.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: text });
      expect(world.api.runs(prompt)).toBe(1);
    },
  };
  beforeEach(async () => {
    client = await world.connect();
    const prompt = scenario({ text: 'Opened.' });
    const workingDirectory = world.daemon.project();
    const started = await stage.client.request('streamStart', { prompt, workingDirectory });
    stage.sessionId = started.data.sessionId;
    await stage.client.waitFor(endOf(started.data.promptId));
  });
  afterEach(() => stage.free());
  afterAll(() => disk.close());
  return stage;
}
