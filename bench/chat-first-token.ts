/** From a request to `/v1/chat/completions` or `/v1/responses` to the first text of its answer, in a session and without one. */
import type { Bench } from './support/bench.js';
import { openChat, openResponses } from './support/chat-client.js';
import { sleep } from './support/clock.js';
import { type Conversation, firstDeltaMs } from './support/conversation.js';
import { distributionOf, inMs } from './support/distribution.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const MOST_RATIO = 1.1;
const WARM_UP = 5;
/** As after a warm prompt: the CLI still writes its transcript. */
const PAUSE_MS = 120;
/** After a chat without a session, its CLI is ended, and the next one is started. */
const PAUSE_ALONE_MS = 2500;

export const chatFirstToken: Bench = {
  name: 'chat-first-token',
  run: async ({ quick }) => {
    const stage = await setStage();
    try {
      const { daemon } = stage;
      const bare = stage.bare();
      // Each has a session of its own, so that each CLI has rested for as long.
      const [chat, response] = [await openSession(stage), await openSession(stage)].map((id) => ({ session_id: id }));
      const warm = { chat: openChat(daemon, chat), response: openResponses(daemon, response), bare };
      const alone = { chat: openChat(daemon), response: openResponses(daemon, { store: false }) };
      for (let turn = 0; turn < WARM_UP; turn += 1) await measureAll(warm);
      const ofWarm = await rounds(warm, { count: quick ? 10 : 100 });
      await measureAll(alone, PAUSE_ALONE_MS);
      const ofAlone = await rounds(alone, { count: quick ? 3 : 15, pauseMs: PAUSE_ALONE_MS });
      for (const side of [...Object.values(warm), ...Object.values(alone)]) await side.close();
      const reference = ofWarm.bare;
      return [
        rowOf('chat in a session, request to first text', { measured: ofWarm.chat, reference }),
        rowOf('chat without a session, request to first text', { measured: ofAlone.chat, reference }),
        rowOf('response in a session, request to first text', { measured: ofWarm.response, reference }),
        rowOf('response that is not kept, request to first text', { measured: ofAlone.response, reference }),
      ];
    } finally {
      await stage.close();
    }
  },
};

async function openSession({ daemon }: Stage): Promise<string> {
  const body = JSON.stringify({ workingDirectory: daemon.project() });
  const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
  const { id } = (await (await daemon.fetch('/api/sessions', init)).json()) as { id: string };
  return id;
}

type Sides<Name extends string> = Record<Name, Conversation>;

/** Of each side one turn after the other, in milliseconds. */
async function measureAll<Name extends string>(sides: Sides<Name>, pauseMs = PAUSE_MS): Promise<Record<Name, number>> {
  const times = {} as Record<Name, number>;
  for (const name of Object.keys(sides) as Name[]) times[name] = await measure(sides[name], pauseMs);
  return times;
}

async function rounds<Name extends string>(
  sides: Sides<Name>,
  { count, pauseMs }: { count: number; pauseMs?: number },
): Promise<Record<Name, number[]>> {
  const all: Record<Name, number>[] = [];
  for (let round = 0; round < count; round += 1) all.push(await measureAll(sides, pauseMs));
  const names = Object.keys(sides) as Name[];
  return Object.fromEntries(names.map((name) => [name, all.map((times) => times[name])])) as Record<Name, number[]>;
}

async function measure(conversation: Conversation, pauseMs = PAUSE_MS): Promise<number> {
  const turn = await conversation.turn('Say something short.');
  await sleep(pauseMs);
  return firstDeltaMs(turn);
}

function rowOf(figure: string, times: { measured: number[]; reference: number[] }): Row {
  const [measured, reference] = [distributionOf(times.measured), distributionOf(times.reference)];
  const ratio = measured.p50 / reference.p50;
  return {
    figure,
    goal: `≤ ${MOST_RATIO} × the bare warm CLI`,
    measured: inMs(measured),
    reference: inMs(reference),
    ratio,
    goalRatio: MOST_RATIO,
    met: ratio <= MOST_RATIO,
  };
}
