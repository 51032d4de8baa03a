import { open } from 'node:fs/promises';
import type { CliFact } from '../ports/claude.js';
import { FactReader } from './fact-reader.js';
import { LineSplitter } from './line-splitter.js';

/** `waiting`: for a person's answer. */
export type OrphanVerdict = 'idle' | 'working' | 'waiting';

const CHUNK_BYTES = 256 * 1024;
/** A longer line is ignored. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Most lines are of this type, and none adds to what its turn's `init` has shown. */
const STREAMED = Buffer.from('{"type":"stream_event"');

/** Determines a child's activity from its complete output. Reading 64 MiB takes about 0.5 s. */
export async function judgeOutput(path: string): Promise<OrphanVerdict> {
  const state = new TurnState();
  const reader = new FactReader({
    childId: '',
    isTaken: () => false,
    onControlResponse: ({ request_id: requestId }) => [{ kind: 'permissionRead', requestId }],
  });
  const splitter = new LineSplitter(0, MAX_LINE_BYTES);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) return state.verdict();
      for (const line of splitter.push(chunk.subarray(0, bytesRead))) {
        if (line.bytes.subarray(0, STREAMED.length).equals(STREAMED)) continue;
        for (const fact of reader.read(line).facts) state.take(fact);
      }
    }
  } finally {
    await file.close();
  }
}

class TurnState {
  #runs = false;
  readonly #asked = new Set<string>();
  #tasks = new Set<string>();

  take(fact: CliFact): void {
    if (fact.kind === 'init') this.#runs = true;
    else if (fact.kind === 'result') this.#runs = false;
    else if (fact.kind === 'permissionAsked') this.#asked.add(fact.ask.requestId);
    // Without a daemon, the request is not refused.
    else if (fact.kind === 'unknownRequest') this.#asked.add(fact.requestId);
    else if (fact.kind === 'permissionWithdrawn' || fact.kind === 'permissionRead') this.#asked.delete(fact.requestId);
    else if (fact.kind === 'background') this.#takeChange(fact.change);
  }

  #takeChange(change: Extract<CliFact, { kind: 'background' }>['change']): void {
    if (change.kind === 'all') this.#tasks = new Set(change.tasks.map(({ taskId }) => taskId));
    else if (change.kind === 'added') this.#tasks.add(change.task.taskId);
    else this.#tasks.delete(change.taskId);
  }

  verdict(): OrphanVerdict {
    if (this.#asked.size > 0) return 'waiting';
    return this.#runs || this.#tasks.size > 0 ? 'working' : 'idle';
  }
}
