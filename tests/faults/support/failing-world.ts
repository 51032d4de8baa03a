/** A world whose daemon can be made to fail at its writes; the CLI is the real one. */
import { afterAll, afterEach } from '@jest/globals';
import { scenario } from '../../support/scripted-api.js';
import type { Frame, WireClient } from '../../support/wire-client.js';
import { useWorld, type World } from '../../support/world.js';
import { createDiskFaults, type DiskFaults } from './disk-faults.js';

export interface FailingWorld {
  world: World;
  /** Gone after each test. */
  faults: DiskFaults;
}

export function useFailingWorld(): FailingWorld {
  const faults = createDiskFaults();
  const world = useWorld({ environment: faults.environment });
  afterEach(() => faults.set());
  afterAll(() => faults.close());
  return { world, faults };
}

export const endOf = (promptId: string) => (frame: Frame) =>
  frame.type === 'streamComplete' && frame.data.promptId === promptId;

/** A session that has had a turn. */
export async function openSession(world: World, client: WireClient): Promise<string> {
  const prompt = scenario({ text: 'It is open.' });
  const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
  await client.waitFor(endOf(started.data.promptId));
  return started.data.sessionId;
}
