import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { LineSplitter } from '../../services/claude/stream/line-splitter.js';
import { now, within } from './clock.js';
import { type Conversation, type OnDelta, TURN_MS, type Turn } from './conversation.js';

export interface BareCliOptions {
  binary: string;
  args: string[];
  environment: Readonly<Record<string, string>>;
  directory: string;
}

const STREAM_EVENT = Buffer.from('{"type":"stream_event"');
const DELTA = '"type":"content_block_delta"';
const RESULT = '"type":"result"';
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const END_MS = 5000;

interface Listening {
  onDelta: OnDelta | undefined;
  onFirst: (at: number) => void;
  onResult: () => void;
}

/** The CLI with nothing between it and whoever measures: its stdin and stdout are ours. */
export function openBareCli({ binary, args, environment, directory }: BareCliOptions): Conversation {
  const child = spawn(binary, args, { cwd: directory, env: environment, stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const splitter = new LineSplitter(0, MAX_LINE_BYTES);
  let listening: Listening | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    const at = now();
    for (const { bytes } of splitter.push(chunk)) if (listening) take(bytes, at, listening);
  });
  child.stdin.on('error', () => {});
  return {
    turn: async (prompt, onDelta) => {
      const sentAt = now();
      child.stdin.write(`${JSON.stringify(userMessage(prompt))}\n`);
      const ended = new Promise<Turn>((resolve, reject) => {
        let firstDeltaAt = 0;
        const onFirst = (at: number) => {
          firstDeltaAt ||= at;
        };
        listening = { onDelta, onFirst, onResult: () => resolve({ sentAt, firstDeltaAt }) };
        void exited.then(([code]) => reject(new Error(`the bare CLI ended with ${String(code)}`)));
      });
      return within(ended, TURN_MS, 'a turn of the bare CLI');
    },
    close: async () => {
      child.stdin.end();
      await within(exited, END_MS, 'the end of the bare CLI').catch(() => child.kill('SIGKILL'));
      await exited;
    },
  };
}

const userMessage = (text: string) => ({
  type: 'user',
  uuid: randomUUID(),
  session_id: '',
  parent_tool_use_id: null,
  message: { role: 'user', content: [{ type: 'text', text }] },
});

function take(line: Buffer, at: number, { onDelta, onFirst, onResult }: Listening): void {
  if (!line.subarray(0, STREAM_EVENT.length).equals(STREAM_EVENT)) {
    if (line.includes(RESULT)) onResult();
    return;
  }
  if (!line.includes(DELTA)) return;
  onFirst(at);
  if (!onDelta) return;
  const { event } = JSON.parse(line.toString()) as { event: { delta: { text?: string } } };
  onDelta(event.delta.text ?? '', at);
}
