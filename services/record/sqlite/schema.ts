import { JournalDamaged } from '../damage/damage-guard.js';
import { openMeta } from './row-sums.js';
import { connect, connectInMemory, type SqliteDatabase } from './sqlite-database.js';

/** The journal's schema as numbered steps; `user_version` is the number of applied steps. Steps are never edited. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    record TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE events (
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL,
    message_id TEXT,
    child_id TEXT,
    line_offset INTEGER,
    line_part INTEGER
  );
  CREATE UNIQUE INDEX events_by_seq ON events (session_id, seq);
  CREATE UNIQUE INDEX events_by_line ON events (child_id, line_offset, line_part) WHERE child_id IS NOT NULL;
  CREATE INDEX events_by_message ON events (session_id, message_id, seq) WHERE message_id IS NOT NULL;
  CREATE INDEX events_by_tool ON events (session_id, data ->> 'toolId') WHERE type = 'toolUse';
  CREATE TABLE prompts (
    prompt_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    request_id TEXT,
    uuid TEXT NOT NULL,
    state TEXT NOT NULL,
    mode TEXT NOT NULL,
    announced INTEGER NOT NULL,
    text TEXT NOT NULL,
    attachments TEXT,
    answer TEXT NOT NULL,
    outcome TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
  );
  CREATE UNIQUE INDEX prompts_by_request ON prompts (user_id, device_id, request_id) WHERE request_id IS NOT NULL;
  CREATE INDEX prompts_open ON prompts (session_id) WHERE state IN ('queued', 'dispatching', 'processing');
  CREATE TABLE permissions (
    session_id TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    child_id TEXT NOT NULL,
    ask TEXT NOT NULL,
    decision TEXT,
    by_device_id TEXT,
    answer TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, permission_id)
  );
  CREATE INDEX permissions_pending ON permissions (session_id) WHERE decision IS NULL OR answer IS NOT NULL;
  CREATE TABLE subscriptions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    events TEXT NOT NULL,
    all_sessions INTEGER NOT NULL,
    acknowledges INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
  ) WITHOUT ROWID;
  CREATE TABLE cursors (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id, session_id)
  ) WITHOUT ROWID;
  `,
  // Rows that predate this step have a sum of -1 and are not checked if the row of meta says so; its own sum is that of
  // `sumOf`.
  `
  ALTER TABLE meta ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE sessions ADD COLUMN commits INTEGER;
  ALTER TABLE sessions ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE events ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE prompts ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE permissions ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE subscriptions ADD COLUMN sum INTEGER DEFAULT -1;
  ALTER TABLE cursors ADD COLUMN sum INTEGER DEFAULT -1;
  INSERT INTO meta SELECT 'unsummed_rows', 'yes', 2957988183 WHERE EXISTS (SELECT 1 FROM meta);
  `,
  // Rows that predate this step have NULL here: their size is unknown.
  `
  ALTER TABLE sessions ADD COLUMN first INTEGER;
  ALTER TABLE events ADD COLUMN bytes_before INTEGER;
  CREATE INDEX prompts_ended ON prompts (session_id, ended_at) WHERE ended_at IS NOT NULL;
  CREATE INDEX permissions_done ON permissions (session_id, created_at) WHERE decision IS NOT NULL AND answer IS NULL;
  `,
  `
  CREATE TABLE pushes (
    push_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    session_id TEXT,
    seq INTEGER,
    epoch TEXT NOT NULL,
    permission_id TEXT,
    kind TEXT NOT NULL,
    collapse_id TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    about TEXT NOT NULL,
    actions TEXT,
    history TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    next_try INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    sum INTEGER DEFAULT -1
  );
  CREATE INDEX pushes_open ON pushes (state) WHERE state IN ('owed', 'sending', 'accepted');
  CREATE INDEX pushes_by_request ON pushes (session_id, permission_id) WHERE permission_id IS NOT NULL;
  CREATE INDEX pushes_by_user ON pushes (user_id, created_at);
  CREATE INDEX pushes_by_age ON pushes (updated_at);
  `,
  // NULL in older rows: when those devices were last connected is unknown.
  `
  ALTER TABLE subscriptions ADD COLUMN seen_at INTEGER;
  ALTER TABLE subscriptions ADD COLUMN nameless INTEGER;
  CREATE INDEX cursors_by_session ON cursors (session_id);
  `,
  // A `BlobRef`, also in the index: reading it behind long data would be slow.
  `
  ALTER TABLE events ADD COLUMN blob TEXT;
  CREATE INDEX events_with_blob ON events (session_id, seq, blob) WHERE blob IS NOT NULL;
  `,
  // Derived from the events when a history is read; `seq` is that of the last event in the index (`MessageIndex`).
  `
  CREATE TABLE messages (
    session_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX messages_by_id ON messages (session_id, message_id);
  CREATE UNIQUE INDEX messages_by_seq ON messages (session_id, seq);
  CREATE TABLE indexed_sessions (
    session_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    sum INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  // The running order of waiting prompts that a person has changed.
  `
  ALTER TABLE prompts ADD COLUMN place INTEGER;
  `,
  // Answers to requests with a key of their client. The index of prompts is for lists of them.
  `
  CREATE TABLE answers (
    user_id TEXT NOT NULL,
    command TEXT NOT NULL,
    key TEXT NOT NULL,
    device_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    session_id TEXT,
    created_at INTEGER NOT NULL,
    status INTEGER,
    content_type TEXT,
    body TEXT,
    sum INTEGER NOT NULL,
    PRIMARY KEY (user_id, command, key)
  ) WITHOUT ROWID;
  CREATE INDEX answers_by_age ON answers (created_at);
  CREATE INDEX answers_by_session ON answers (session_id) WHERE session_id IS NOT NULL;
  CREATE INDEX prompts_of_session ON prompts (session_id);
  `,
  // `turn` numbers the messages of people; NULL in those of Claude. The table is derived anew.
  `
  ALTER TABLE messages ADD COLUMN turn INTEGER;
  CREATE UNIQUE INDEX messages_by_turn ON messages (session_id, turn) WHERE turn IS NOT NULL;
  DELETE FROM messages;
  DELETE FROM indexed_sessions;
  `,
  // A list as JSON.
  `
  ALTER TABLE prompts ADD COLUMN allowed_tools TEXT;
  `,
  // What turns have used, in sums: they outlive the events of the turns.
  `
  CREATE TABLE usage (
    user_id TEXT NOT NULL,
    day TEXT NOT NULL,
    session_id TEXT NOT NULL,
    model TEXT NOT NULL,
    project TEXT NOT NULL,
    turns INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cost REAL NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, session_id, model)
  ) WITHOUT ROWID;
  CREATE INDEX usage_by_session ON usage (session_id);
  `,
  // What devices did with files: `place` counts from 1 behind the event `seq`. Tools are events, found by their files.
  // `outcome` is read only where it is whole: the table is checked at each start.
  `
  CREATE TABLE file_accesses (
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    prompt_id TEXT,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq, place)
  ) WITHOUT ROWID;
  CREATE INDEX events_by_file ON events (
    session_id,
    seq,
    data ->> 'toolName',
    COALESCE(data ->> '$.toolInput.file_path', data ->> '$.toolInput.notebook_path', data ->> '$.toolInput.path')
  ) WHERE type = 'toolUse';
  CREATE INDEX prompts_by_end ON prompts (
    session_id,
    CASE WHEN json_valid(outcome) THEN outcome ->> 'endSeq' END
  ) WHERE outcome IS NOT NULL;
  `,
  // Prompts at a time. The row of a due time is written before its prompt is sent.
  `
  CREATE TABLE schedules (
    schedule_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    record TEXT NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX schedules_by_id ON schedules (schedule_id);
  CREATE TABLE schedule_runs (
    schedule_id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
  ) WITHOUT ROWID;
  CREATE INDEX schedule_runs_due ON schedule_runs (state) WHERE state = 'due';
  `,
  // Budgets, and what was told of them. What purged sessions have used counts towards the budgets of their person.
  `
  CREATE TABLE budgets (
    budget_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    of_what TEXT NOT NULL,
    session_id TEXT,
    period TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount REAL NOT NULL,
    warn_at REAL NOT NULL,
    stop INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE TABLE budget_marks (
    budget_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    since TEXT NOT NULL,
    state TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (budget_id, session_id)
  ) WITHOUT ROWID;
  CREATE TABLE other_usage (
    user_id TEXT NOT NULL,
    day TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    dollars REAL NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (user_id, day)
  ) WITHOUT ROWID;
  `,
  // A list of sessions as JSON.
  `
  ALTER TABLE prompts ADD COLUMN via TEXT;
  `,
  // Addresses at which other programs have prompts sent.
  `
  CREATE TABLE hooks (
    hook_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    record TEXT NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX hooks_by_id ON hooks (hook_id);
  `,
  // Addresses of other programs, and what they are told. A delivery is written with its event.
  `
  CREATE TABLE webhooks (
    webhook_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    record TEXT NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX webhooks_by_id ON webhooks (webhook_id);
  CREATE TABLE webhook_deliveries (
    delivery_id TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    record TEXT NOT NULL,
    sum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX webhook_deliveries_by_id ON webhook_deliveries (delivery_id);
  CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, created_at);
  CREATE INDEX webhook_deliveries_by_session ON webhook_deliveries (session_id) WHERE session_id IS NOT NULL;
  CREATE INDEX webhook_deliveries_owed ON webhook_deliveries (state) WHERE state = 'owed';
  `,
  // The `traceparent` of the request that brought a prompt.
  `
  ALTER TABLE prompts ADD COLUMN trace TEXT;
  `,
];

/** The first step from which the journal stores the number of applied steps, with a checksum. */
const FIRST_NOTED_STEP = 2;

