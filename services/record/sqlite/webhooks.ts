import type { WebhookDelivery, WebhookRecord, WebhookStore } from '../../ports/webhooks.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { insertInto, rowCheckOf, summedValues } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface WebhookRow {
  webhook_id: string;
  user_id: string;
  /** JSON. */
  record: string;
}

interface DeliveryRow {
  delivery_id: string;
  webhook_id: string;
  user_id: string;
  session_id: string | null;
  state: string;
  created_at: number;
  updated_at: number;
  /** JSON. */
  record: string;
}

/** Of one webhook, besides those that are owed. */
const KEPT_DELIVERIES = 500;

/** Webhooks and their deliveries in the journal's database. */
export function createSqliteWebhooks(database: SqliteDatabase, guard = new DamageGuard(() => {})): WebhookStore {
  const check = rowCheckOf(database);
  const all = database.prepare<[], WebhookRow>('SELECT * FROM webhooks ORDER BY rowid');
  const owed = database.prepare<[], DeliveryRow>(
    `SELECT * FROM webhook_deliveries WHERE state = 'owed' ORDER BY created_at, rowid`,
  );
  const ofWebhook = database.prepare<[string], DeliveryRow>(
    `SELECT * FROM webhook_deliveries WHERE webhook_id = ? ORDER BY created_at DESC, rowid DESC`,
  );
  const one = database.prepare<[string, string], DeliveryRow>(
    'SELECT * FROM webhook_deliveries WHERE webhook_id = ? AND delivery_id = ?',
  );
  const deliveriesIn = (rows: DeliveryRow[]) =>
    rows.map((row) => JSON.parse(check('webhook_deliveries', row).record) as WebhookDelivery);
  const { write, remove, forget, prune } = prepareWrites(database);
  return {
    readAll: () => guard.run(() => all.all().map((row) => JSON.parse(check('webhooks', row).record) as WebhookRecord)),
    readOwed: () => guard.run(() => deliveriesIn(owed.all())),
    write: (changes) => guard.write(() => write(changes)),
    remove: (webhookId) => guard.write(() => remove(webhookId)),
    forgetPerson: (userId) => guard.write(() => forget(userId)),
    listDeliveries: (webhookId) => guard.run(() => deliveriesIn(ofWebhook.all(webhookId))),
    findDelivery: (webhookId, deliveryId) => guard.run(() => deliveriesIn(one.all(webhookId, deliveryId))[0]),
    prune: (before) => guard.write(() => prune(before)),
  };
}

function prepareWrites(database: SqliteDatabase) {
  const webhook = database.prepare(
    `${insertInto('webhooks')} ON CONFLICT (webhook_id) DO UPDATE SET record = excluded.record, sum = excluded.sum`,
  );
  const delivery = prepareDeliveries(database);
  const removals = ['webhooks', 'webhook_deliveries'].map((table) => ({
    one: database.prepare<[string]>(`DELETE FROM ${table} WHERE webhook_id = ?`),
    ofPerson: database.prepare<[string]>(`DELETE FROM ${table} WHERE user_id = ?`),
  }));
  const old = database.prepare<[number]>(`DELETE FROM webhook_deliveries WHERE updated_at < ? AND state <> 'owed'`);
  const lost = database.prepare(
    'DELETE FROM webhook_deliveries WHERE webhook_id NOT IN (SELECT webhook_id FROM webhooks)',
  );
  const ids = database.prepare<[], string>('SELECT webhook_id FROM webhooks').pluck();
  const surplus = database.prepare<[string]>(
    `DELETE FROM webhook_deliveries WHERE rowid IN (SELECT rowid FROM webhook_deliveries
       WHERE webhook_id = ? AND state <> 'owed' ORDER BY created_at DESC, rowid DESC LIMIT -1 OFFSET ${KEPT_DELIVERIES})`,
  );
  return {
    write: database.transaction(({ webhooks = [], deliveries = [] }: Parameters<WebhookStore['write']>[0]) => {
      for (const one of webhooks) webhook.run(summedValues('webhooks', webhookRow(one)));
      delivery(deliveries);
    }),
    remove: database.transaction((webhookId: string) => {
      for (const { one } of removals) one.run(webhookId);
    }),
    forget: database.transaction((userId: string) => {
      for (const { ofPerson } of removals) ofPerson.run(userId);
    }),
    prune: database.transaction((before: number) => {
      old.run(before);
      lost.run();
      for (const id of ids.all()) surplus.run(id);
    }),
  };
}

/** Writes deliveries within a transaction. */
export function prepareDeliveries(database: SqliteDatabase): (deliveries: readonly WebhookDelivery[]) => void {
  const write = database.prepare(
    `${insertInto('webhook_deliveries')} ON CONFLICT (delivery_id) DO UPDATE
       SET state = excluded.state, updated_at = excluded.updated_at, record = excluded.record, sum = excluded.sum`,
  );
  return (deliveries) => {
    for (const one of deliveries) write.run(summedValues('webhook_deliveries', deliveryRow(one)));
  };
}

const webhookRow = (webhook: WebhookRecord): WebhookRow => ({
  webhook_id: webhook.webhookId,
  user_id: webhook.userId,
  record: JSON.stringify(webhook),
});

const deliveryRow = (delivery: WebhookDelivery): DeliveryRow => ({
  delivery_id: delivery.deliveryId,
  webhook_id: delivery.webhookId,
  user_id: delivery.userId,
  session_id: delivery.sessionId ?? null,
  state: delivery.state,
  created_at: delivery.createdAt,
  updated_at: delivery.updatedAt,
  record: JSON.stringify(delivery),
});
