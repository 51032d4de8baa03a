import type { FileAccessKind } from '../../../protocol/file-accesses.js';
import type { DeviceId, PromptId, SessionId } from '../../../protocol/scalars.js';
import type { AccessQuery, DeviceAccess, FileAccessStore, ListedAccess } from '../../ports/file-accesses.js';
import { requireAsked, type Sources } from './event-log.js';
import { insertInto, type RowCheck, summedValues } from './row-sums.js';
import { type EventRow, eventOf, type PromptRow, promptOf } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface AccessRow {
  session_id: string;
  seq: number;
  place: number;
  at: number;
  device_id: string;
  kind: string;
  path: string;
  prompt_id: string | null;
}

/** The places behind one event; those beyond are not noted. */
const PLACES = 1_000_000;
const MOST_OF_A_SESSION = 10_000;
/** Removed together, since finding them costs more than removing them. */
const SURPLUS = 256;

export function createFileAccessStore({ database, extents, check, guard }: Sources): FileAccessStore {
  const note = prepareNote(database);
  const list = prepareList(database, check);
  const promptsEndingFrom = preparePromptsByEnd(database, check);
  return {
    noteAccess: (access) => guard.write(() => note(access)),
    listAccesses: (query) => guard.run(() => list(query, extents.of(query.sessionId).first)),
    promptsEndingFrom: (sessionId, seq) => guard.run(() => promptsEndingFrom(sessionId, seq)),
  };
}

function prepareNote(database: SqliteDatabase): (access: DeviceAccess) => void {
  const last = database
    .prepare<[string, number], number>(
      'SELECT place FROM file_accesses WHERE session_id = ? AND seq = ? ORDER BY place DESC LIMIT 1',
    )
    .pluck();
  const insert = database.prepare(insertInto('file_accesses'));
  const count = database.prepare<[string], number>('SELECT COUNT(*) FROM file_accesses WHERE session_id = ?').pluck();
  const trim = database.prepare<[object]>(
    `DELETE FROM file_accesses WHERE session_id = @sessionId AND (seq, place) <=
       (SELECT seq, place FROM file_accesses WHERE session_id = @sessionId
        ORDER BY seq DESC, place DESC LIMIT 1 OFFSET ${MOST_OF_A_SESSION})`,
  );
  const counts = new Map<SessionId, number>();
  const write = database.transaction((access: DeviceAccess, place: number, isOver: boolean) => {
    insert.run(summedValues('file_accesses', rowOf(access, place)));
    if (isOver) trim.run({ sessionId: access.sessionId });
  });
  return (access) => {
    const { sessionId, seq } = access;
    const place = (last.get(sessionId, seq) ?? 0) + 1;
    if (place >= PLACES) return;
    const kept = (counts.get(sessionId) ?? count.get(sessionId) ?? 0) + 1;
    const isOver = kept > MOST_OF_A_SESSION + SURPLUS;
    write(access, place, isOver);
    counts.set(sessionId, isOver ? MOST_OF_A_SESSION : kept);
  };
}

/** As in the index. */
const TOOL = `data ->> 'toolName'`;
const PATH = `COALESCE(data ->> '$.toolInput.file_path', data ->> '$.toolInput.notebook_path', data ->> '$.toolInput.path')`;
const amongPaths = (path: string) => `(@paths IS NULL OR ${path} IN (SELECT value FROM json_each(@paths)))`;

const TOOL_USES = `FROM events INDEXED BY events_by_file
  WHERE session_id = @sessionId AND type = 'toolUse' AND seq >= @from AND seq <= @to
    AND ${TOOL} IN (SELECT value FROM json_each(@tools)) AND ${amongPaths(PATH)}`;
const OF_DEVICES = `FROM file_accesses
  WHERE session_id = @sessionId AND kind IN (SELECT value FROM json_each(@kinds)) AND ${amongPaths('path')}
    AND (@promptId IS NULL OR prompt_id = @promptId)`;

