import type { OutsideConversation, OutsidePage, ToldSaid } from '../../ports/search.js';
import type { IndexFile, SourceRow } from './index-file.js';
import type { RecordReader } from './record-reader.js';

/** Documents of one transaction. */
const BATCH = 500;
const ALL = Number.MAX_SAFE_INTEGER;

/** A session has held the conversation since then: the record has what was said from then on. */
export interface HeldRow {
  claude_session_id: string;
  session_id: string;
  /** Epoch milliseconds; 0 when the session was forgotten: nothing of the conversation is searched then. */
  at: number;
}

/** Keeps conversations that the record does not have in the index, with their texts. */
export class OutsideFollower {
  readonly #record: RecordReader;
  readonly #index: IndexFile;
  readonly #statements: ReturnType<typeof prepareSources>;

  constructor(record: RecordReader, index: IndexFile) {
    this.#record = record;
    this.#index = index;
    this.#statements = prepareSources(index);
  }

  /** Removes the conversations that are not among these. Returns those that are not in the index as they are. */
  pending(owner: string, conversations: readonly OutsideConversation[]): string[] {
    const known = new Map(this.#statements.ofOwner.all(owner).map((row) => [row.key, row]));
    const listed = new Set(conversations.map(({ claudeSessionId }) => claudeSessionId));
    for (const { key } of known.values()) if (!listed.has(key)) this.remove(key);
    return conversations
      .filter((one) => known.get(one.claudeSessionId)?.stamp !== this.#stampOf(one))
      .map(({ claudeSessionId }) => claudeSessionId);
  }

  /** A page of a conversation; an empty one ends it. What was removed since its first one is not added any more. */
  add(owner: string, { conversation, said, isFirst }: OutsidePage): void {
    const { claudeSessionId: key, directory } = conversation;
    if (isFirst) this.remove(key);
    const source = isFirst ? this.#begin({ owner, key, directory }) : this.#statements.find.get(key);
    if (!source) return;
    const held = this.#statements.held.get(key);
    this.#index.database.transaction(() => {
      let { position } = source;
      for (const { at, ...one } of said) {
        if (held && this.#isInRecord(held, { ...one, at })) continue;
        position += 1;
        this.#index.add(source, { at, seq: position, ...one, said: JSON.stringify(one) });
      }
      const stamp = said.length === 0 ? this.#stampOf(conversation) : '';
      this.#statements.update.run({ source: source.source, position, stamp });
    })();
  }

  /** From then on a session holds the conversation: what was taken of it can be in the record as well. */
  hold(held: HeldRow): void {
    if (this.#statements.hold.run(held).changes > 0) this.remove(held.claude_session_id);
  }

  /** What the session held is gone with it, though its transcripts can be there. */
  forget(sessionId: string): void {
    for (const key of this.#statements.heldBy.all(sessionId)) {
      this.#statements.void.run(key);
      this.remove(key);
    }
  }

  /** Removes a conversation from the index. */
  remove(key: string): void {
    const known = this.#statements.find.get(key);
    if (known) this.#forget(known);
  }

  /** What is said while a session holds the conversation is in the record: the rest does not change any more. */
  #stampOf({ claudeSessionId, stamp }: OutsideConversation): string {
    const held = this.#statements.held.get(claudeSessionId);
    return held ? `held since ${held.at}` : stamp;
  }

  /** In the record now, or before it was forgotten. */
  #isInRecord({ session_id, at }: HeldRow, said: ToldSaid): boolean {
    return said.at >= at || (said.messageId !== undefined && this.#record.hasMessage(session_id, said.messageId));
  }

  #begin(named: Pick<SourceRow, 'owner' | 'key' | 'directory'>): SourceRow {
    const row = { ...named, kind: 'terminal', position: 0, first: 1, stamp: '' } as const;
    return { ...row, source: Number(this.#statements.insert.run(row).lastInsertRowid) };
  }

  #forget({ source }: SourceRow): void {
    const remove = this.#index.database.transaction(() => this.#index.remove(source, ALL, BATCH));
    while (remove() === BATCH);
    this.#statements.remove.run(source);
  }
}

const prepareSources = ({ database }: IndexFile) => ({
  ofOwner: database.prepare<[string], SourceRow>(`SELECT * FROM sources WHERE kind = 'terminal' AND owner = ?`),
  find: database.prepare<[string], SourceRow>(`SELECT * FROM sources WHERE kind = 'terminal' AND key = ?`),
  held: database.prepare<[string], HeldRow>('SELECT * FROM held WHERE claude_session_id = ?'),
  hold: database.prepare('INSERT OR IGNORE INTO held VALUES (@claude_session_id, @session_id, @at)'),
  heldBy: database.prepare<[string], string>('SELECT claude_session_id FROM held WHERE session_id = ?').pluck(),
  void: database.prepare('UPDATE held SET at = 0 WHERE claude_session_id = ?'),
  insert: database.prepare(
    `INSERT INTO sources (kind, key, owner, directory, position, first, stamp)
     VALUES (@kind, @key, @owner, @directory, @position, @first, @stamp)`,
  ),
  update: database.prepare('UPDATE sources SET position = @position, stamp = @stamp WHERE source = @source'),
  remove: database.prepare('DELETE FROM sources WHERE source = ?'),
});
