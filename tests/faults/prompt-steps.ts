import { expect } from '@jest/globals';
import { type Step, scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import type { World } from '../support/world.js';

let marks = 0;

/** A prompt of which the API can tell how often it was begun. The mark serves as its request id too. */
export function marked(...steps: Step[]): { mark: string; prompt: string } {
  marks += 1;
  const mark = `once-${process.pid}-${marks}-`;
  return { mark, prompt: `${mark} ${scenario(...steps)}` };
}

export const isEndOf =
  (promptId: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'streamComplete' && data.promptId === promptId;

interface SessionView {
  pid?: number;
  status: string;
  workingDirectory: string;
  claudeSessionId: string;
}

/** What tests of one prompt's life do again and again. */
export function createSteps(world: World) {
  let shared: string | undefined;
  const view = async (sessionId: string) => {
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
    return (await response.json()) as SessionView;
  };
  /** A session of its own with an idle child. */
  const openSession = async (client: WireClient): Promise<{ sessionId: string; pid: number }> => {
    const opened = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    const { sessionId } = opened.data;
    await client.waitFor(
      (frame) => frame.sessionId === sessionId && frame.type === 'sessionStatus' && frame.data.status === 'idle',
    );
    return { sessionId, pid: (await view(sessionId)).pid ?? 0 };
  };
  return {
    view,
    openSession,
    /** The session that the last test left idle with its child, else a new one: a child costs half a second of a processor. */
    takeSession: async (client: WireClient): Promise<{ sessionId: string; pid: number }> => {
      if (shared !== undefined) {
        const { status, pid } = await view(shared);
        if (status === 'idle' && pid !== undefined) {
          await client.request('subscribe', { events: ['*'], sessionIds: [shared] });
          return { sessionId: shared, pid };
        }
      }
      const opened = await openSession(client);
      shared = opened.sessionId;
      return opened;
    },
    /**
     * The end of this prompt, once its session has come to rest: it was announced, begun and ended once. All that the
     * session ever said is looked at, by a device of its own: what others were sent, they need not be sent again.
     */
    ranOnce: async (sessionId: string, { mark, promptId }: { mark: string; promptId: string }): Promise<Frame> => {
      const reader = await world.connect();
      const epoch = String(reader.frames[0]?.data.epoch);
      await reader.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
      const end = await reader.waitFor(isEndOf(promptId));
      await waitUntil('the session is at rest', async () =>
        ['idle', 'hibernated'].includes((await view(sessionId)).status),
      );
      const events = reader.events(sessionId);
      const announced = events.filter(({ type, data }) => type === 'humanMessage' && data.promptId === promptId);
      expect([world.api.runs(mark), announced.length, events.filter(isEndOf(promptId)).length]).toEqual([1, 1, 1]);
      reader.terminate();
      return end;
    },
  };
}
