/**
 * Loads that the fake CLI writes when its prompt is `{"load": {…}}`:
 * - `kind`: `events`, whole blocks that become one event each, or `deltas` of `perBlock` in a block (all, if not given);
 * - `count` of them with `bytes` of text each; each text begins with the time of its writing where there is room;
 *   with `perParagraph` a blank line follows so many deltas;
 * - `batch` of them in one write, `perSecond` writes in a second, or one write for each byte that comes from `credits`,
 *   a FIFO; as fast as it can be done otherwise.
 */
import { openSync, readSync, writeSync } from 'node:fs';
import { now, STAMP_CHARACTERS, stamp } from './stamp.mjs';

const STDOUT = 1;
const PLACE = '?';

/** Sleeps without an event loop: these processes share the processors with what is measured, so they must cost little. */
const sleeping = new Int32Array(new SharedArrayBuffer(4));
export function sleepUntil(time) {
  const left = time - now();
  if (left > 0) Atomics.wait(sleeping, 0, 0, left);
}

/** Writes the load and returns the text of its last block. */
export function writeLoad(load, around) {
  const take = pace(load);
  return load.kind === 'events' ? writeEvents(load, around, take) : writeDeltas(load, around, take);
}

function writeEvents({ count, bytes, batch = 1 }, around, take) {
  const content = [{ type: 'text', text: PLACE }];
  const message = { id: PLACE, type: 'message', role: 'assistant', content };
  const [head, middle, tail] = JSON.stringify({ type: 'assistant', message, ...around }).split(PLACE);
  let text = '';
  for (let written = 0; written < count; ) {
    take();
    let lines = '';
    for (const end = Math.min(count, written + batch); written < end; written += 1) {
      text = textOf(bytes);
      lines += `${head}m${written}${middle}${text}${tail}\n`;
    }
    writeSync(STDOUT, lines);
  }
  return text;
}

function writeDeltas(load, around, take) {
  const { count, perBlock = count } = load;
  const event = (body) => writeSync(STDOUT, `${JSON.stringify({ type: 'stream_event', event: body, ...around })}\n`);
  event({ type: 'message_start', message: { id: 'm' } });
  let text = '';
  for (let written = 0, index = 0; written < count; index += 1) {
    const size = Math.min(perBlock, count - written);
    event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    text = writeBlock({ ...load, size, index }, around, take);
    const message = { id: 'm', type: 'message', role: 'assistant', content: [{ type: 'text', text }] };
    writeSync(STDOUT, `${JSON.stringify({ type: 'assistant', message, ...around })}\n`);
    event({ type: 'content_block_stop', index });
    written += size;
  }
  event({ type: 'message_stop' });
  return text;
}

function writeBlock({ size, bytes, batch = 1, index, perParagraph }, around, take) {
  const delta = { type: 'content_block_delta', index, delta: { type: 'text_delta', text: PLACE } };
  const [head, tail] = JSON.stringify({ type: 'stream_event', event: delta, ...around }).split(PLACE);
  let block = '';
  for (let written = 0; written < size; ) {
    take();
    let lines = '';
    for (const end = Math.min(size, written + batch); written < end; written += 1) {
      const isLast = perParagraph !== undefined && (written + 1) % perParagraph === 0;
      const text = `${textOf(bytes)}${isLast ? '\n\n' : ''}`;
      block += text;
      lines += `${head}${JSON.stringify(text).slice(1, -1)}${tail}\n`;
    }
    writeSync(STDOUT, lines);
  }
  return block;
}

const textOf = (bytes) => (bytes < STAMP_CHARACTERS ? 'x'.repeat(bytes) : stamp().padEnd(bytes, '.'));

/** Returns what waits until the next write is due. */
function pace({ perSecond, credits }) {
  if (credits !== undefined) {
    const file = openSync(credits, 'r');
    const byte = Buffer.alloc(1);
    return () => readSync(file, byte, 0, 1, null);
  }
  if (perSecond === undefined) return () => {};
  const startedAt = now();
  let writes = 0;
  return () => {
    sleepUntil(startedAt + (writes * 1000) / perSecond);
    writes += 1;
  };
}
