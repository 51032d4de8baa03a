import type { EventData } from '../../../protocol/events.js';
import { saidIn } from './event-text.js';
import type { OutsideFollower } from './follow-outside.js';
import type { IndexFile, SourceRow } from './index-file.js';
import type { RecordedSession, RecordReader } from './record-reader.js';

/** Events or documents of one transaction. */
const BATCH = 128;
const ALL = Number.MAX_SAFE_INTEGER;

interface FollowerOptions {
  record: RecordReader;
  index: IndexFile;
  outside: OutsideFollower;
}

/** Keeps the index as the record is: what was said since is added, and what was removed is removed. */
export class RecordFollower {
  readonly #record: RecordReader;
  readonly #index: IndexFile;
  readonly #outside: OutsideFollower;
  readonly #statements: ReturnType<typeof prepareSources>;
  /** The version of the record that the index has. */
  #version: number | undefined;

  constructor({ record, index, outside }: FollowerOptions) {
    this.#record = record;
    this.#index = index;
    this.#outside = outside;
    this.#statements = prepareSources(index);
  }

  /** How many events are not in the index, at most. */
  get backlog(): number {
    if (this.#version === this.#record.version()) return 0;
    const known = this.#known();
    return this.#record
      .sessions()
      .reduce((sum, { sessionId, first, head }) => sum + head - positionOf(known.get(sessionId), first), 0);
  }

  /** Follows for so many milliseconds, or a batch more. Returns whether the index has everything. */
  follow(milliseconds: number): boolean {
    const version = this.#record.version();
    if (version === this.#version) return true;
    const until = performance.now() + milliseconds;
    const isOver = () => performance.now() >= until;
    const known = this.#known();
    const sessions = this.#record.sessions();
    const kept = new Set(sessions.map(({ sessionId }) => sessionId));
    const gone = [...known.values()].filter(({ key }) => !kept.has(key));
    for (const source of gone) if (!this.#forget(source, isOver)) return false;
    for (const session of sessions)
      if (!this.#followSession(session, known.get(session.sessionId), isOver)) return false;
    this.#version = version;
    return true;
  }

  #known(): Map<string, SourceRow> {
    return new Map(this.#statements.sessions.all().map((row) => [row.key, row]));
  }

  #forget({ source, key }: SourceRow, isOver: () => boolean): boolean {
    this.#outside.forget(key);
    if (!this.#removeBefore(source, ALL, isOver)) return false;
    this.#statements.remove.run(source);
    return true;
  }

  #followSession(session: RecordedSession, known: SourceRow | undefined, isOver: () => boolean): boolean {
    const { first, head, owner, directory } = session;
    if (known && known.first < first) {
      if (!this.#removeBefore(known.source, first, isOver)) return false;
    } else if (known?.position === head && known.owner === owner && known.directory === directory) return true;
    const source = this.#note(session, known);
    for (let position = source.position; position < head; ) {
      if (isOver()) return false;
      position = this.#addBatch({ ...source, position }, head);
    }
    return true;
  }

  #note({ sessionId: key, first, owner, directory }: RecordedSession, known: SourceRow | undefined): SourceRow {
    const row = {
      kind: 'session',
      key,
      owner,
      directory,
      position: positionOf(known, first),
      first,
      stamp: '',
    } as const;
    const { insert, update } = this.#statements;
    if (known) update.run({ ...row, source: known.source });
    return { ...row, source: known?.source ?? Number(insert.run(row).lastInsertRowid) };
  }

  /** Returns the seq up to which the index then has everything. */
  #addBatch(source: SourceRow, head: number): number {
    const events = this.#record.events(source.key, source.position, BATCH);
    const position = events.at(-1)?.seq ?? head;
    this.#index.database.transaction(() => {
      for (const { seq, at, type, data } of events) {
        const said = saidIn(type, data);
        if (said) this.#index.add(source, { at, seq, ...said });
        else if (type === 'systemInit') this.#hold(source, at, data);
      }
      this.#statements.move.run(position, source.source);
    })();
    return position;
  }

  /** From then on the record has what is said in this conversation. */
  #hold({ key }: SourceRow, at: number, data: string): void {
    const { claudeSessionId } = JSON.parse(data) as EventData<'systemInit'>;
    this.#outside.hold({ claude_session_id: claudeSessionId, session_id: key, at });
  }

  #removeBefore(source: number, before: number, isOver: () => boolean): boolean {
    const remove = this.#index.database.transaction(() => this.#index.remove(source, before, BATCH));
    while (remove() === BATCH) if (isOver()) return false;
    return true;
  }
}

const positionOf = (known: SourceRow | undefined, first: number): number => Math.max(known?.position ?? 0, first - 1);

const prepareSources = ({ database }: IndexFile) => ({
  sessions: database.prepare<[], SourceRow>(`SELECT * FROM sources WHERE kind = 'session'`),
  insert: database.prepare(
    `INSERT INTO sources (kind, key, owner, directory, position, first, stamp)
     VALUES (@kind, @key, @owner, @directory, @position, @first, @stamp)`,
  ),
  update: database.prepare(
    'UPDATE sources SET owner = @owner, directory = @directory, position = @position, first = @first WHERE source = @source',
  ),
  move: database.prepare('UPDATE sources SET position = ? WHERE source = ?'),
  remove: database.prepare('DELETE FROM sources WHERE source = ?'),
});
