import { CompanionError } from '../protocol/error-codes.js';
import { MAX_PROMPT_BYTES } from '../protocol/limits.js';
import type { TerminalIo } from './terminal-io.js';

interface ReadPromptOptions {
  /** As typed; `-` means stdin. */
  typed: string;
  io: TerminalIo;
  /** How long to wait for the first byte of an open pipe, in milliseconds. */
  patienceMs?: number;
}

const PATIENCE_MS = 3_000;
const STDIN = '-';

/**
 * The typed prompt, with the text of stdin below it, or stdin alone for `-`. A terminal is read only for `-`. Rejects
 * with `PAYLOAD_TOO_LARGE` above 1 MiB, and with `INVALID_REQUEST` for input that is not text and for an empty prompt.
 */
export async function readPrompt({ typed, io, patienceMs = PATIENCE_MS }: ReadPromptOptions): Promise<string> {
  const isWanted = typed === STDIN;
  const input = isWanted || !io.stdin.isTTY ? await readInput(io, isWanted ? undefined : patienceMs) : '';
  const prompt = isWanted ? input : [typed, input].filter((part) => part.trim() !== '').join('\n\n');
  if (prompt.trim() === '') {
    throw new CompanionError('INVALID_REQUEST', 'The prompt is empty.', { field: 'prompt', rule: 'must not be empty' });
  }
  if (Buffer.byteLength(prompt) > MAX_PROMPT_BYTES) throw tooLarge();
  return prompt;
}

/** All of stdin as text. `patienceMs` bounds the wait for its first byte. */
async function readInput({ stdin, stderr }: TerminalIo, patienceMs: number | undefined): Promise<string> {
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.off('error', onError);
      stdin.pause();
      settle();
    };
    const onData = (chunk: Buffer) => {
      clearTimeout(timer);
      chunks.push(Buffer.from(chunk));
      size += chunk.length;
      if (size > MAX_PROMPT_BYTES) finish(() => reject(tooLarge()));
    };
    const onEnd = () => finish(() => resolve(Buffer.concat(chunks)));
    const onError = ({ message }: Error) => finish(() => reject(unreadable(message)));
    const giveUp = () => {
      stderr.write('Nothing came on stdin within 3 s; asking without it. To leave it out: < /dev/null\n');
      onEnd();
    };
    const timer = patienceMs === undefined ? undefined : setTimeout(giveUp, patienceMs);
    stdin.on('data', onData);
    stdin.on('end', onEnd);
    stdin.on('error', onError);
    stdin.resume();
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // A `fatal` decoder throws a `TypeError` only for that.
    throw new CompanionError('INVALID_REQUEST', 'The text on stdin is not UTF-8.', {
      field: 'stdin',
      rule: 'must be UTF-8 text',
    });
  }
}

const unreadable = (why: string) =>
  new CompanionError('INVALID_REQUEST', `stdin cannot be read: ${why}.`, {
    field: 'stdin',
    rule: 'must be readable to its end',
  });

const tooLarge = () =>
  new CompanionError('PAYLOAD_TOO_LARGE', 'The prompt and stdin together are larger than 1 MiB.', {
    field: 'prompt',
    rule: 'must be at most 1 MiB',
    suggestion: 'Save the text to a file in the folder, and ask Claude to read it.',
  });
