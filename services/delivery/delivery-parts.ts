import type { ResumeReason } from '../../protocol/server-frames.js';
import type { CursorStore, Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { SessionSource } from '../ports/session-source.js';
import type { FrameCache } from './frame-cache.js';
import type { StreamIndex } from './stream-index.js';

/** The parts shared by all connections. */
export interface DeliveryParts {
  readonly journal: Journal;
  readonly cursors: CursorStore;
  readonly source: SessionSource;
  readonly frames: FrameCache;
  readonly index: StreamIndex;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A device has subscribed for the first time, or a device without a name has left. */
  readonly onDevicesChanged: () => void;
  /** A device received a snapshot because events were missing. */
  readonly onReset: (reason: ResumeReason) => void;
}
