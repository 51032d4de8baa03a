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
];