/**
 * Opens or creates the journal's file and migrates its schema. Throws when a newer version has written it, and
 * `JournalDamaged` when its schema is not that of any version.
 */
export function openDatabase(path: string): SqliteDatabase {
  const database = connect(path);
  try {
    migrate(database);
    requireSchema(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: SqliteDatabase): void {
  const done = Number(database.pragma('user_version', { simple: true }));
  requireNoted(database, done);
  if (done > MIGRATIONS.length) {
    throw new Error(`journal.db was written by a newer version (schema ${done}, this one knows ${MIGRATIONS.length})`);
  }
  for (let step = done; step < MIGRATIONS.length; step += 1) {
    database.transaction(() => {
      database.exec(MIGRATIONS[step] ?? '');
      database.pragma(`user_version = ${step + 1}`);
      if (step + 1 >= FIRST_NOTED_STEP) openMeta(database).set('schema', String(step + 1));
    })();
  }
}

/** `user_version` is an unprotected number in the file's header: a value other than the noted one is damage. */
function requireNoted(database: SqliteDatabase, done: number): void {
  const isNew = database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (isNew && done === 0) return;
  const hasSums = database.prepare(`SELECT 1 FROM pragma_table_info('meta') WHERE name = 'sum'`).get() !== undefined;
  const noted = hasSums ? openMeta(database).get('schema') : String(FIRST_NOTED_STEP - 1);
  if (noted !== String(done)) throw new JournalDamaged('the number of its schema is not as it was written');
}

/** The expected schema comes from a new database in memory, which takes 2 ms. */
function requireSchema(database: SqliteDatabase): void {
  const fresh = connectInMemory();
  migrate(fresh);
  if (schemaOf(database) !== schemaOf(fresh)) throw new JournalDamaged('its schema is not as it was made');
  fresh.close();
}

const schemaOf = (database: SqliteDatabase): string =>
  JSON.stringify(database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all());