type Place = Pick<AccessRow, 'seq' | 'place'>;

function prepareList(database: SqliteDatabase, check: RowCheck) {
  const page = database.prepare<[object], Place>(
    `SELECT seq, 0 AS place ${TOOL_USES} AND seq <= @beforeSeq AND (seq, 0) < (@beforeSeq, @beforePlace)
     UNION ALL
     SELECT seq, place ${OF_DEVICES} AND (seq, place) < (@beforeSeq, @beforePlace)
     ORDER BY seq DESC, place DESC LIMIT @limit OFFSET @offset`,
  );
  const count = database
    .prepare<[object], number>(`SELECT (SELECT COUNT(*) ${TOOL_USES}) + (SELECT COUNT(*) ${OF_DEVICES})`)
    .pluck();
  const event = database.prepare<[string, number], EventRow>('SELECT * FROM events WHERE session_id = ? AND seq = ?');
  const access = database.prepare<[string, number, number], AccessRow>(
    'SELECT * FROM file_accesses WHERE session_id = ? AND seq = ? AND place = ?',
  );
  const read = (sessionId: SessionId, { seq, place }: Place): ListedAccess[] => {
    const number = seq * PLACES + place;
    if (place > 0) {
      const row = access.get(sessionId, seq, place);
      return row ? [{ number, device: accessOf(check('file_accesses', row)) }] : [];
    }
    const row = event.get(sessionId, seq);
    return row ? [{ number, toolUse: eventOf(check('events', requireAsked(row, row.type === 'toolUse'))) }] : [];
  };
  return (query: AccessQuery, first: number) => {
    const { sessionId, tools, kinds, paths, during, limit, offset, before = Number.MAX_SAFE_INTEGER } = query;
    const among = {
      sessionId,
      tools: JSON.stringify(tools),
      kinds: JSON.stringify(kinds),
      paths: paths ? JSON.stringify(paths) : null,
      promptId: during?.promptId ?? null,
      from: Math.max(first, during?.from ?? 0),
      to: during?.to ?? Number.MAX_SAFE_INTEGER,
    };
    const places = { beforeSeq: Math.floor(before / PLACES), beforePlace: before % PLACES };
    const found = page.all({ ...among, ...places, limit, offset });
    return { accesses: found.flatMap((one) => read(sessionId, one)), total: count.get(among) ?? 0 };
  };
}

const END = `CASE WHEN json_valid(outcome) THEN outcome ->> 'endSeq' END`;

function preparePromptsByEnd(database: SqliteDatabase, check: RowCheck) {
  const end = database
    .prepare<[string, number], number | null>(
      `SELECT ${END} FROM prompts INDEXED BY prompts_by_end
       WHERE session_id = ? AND outcome IS NOT NULL AND ${END} >= ? ORDER BY ${END} LIMIT 1`,
    )
    .pluck();
  const ending = database.prepare<[string, number], PromptRow>(
    `SELECT * FROM prompts INDEXED BY prompts_by_end WHERE session_id = ? AND outcome IS NOT NULL AND ${END} = ?`,
  );
  return (sessionId: SessionId, seq: number) => {
    const at = end.get(sessionId, seq);
    if (at === undefined || at === null) return [];
    return ending.all(sessionId, at).map((row) => promptOf(check('prompts', row)));
  };
}

const rowOf = ({ sessionId, seq, at, deviceId, kind, path, promptId }: DeviceAccess, place: number): AccessRow => ({
  session_id: sessionId,
  seq,
  place,
  at,
  device_id: deviceId,
  kind,
  path,
  prompt_id: promptId ?? null,
});

const accessOf = (row: AccessRow): DeviceAccess => ({
  sessionId: row.session_id as SessionId,
  seq: row.seq,
  at: row.at,
  deviceId: row.device_id as DeviceId,
  kind: row.kind as FileAccessKind,
  path: row.path,
  ...(row.prompt_id !== null && { promptId: row.prompt_id as PromptId }),
});
