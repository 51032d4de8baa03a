import { type BenchSocket, dataOf, isFrame } from './bench-socket.js';
import { now, within } from './clock.js';
import { type Conversation, type OnDelta, TURN_MS, type Turn } from './conversation.js';

/** A session of the daemon, seen from a WebSocket. One at a time has a turn on a socket: frames are not told apart. */
export function openHeldSession(socket: BenchSocket, workingDirectory: string): Conversation {
  let sessionId: string | undefined;
  const onStarted = (frame: string) => {
    sessionId = dataOf<{ sessionId: string }>(frame).sessionId;
  };
  return {
    turn: (prompt, onDelta) => {
      const turn = followTurn({ socket, onStarted, onDelta });
      const sentAt = now();
      if (sessionId === undefined) socket.send('streamStart', { prompt, workingDirectory });
      else socket.send('streamSend', { prompt, sessionId });
      return within(turn, TURN_MS, 'a turn of the daemon').then((firstDeltaAt) => ({ sentAt, firstDeltaAt }));
    },
    close: async () => {
      if (sessionId !== undefined) socket.send('streamClose', { sessionId, reason: 'measured' });
    },
  };
}

interface FollowOptions {
  socket: BenchSocket;
  onStarted: (frame: string) => void;
  onDelta: OnDelta | undefined;
}

/** Resolves at the end of the turn with the time of its first delta. */
function followTurn({ socket, onStarted, onDelta }: FollowOptions): Promise<Turn['firstDeltaAt']> {
  return new Promise((resolve, reject) => {
    let firstDeltaAt = 0;
    const stop = socket.listen((frame, at) => {
      if (isFrame(frame, 'streamData')) {
        firstDeltaAt ||= at;
        onDelta?.(dataOf<{ content: { text: string } }>(frame).content.text, at);
      } else if (isFrame(frame, 'streamStarted')) onStarted(frame);
      else if (isFrame(frame, 'streamComplete')) {
        stop();
        resolve(firstDeltaAt);
      } else if (isFrame(frame, 'error')) {
        stop();
        reject(new Error(`the daemon answered ${frame}`));
      }
    });
  });
}
