import type { SessionId } from '../../protocol/scalars.js';
import type { EventRecord } from '../ports/records.js';
import { Frame } from './frame.js';
import { conversationResultFrame, eventFrame } from './frames.js';

/** Bytes of event data whose frames are cached; the oldest are evicted first. */
const MAX_BYTES = 2 * 1024 * 1024;

type Form = 'live' | 'replayed' | 'result';

interface Entry {
  frame: Frame;
  bytes: number;
}

/**
 * Frames of the latest requested events, so that an event is serialized once for all connections: for live ones, and
 * for the many that reconnect at once after a restart and have missed the same events.
 */
export class FrameCache {
  readonly #epoch: string;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  /** `replayed`: marked as missed by the device; `result`: the `conversationResult` of a `streamComplete`. */
  get(sessionId: SessionId, event: EventRecord, form: Form): Frame {
    const key = `${sessionId}/${event.seq}/${form}`;
    const known = this.#entries.get(key);
    if (known) return known.frame;
    const frame = new Frame(this.#builder(sessionId, event, form));
    this.#keep(key, { frame, bytes: event.data.length });
    return frame;
  }

  #builder(sessionId: SessionId, event: EventRecord, form: Form): () => string {
    if (form === 'result') return () => conversationResultFrame(sessionId, event);
    return () => eventFrame({ sessionId, epoch: this.#epoch, event, replayed: form === 'replayed' });
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}
