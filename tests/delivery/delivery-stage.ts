/** A delivery over a journal on disk with one session; each test has its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { Delivery } from '../../services/delivery/delivery.js';
import type { Publication } from '../../services/ports/publication.js';
import type { EventRecord, UserId } from '../../services/ports/records.js';
import type { SessionSource } from '../../services/ports/session-source.js';
import { createSqliteCursors } from '../../services/record/sqlite/cursors.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { sessionRecord } from '../support/session-record.js';

export const owner = 'user' as UserId;
export const sessionId = 'session' as SessionId;

export interface DeliveryStage {
  readonly journal: SqliteJournal;
  readonly delivery: Delivery;
  /** The seq of the session's newest event. */
  readonly head: number;
  /** Publishes in the session what is not in the journal. */
  say(...items: Publication[]): void;
  /** Commits events after the head, and publishes them. */
  commit(...events: Omit<EventRecord, 'seq'>[]): Promise<void>;
}

/** `source`: what a test says of the session in place of an idle one that its owner alone can see. */
export function useDeliveryStage(source: Partial<SessionSource> = {}): DeliveryStage {
  const record = sessionRecord(sessionId);
  let folder: string;
  let journal: SqliteJournal;
  let delivery: Delivery;
  let head: number;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'companion-delivery-'));
    const database = openDatabase(join(folder, 'journal.db'));
    journal = createSqliteJournal({ database, bootId: 'boot' });
    head = 0;
    delivery = new Delivery({
      journal,
      cursors: createSqliteCursors(database),
      source: {
        head: (userId, id) => (userId === owner && id === sessionId ? head : undefined),
        owned: () => [sessionId],
        openBlocks: () => [],
        openPermissions: () => [],
        tasks: () => undefined,
        snapshot: async () => ({ status: {} as never, messages: [], permissions: [] }),
        ...source,
      },
      now: Date.now,
      onReset: () => {},
      onDevicesChanged: () => {},
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    journal.commit({ record, events: [], prompts: [], permissions: [] });
  });
  afterEach(async () => {
    await journal.close();
    rmSync(folder, { recursive: true });
  });
  const stage: DeliveryStage = {
    get journal() {
      return journal;
    },
    get delivery() {
      return delivery;
    },
    get head() {
      return head;
    },
    say: (...items) => delivery.publish({ sessionId, owner }, items),
    commit: async (...given) => {
      const events = given.map((event, index): EventRecord => ({ ...event, seq: head + index + 1 }));
      journal.commit({ record, events, prompts: [], permissions: [] });
      head += events.length;
      stage.say(...events.map((event) => ({ kind: 'event' as const, event })));
    },
  };
  return stage;
}
