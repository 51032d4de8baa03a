/** Webhooks of one daemon after another, over a journal on disk, with the clock of jest and a program that answers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, jest } from '@jest/globals';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { EventRecord, UserId } from '../../../services/ports/records.js';
import type { WebhookDelivery, WebhookRecord, WebhookStore } from '../../../services/ports/webhooks.js';
import { PushReach } from '../../../services/push/web/push-reach.js';
import type { WebhookAnswer, WebhookPost } from '../../../services/push/webhooks/webhook-sender.js';
import { Webhooks } from '../../../services/push/webhooks/webhooks.js';
import { openDatabase } from '../../../services/record/sqlite/schema.js';
import { createSqliteJournal, type SqliteJournal } from '../../../services/record/sqlite/sqlite-journal.js';
import { createSqliteWebhooks } from '../../../services/record/sqlite/webhooks.js';
import { sessionRecord } from '../../support/session-record.js';
import { deviceRef, turnOf } from '../situations.js';
import { recordChange } from './record-change.js';

export const START = Date.UTC(2026, 11, 1);
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const OWNER = deviceRef('').userId;
const MAC = Buffer.alloc(32, 7);
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export type Said = Pick<EventRecord, 'type' | 'data'>;
export const TURN: Said = { type: 'streamComplete', data: JSON.stringify(turnOf()) };
export const HANGS = 'hangs';
export const answered = (status: number, retryAfter?: string): WebhookAnswer => ({
  kind: 'answered',
  status,
  retryAfter,
});
export const idOf = ({ headers }: WebhookPost): string => headers['webhook-id'] ?? '';

export interface DaemonParts {
  mac?: Buffer;
  isPerson?: (userId: UserId) => boolean;
}

export interface WebhookStage {
  /** What was sent, oldest first. */
  posts: (WebhookPost & { at: number })[];
  /** Default: 204. */
  answers: (message: WebhookPost) => WebhookAnswer | Promise<WebhookAnswer> | typeof HANGS;
  /** By the daemon. */
  disabled: [webhookId: string, reason: string][];
  /** Whether the disk is: of webhooks alone. */
  full: boolean;
  life: { journal: SqliteJournal; webhooks: Webhooks; store: WebhookStore };
  /** What is under way is cut off, and nobody learns what became of it; another daemon comes up. */
  crash(next?: DaemonParts): Promise<void>;
  add(given?: Partial<WebhookRecord>): ReturnType<Webhooks['add']>;
  commit(said: Said[], sessionId?: string, fields?: object): void;
  /** What is due begins. */
  settle(): Promise<void>;
  pass(ms: number): Promise<void>;
  deliveries(webhook: WebhookRecord): WebhookDelivery[];
  present(webhook: WebhookRecord): WebhookRecord;
}

/** One for each test. */
export function useWebhooks(): WebhookStage {
  let folder = '';
  let heads = 0;
  let end = () => {};
  const stage = {
    crash: async (next = {}) => {
      end();
      await stage.life.journal.close();
      end = start(stage, folder, next);
      await stage.settle();
    },
    add: (given = {}) => {
      const all = { events: undefined, sessionIds: undefined, project: undefined, description: undefined };
      const url = 'https://example.org/in';
      return stage.life.webhooks.add({ userId: OWNER, url, createdBy: 'rest', ...all, ...given });
    },
    commit: (said, sessionId = 'session', fields = {}) => {
      const events = said.map((one) => {
        heads += 1;
        return { ...one, seq: heads, at: Date.now() };
      });
      const record = { ...sessionRecord(sessionId, OWNER), ...fields };
      const { journal, webhooks: push } = stage.life;
      recordChange({ journal, push }, { record, events, prompts: [], permissions: [] });
    },
    settle: () => jest.advanceTimersByTimeAsync(0),
    pass: (ms) => jest.advanceTimersByTimeAsync(ms),
    deliveries: (webhook) => stage.life.webhooks.deliveries(webhook),
    present: ({ webhookId }) => stage.life.webhooks.require(OWNER, webhookId),
  } as WebhookStage;

  beforeEach(() => {
    jest.useFakeTimers({ now: START });
    folder = mkdtempSync(join(tmpdir(), 'companion-webhooks-'));
    heads = 0;
    Object.assign(stage, { posts: [], disabled: [], full: false, answers: () => answered(204) });
    end = start(stage, folder, {});
  });
  afterEach(async () => {
    end();
    await stage.life.journal.close();
    jest.useRealTimers();
    rmSync(folder, { recursive: true });
  });
  return stage;
}

/** A daemon comes up. Returns what kills it. */
function start(stage: WebhookStage, folder: string, { mac = MAC, isPerson = () => true }: DaemonParts): () => void {
  const database = openDatabase(join(folder, 'journal.db'));
  const journal = createSqliteJournal({ database, bootId: 'boot' });
  const kept = createSqliteWebhooks(database);
  let isOver = false;
  const store: WebhookStore = {
    ...kept,
    write: (changes) => {
      if (isOver) return;
      if (stage.full) throw new CompanionError('STORAGE_FULL', 'The disk is full.');
      kept.write(changes);
    },
  };
  const post = async (message: WebhookPost): Promise<WebhookAnswer> => {
    stage.posts.push({ ...message, at: Date.now() });
    const answer = await stage.answers(message);
    return answer === HANGS ? new Promise(() => {}) : answer;
  };
  const webhooks = new Webhooks({
    store,
    sender: { post },
    reach: new PushReach({ allowPrivate: true }),
    mac,
    now: () => Date.now(),
    random: () => 0.5,
    log: silent,
    onAttempted: () => {},
    onDisabled: ({ webhookId }, reason) => {
      if (!isOver) stage.disabled.push([webhookId, reason]);
    },
  });
  webhooks.load();
  webhooks.begin(isPerson);
  stage.life = { journal, webhooks, store };
  return () => {
    isOver = true;
    void webhooks.close();
  };
}
