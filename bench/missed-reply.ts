/** What a device gets that was away while Claude wrote a long answer, beside what one got that was there. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { startBroadcast } from './support/broadcast.js';
import { openCrowd, type Resumed } from './support/crowd.js';
import type { Row } from './support/table.js';

const TOKENS = 10_000;
const TOKEN_BYTES = 5;
const BATCH = 10;
const TEXT_BYTES = TOKENS * TOKEN_BYTES;
const MOST_RATIO = 1.1;
const AWAY = 'away';
const THERE = 'there';

export const missedReply: Bench = {
  name: 'missed-reply',
  run: async () => {
    const broadcast = await startBroadcast();
    const crowd = openCrowd();
    try {
      await crowd.open(broadcast.entrance(['*'], AWAY), 1);
      await crowd.closeClients();
      await crowd.open(broadcast.entrance(['streamData', 'streamComplete'], THERE), 1);
      const fifo = join(broadcast.stage.daemon.root, 'credits');
      spawnSync('mkfifo', [fifo]);
      const credits = { fifo, batch: BATCH, writes: TOKENS / BATCH };
      await crowd.count({ kind: 'deltas', textBytes: TOKEN_BYTES, credits });
      await broadcast.say({ kind: 'deltas', count: TOKENS, bytes: TOKEN_BYTES, batch: BATCH, credits: fifo });
      const there = await crowd.counted();
      const port = Number(new URL(broadcast.stage.daemon.url).port);
      const away = await crowd.resume({ port, token: TOKEN, device: `${AWAY}-0` });
      return [rowOf(away, there)];
    } finally {
      await crowd.close();
      await broadcast.close();
    }
  },
};

function rowOf({ types }: Resumed, there: { frames: number; bytes: number }): Row {
  const { count: messages = 0, bytes = 0 } = types.assistantMessage ?? {};
  const deltas = types.streamData?.count ?? 0;
  const ratio = bytes / TEXT_BYTES;
  const { welcome: _, caughtUp: __, ...missed } = types;
  const all = Object.values(missed).reduce((sum, type) => sum + type.bytes, 0);
  return {
    figure: `an answer of ${TOKENS} tokens (${TEXT_BYTES} bytes) missed while away`,
    goal: `1 message, ≤ ${MOST_RATIO} × its text, no deltas`,
    measured: `${messages} message, ${ratio.toFixed(3)} ×, ${deltas} deltas; with all other events ${all} bytes`,
    reference: `who was there got ${there.frames} frames, ${there.bytes} bytes`,
    ratio: bytes / there.bytes,
    goalRatio: (MOST_RATIO * TEXT_BYTES) / there.bytes,
    met: messages === 1 && deltas === 0 && ratio <= MOST_RATIO,
  };
}
