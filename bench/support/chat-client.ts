import { Agent, type IncomingMessage, request } from 'node:http';
import { type Daemon, TOKEN } from '../../tests/support/daemon.js';
import { now, within } from './clock.js';
import { type Conversation, TURN_MS, type Turn } from './conversation.js';

/** How a request asks, and what every event with text has. */
interface Dialect {
  path: string;
  bodyOf: (prompt: string) => object;
  marks: readonly string[];
}

/** `/v1/chat/completions` as a client of OpenAI's API reads it, on one connection. */
export const openChat = (daemon: Pick<Daemon, 'url'>, more: object = {}): Conversation =>
  open(daemon, {
    path: '/v1/chat/completions',
    bodyOf: (prompt) => ({ messages: [{ role: 'user', content: prompt }], ...more }),
    marks: ['"delta":{', '"content":"'],
  });

/** `/v1/responses` in the same way. */
export const openResponses = (daemon: Pick<Daemon, 'url'>, more: object = {}): Conversation =>
  open(daemon, {
    path: '/v1/responses',
    bodyOf: (prompt) => ({ input: prompt, ...more }),
    marks: ['"delta":"'],
  });

function open({ url }: Pick<Daemon, 'url'>, { path, bodyOf, marks }: Dialect): Conversation {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  return {
    turn: (prompt, onDelta) => {
      const body = { model: 'default', stream: true, ...bodyOf(prompt) };
      const sentAt = now();
      const turn = new Promise<Turn>((resolve, reject) => {
        const asked = request(`${url}${path}`, { agent, method: 'POST', headers }, (response) => {
          readStream(response, { marks, onDelta }).then((firstDeltaAt) => resolve({ sentAt, firstDeltaAt }), reject);
        });
        asked.on('error', reject);
        asked.end(JSON.stringify(body));
      });
      return within(turn, TURN_MS, 'a chat');
    },
    close: async () => agent.destroy(),
  };
}

interface Reading extends Pick<Dialect, 'marks'> {
  onDelta: Parameters<Conversation['turn']>[1];
}

/** Resolves at the end of the stream with the time of its first text. */
async function readStream(response: IncomingMessage, { marks, onDelta }: Reading): Promise<number> {
  let firstDeltaAt = 0;
  for await (const chunk of response) {
    const at = now();
    const text = String(chunk);
    if (response.statusCode !== 200) throw new Error(`the daemon answered ${text}`);
    if (!marks.every((mark) => text.includes(mark))) continue;
    firstDeltaAt ||= at;
    onDelta?.(text, at);
  }
  return firstDeltaAt;
}
