import type { DeviceId } from '../../../protocol/scalars.js';
import type { AnswerKey, AnswerStore, BegunRequest, KeptAnswer, KnownRequest } from '../../ports/answers.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { requireAsked } from './event-log.js';
import { insertInto, rowCheckOf, SUMMED_COLUMNS, summedValues, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface AnswerRow {
  user_id: string;
  command: string;
  key: string;
  device_id: string;
  fingerprint: string;
  session_id: string | null;
  created_at: number;
  /** NULL until it is answered. */
  status: number | null;
  content_type: string | null;
  body: string | null;
}

/** Removed with each new request. */
const PRUNE_BATCH = 20;

/** The answers to repeatable requests in the journal's database. */
export function createSqliteAnswers(database: SqliteDatabase, guard = new DamageGuard(() => {})): AnswerStore {
  const find = prepareFind(database);
  const columns = [...SUMMED_COLUMNS.answers, 'sum'];
  const set = columns.map((column) => `${column} = excluded.${column}`).join(', ');
  const write = database.prepare(`${insertInto('answers')} ON CONFLICT DO UPDATE SET ${set}`);
  const update = database.prepare(
    `UPDATE answers SET session_id = @session_id, status = @status, content_type = @content_type, body = @body,
       sum = @sum WHERE user_id = @user_id AND command = @command AND key = @key`,
  );
  const remove = database.prepare<[string, string, string]>(
    'DELETE FROM answers WHERE user_id = ? AND command = ? AND key = ?',
  );
  const forget = database.prepare<[string]>('DELETE FROM answers WHERE user_id = ?');
  const prune = database.prepare<[number]>(
    `DELETE FROM answers WHERE (user_id, command, key) IN
       (SELECT user_id, command, key FROM answers WHERE created_at < ? LIMIT ${PRUNE_BATCH})`,
  );
  const begin = database.transaction((request: BegunRequest, expired: number) => {
    prune.run(expired);
    write.run(summedValues('answers', rowOf(request)));
  });
  const finish = (key: AnswerKey, answer: KeptAnswer, sessionId: string | null) => {
    const row = find(key);
    // Removed with its session.
    if (row) update.run(withSum('answers', { ...row, session_id: sessionId ?? row.session_id, ...columnsOf(answer) }));
  };
  return {
    find: (key, after) =>
      guard.run(() => {
        const row = find(key);
        return row && row.created_at >= after ? knownOf(row) : undefined;
      }),
    begin: (request, expired) => guard.write(() => begin(request, expired)),
    finish: (key, answer, sessionId) => guard.write(() => finish(key, answer, sessionId ?? null)),
    forgetPerson: (userId) => guard.write(() => void forget.run(userId)),
    release: ({ userId, command, key }) => guard.write(() => void remove.run(userId, command, key)),
  };
}

function prepareFind(database: SqliteDatabase): (key: AnswerKey) => AnswerRow | undefined {
  const check = rowCheckOf(database);
  const read = database.prepare<[string, string, string], AnswerRow>(
    'SELECT * FROM answers WHERE user_id = ? AND command = ? AND key = ?',
  );
  return ({ userId, command, key }) => {
    const row = read.get(userId, command, key);
    const isAsked = row?.user_id === userId && row.command === command && row.key === key;
    return row && check('answers', requireAsked(row, isAsked));
  };
}

const rowOf = ({ userId, command, key, deviceId, fingerprint, sessionId, at }: BegunRequest): AnswerRow => ({
  user_id: userId,
  command,
  key,
  device_id: deviceId,
  fingerprint,
  session_id: sessionId ?? null,
  created_at: at,
  status: null,
  content_type: null,
  body: null,
});

const columnsOf = ({ status, contentType, body }: KeptAnswer) => ({
  status,
  content_type: contentType,
  body: body ?? null,
});

const knownOf = ({ device_id, fingerprint, status, content_type, body }: AnswerRow): KnownRequest => ({
  deviceId: device_id as DeviceId,
  fingerprint,
  answer: status === null ? undefined : { status, contentType: content_type ?? '', body: body ?? undefined },
});
