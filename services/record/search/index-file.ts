/** The file of the search index: words of what was said, by the times at which it was said. */
import { rmSync } from 'node:fs';
import { tokensOf } from '../../model/search-words.js';
import type { SaidBy } from '../../ports/search.js';
import { connect, type SqliteDatabase } from '../sqlite/sqlite-database.js';
import { tagsOf } from './tags.js';

/** An index of another version, or of another epoch of the record, is made anew. */
const VERSION = '2';

/**
 * `words` has no texts: those are in the record. Its ids are times (`idsAt`), so the newest matches are read first,
 * without the others. A document of a terminal has its text in `said`, since the record does not have it. `held` has
 * the conversations of sessions, and since when.
 */
const SCHEMA = `
  CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE sources (
    source INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    directory TEXT NOT NULL,
    position INTEGER NOT NULL,
    first INTEGER NOT NULL,
    stamp TEXT NOT NULL,
    UNIQUE (kind, key, owner)
  );
  CREATE TABLE held (
    claude_session_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    said TEXT
  );
  CREATE INDEX documents_of_source ON documents (source, seq);
  CREATE VIRTUAL TABLE words USING fts5 (
    said, wholes, tags, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'ascii'
  );
`;

export interface SourceRow {
  source: number;
  kind: 'session' | 'terminal';
  /** The id of the session or conversation. */
  key: string;
  owner: string;
  directory: string;
  /** seq of the last event in the index. */
  position: number;
  /** The smallest seq that is kept. */
  first: number;
  /** Changes with the transcript of a terminal. */
  stamp: string;
}

export interface DocumentRow {
  id: number;
  source: number;
  seq: number;
  /** As JSON. */
  said: string | null;
}

/** Ids of one millisecond: those after it are borrowed when more is said in it. */
export const IDS_PER_MS = 1024;

export const timeOf = (id: number): number => Math.floor(id / IDS_PER_MS);

/** Something to be found. */
export interface NewDocument {
  /** Epoch milliseconds. */
  at: number;
  seq: number;
  role: SaidBy;
  toolName?: string;
  text: string;
  /** Kept in the index. */
  said?: string;
}

export interface IndexFile {
  database: SqliteDatabase;
  add(source: SourceRow, document: NewDocument): void;
  /** Removes up to this many documents of a source with a smaller seq. Returns the number removed. */
  remove(source: number, before: number, limit: number): number;
  close(): void;
}

/** Opens the index, or makes an empty one where there is none of this version and epoch. Throws what SQLite throws. */
export function openIndexFile(path: string, epoch: string): IndexFile {
  const mark = `${VERSION} ${epoch}`;
  const database = openMarked(path, mark) ?? createMarked(path, mark);
  return { database, ...prepareWrites(database), close: () => database.close() };
}

function openMarked(path: string, mark: string): SqliteDatabase | undefined {
  const database = connect(path);
  try {
    if (database.prepare(`SELECT value FROM about WHERE key = 'mark'`).pluck().get() === mark) return tuned(database);
  } catch {
    // Whatever the reason: it is new, of another version, or damaged, and what it had is in the record.
  }
  database.close();
  return undefined;
}

function createMarked(path: string, mark: string): SqliteDatabase {
  removeIndexFile(path);
  const database = tuned(connect(path));
  try {
    database.transaction(() => {
      database.exec(SCHEMA);
      database.prepare(`INSERT INTO about VALUES ('mark', ?)`).run(mark);
    })();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What is removed is not left readable in free pages. */
function tuned(database: SqliteDatabase): SqliteDatabase {
  database.pragma('secure_delete = ON');
  database.pragma(`cache_size = -${CACHE_KIB}`);
  return database;
}

const CACHE_KIB = 8192;

/** Whatever is there, also a folder: the place is the index's alone. */
export function removeIndexFile(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { recursive: true, force: true });
}

function prepareWrites(database: SqliteDatabase): Pick<IndexFile, 'add' | 'remove'> {
  const isTaken = database.prepare<[number], number>('SELECT 1 FROM documents WHERE id = ?').pluck();
  const document = database.prepare('INSERT INTO documents VALUES (?, ?, ?, ?)');
  const words = database.prepare('INSERT INTO words (rowid, said, wholes, tags) VALUES (?, ?, ?, ?)');
  const old = database
    .prepare<[number, number, number], number>('SELECT id FROM documents WHERE source = ? AND seq < ? LIMIT ?')
    .pluck();
  const removeWords = database.prepare('DELETE FROM words WHERE rowid = ?');
  const removeDocument = database.prepare('DELETE FROM documents WHERE id = ?');
  // Many can have the same time.
  let last = { first: -1, id: -1 };
  const idAt = (at: number): number => {
    const first = Math.max(0, Math.floor(at)) * IDS_PER_MS;
    let id = last.first === first ? last.id + 1 : first;
    while (isTaken.get(id) !== undefined) id += 1;
    last = { first, id };
    return id;
  };
  return {
    add: (source, { at, seq, role, toolName, text, said }) => {
      const id = idAt(at);
      const tokens = tokensOf(text);
      const wholes = tokens.flatMap(({ whole }) => whole?.text ?? []);
      document.run(id, source.source, seq, said ?? null);
      const tags = tagsOf({ ...source, role, toolName });
      // FTS5 takes a number that is too large for 32 bits for a fraction.
      words.run(BigInt(id), tokens.map((token) => token.text).join(' '), wholes.join(' '), tags.join(' '));
    },
    remove: (source, before, limit) => {
      const ids = old.all(source, before, limit);
      for (const id of ids) {
        removeWords.run(BigInt(id));
        removeDocument.run(id);
      }
      return ids.length;
    },
  };
}
