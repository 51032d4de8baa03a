/** How long a push takes from the CLI's line to the service, when no device of its person is being looked at. */
import type { ApnsStage } from './apns-stage.js';
import { dataOf, isFrame } from './bench-socket.js';
import { sleep, within } from './clock.js';
import { cliEnvironment, keepOn } from './cores.js';
import { FAKE_CLI } from './fake-cli-path.js';
import { promptOf } from './load.js';
import { registerDevices, tokenOf } from './registered-devices.js';
import { type Stage, setStage } from './stage.js';

export interface PushLatency {
  /** From the CLI's writing of the end of a turn to the request at the service. */
  pushed: number[];
  /** To the event at a client that is connected. */
  delivered: number[];
  /** From node-apn's call to the same request. */
  alone: number[];
}

const DEVICE = 'phone';
const STAMP = /@@([\d.]+)/;
/** So that no timer of anybody keeps step. */
const MIN_PAUSE_MS = 20;
const PAUSE_SPREAD_MS = 30;
const TURN_MS = 10_000;
/** With the loading of node-apn and the connection, which the first push has to wait for. */
const WARM_UP = 5;

const pause = () => sleep(MIN_PAUSE_MS + Math.random() * PAUSE_SPREAD_MS);

export async function measurePushLatency(apns: ApnsStage, count: number): Promise<PushLatency> {
  const environment = { ...apns.environment, ...cliEnvironment(), APNS_BODY: 'full' };
  const stage = await setStage({ binary: FAKE_CLI, environment });
  try {
    keepOn(stage.daemon.pid, 'server');
    await registerDevices(stage.daemon, [DEVICE]);
    const turns = turnsOf(stage);
    for (let nth = 0; nth < WARM_UP; nth += 1) {
      await turns.next();
      await within(apns.reached(nth + 1), TURN_MS, 'a push');
      await pause();
    }
    await apns.reset({ bodies: true });
    const delivered: number[] = [];
    const alone: number[] = [];
    for (let nth = 0; nth < count; nth += 1) {
      delivered.push(await turns.next());
      await within(apns.reached(2 * nth + 1), TURN_MS, 'a push');
      await pause();
      const payload = { aps: { alert: { title: 'project', body: 'Done.' } } };
      const sentAt = await apns.sendOneAlone({ token: tokenOf(DEVICE), collapseId: `alone-${nth}`, payload });
      alone.push(-sentAt);
      await pause();
    }
    const { bodies } = await apns.taken();
    const ours = bodies.flatMap(({ at, body }) =>
      STAMP.exec(body)?.[1] === undefined ? [] : [at - Number(STAMP.exec(body)?.[1])],
    );
    const theirs = bodies.filter(({ body }) => !STAMP.test(body)).map(({ at }, nth) => at + (alone[nth] ?? 0));
    if (ours.length !== count || theirs.length !== count) throw new Error(`${ours.length} of ${count} pushes came`);
    return { pushed: ours, delivered, alone: theirs };
  } finally {
    await stage.close();
  }
}

/** Turns of one session, one after the other, of a person whose only connection is in the background. */
function turnsOf({ socket, daemon }: Stage) {
  let sessionId: string | undefined;
  const prompt = promptOf({ kind: 'events', count: 1, bytes: 24 });
  socket.send('clientBackgrounding', {});
  return {
    /** Resolves to how old its end was when it came. */
    next: (): Promise<number> => {
      const ended = new Promise<number>((resolve, reject) => {
        const stop = socket.listen((frame, at) => {
          if (isFrame(frame, 'streamStarted')) sessionId = dataOf<{ sessionId: string }>(frame).sessionId;
          else if (isFrame(frame, 'error')) reject(new Error(`the daemon answered ${frame}`));
          else if (isFrame(frame, 'streamComplete')) {
            stop();
            resolve(at - Number(STAMP.exec(frame)?.[1]));
          }
        });
      });
      if (sessionId === undefined) socket.send('streamStart', { prompt, workingDirectory: daemon.project() });
      else socket.send('streamSend', { prompt, sessionId });
      return within(ended, TURN_MS, 'a turn');
    },
  };
}
