/** The daemon with one session whose fake CLI says what it is told to, kept apart from its clients. */
import { TOKEN } from '../../tests/support/daemon.js';
import { dataOf, isFrame } from './bench-socket.js';
import { within } from './clock.js';
import { TURN_MS } from './conversation.js';
import { cliEnvironment, keepOn } from './cores.js';
import type { Entrance } from './crowd.js';
import { FAKE_CLI } from './fake-cli-path.js';
import { type Load, promptOf } from './load.js';
import { type Stage, setStage } from './stage.js';

export interface Broadcast {
  readonly stage: Stage;
  readonly pid: number;
  readonly sessionId: string;
  /** For clients that want these events of the session. */
  entrance(events: string[], device?: string): Entrance;
  /** Resolves when the prompt is accepted; nobody but the clients hears of what follows. */
  say(load: Load): Promise<void>;
  close(): Promise<void>;
}

const FIRST: Load = { kind: 'events', count: 1, bytes: 10 };

export async function startBroadcast(environment: Record<string, string> = {}): Promise<Broadcast> {
  const stage = await setStage({ binary: FAKE_CLI, environment: { ...environment, ...cliEnvironment() } });
  try {
    const sessionId = await startSession(stage);
    keepOn(stage.daemon.pid, 'server');
    const port = Number(new URL(stage.daemon.url).port);
    return {
      stage,
      pid: stage.daemon.pid,
      sessionId,
      entrance: (events, device = 'bench') => {
        return { kind: 'companion', port, token: TOKEN, sessionIds: [sessionId], events, device };
      },
      say: async (load) => {
        const accepted = nextFrame(stage, 'promptAccepted');
        stage.socket.send('streamSend', { sessionId, prompt: promptOf(load) });
        await accepted;
      },
      close: () => stage.close(),
    };
  } catch (error) {
    await stage.close();
    throw error;
  }
}

/** Opens the session, and leaves it to others to listen to it: this process is not to be loaded as well. */
async function startSession(stage: Stage): Promise<string> {
  const [started, ended] = [nextFrame(stage, 'streamStarted'), nextFrame(stage, 'streamComplete')];
  stage.socket.send('streamStart', { prompt: promptOf(FIRST), workingDirectory: stage.daemon.project() });
  const { sessionId } = dataOf<{ sessionId: string }>(await started);
  await ended;
  const unsubscribed = nextFrame(stage, 'unsubscribed');
  stage.socket.send('unsubscribe', { sessionIds: [sessionId] });
  await unsubscribed;
  return sessionId;
}

function nextFrame({ socket }: Stage, type: string): Promise<string> {
  const frame = new Promise<string>((resolve, reject) => {
    const stop = socket.listen((text) => {
      if (isFrame(text, 'error')) reject(new Error(`the daemon answered ${text}`));
      else if (isFrame(text, type)) resolve(text);
      else return;
      stop();
    });
  });
  return within(frame, TURN_MS, type);
}
