import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CompanionError } from '../../../protocol/error-codes.js';
import { TRASH_ID } from '../../../protocol/files.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { Log } from '../../ports/log.js';
import type { FileTrash, TrashedFile, TrashQuery } from '../../ports/workspace.js';
import { codeOf, fileError, ifSeen } from '../file-errors.js';
import { Turns } from '../turns.js';
import { createEntry, isGone, recoverEntry, removeEntry, type TrashInfo } from './trash-entry.js';

export interface TrashOptions {
  /** Of the daemon's own. It is created when it is missing. */
  folder: string;
  /** Of all files together. 0: nothing is kept. */
  maxBytes: number;
  maxAgeMs: number;
  now: () => number;
  log: Log;
}

const MAX_ENTRIES = 10_000;
const ROUND_MS = 3_600_000;
const TIME_DIGITS = 9;
const TIME_BASE = 36;
const RANDOM_BYTES = 8;

interface Kept {
  id: string;
  sessionId: SessionId;
  info: TrashInfo;
}

/** The deleted files of all sessions. The folder is the record of it: memory holds the descriptions alone. */
export class Trash implements FileTrash {
  readonly #options: TrashOptions;
  /** By id, which begins with the time: oldest first. */
  #kept: Kept[] = [];
  readonly #forgotten = new Set<SessionId>();
  readonly #turns = new Turns();
  readonly #ready: Promise<void>;
  readonly #round: NodeJS.Timeout;
  #last = 0;

  constructor(options: TrashOptions) {
    this.#options = options;
    this.#ready = this.#load();
    void this.#ready.then(() => this.#prune());
    this.#round = setInterval(() => void this.#prune(), ROUND_MS).unref();
  }

  get folder(): string {
    return this.#options.folder;
  }

  /** Whether deleted files are kept at all. */
  get isOn(): boolean {
    return this.#options.maxBytes > 0;
  }

  /** Keeps what `move` moves into this folder. Rejects with its failure, and with `PAYLOAD_TOO_LARGE`. */
  async add(sessionId: SessionId, info: Omit<TrashInfo, 'deletedAt'>, move: (folder: string) => Promise<void>) {
    await this.#ready;
    if (info.size > this.#options.maxBytes) throw tooLarge(this.#options.maxBytes);
    this.#requireSession(sessionId);
    const deletedAt = this.#options.now();
    const id = this.#newId(deletedAt);
    const folder = this.#folderOf(sessionId, id);
    const whole = { ...info, deletedAt };
    try {
      await createEntry(folder, whole);
      await move(folder);
    } catch (error) {
      // The caller gets the first failure; without contents the folder is removed at the next start.
      await removeEntry(folder).catch(() => undefined);
      throw NO_ROOM.has(codeOf(error) ?? '') ? noRoom() : error;
    }
    this.#kept.push({ id, sessionId, info: whole });
    await this.#prune();
    return id;
  }

  async list({ sessionId, limit, offset, before }: TrashQuery) {
    await this.#ready;
    const all = this.#kept.filter((one) => one.sessionId === sessionId).reverse();
    const files = all.filter(({ id }) => before === undefined || id < before).slice(offset, offset + limit);
    return { files: files.map((one) => this.#view(one)), total: all.length };
  }

  /** Lets `move` take the file out of its folder, and forgets it then. Rejects with `NOT_FOUND`. */
  async takeOut<Result>(
    { sessionId, trashId }: { sessionId: SessionId; trashId: string },
    move: (folder: string, info: TrashInfo) => Promise<Result>,
  ): Promise<Result> {
    await this.#ready;
    return this.#turns.alone(trashId, async () => {
      const kept = this.#kept.find(({ id }) => id === trashId);
      if (kept?.sessionId !== sessionId) throw notThere();
      const folder = this.#folderOf(sessionId, trashId);
      const result = await move(folder, kept.info);
      this.#kept = this.#kept.filter((one) => one !== kept);
      await removeEntry(folder);
      return result;
    });
  }

  remove(sessionId: SessionId, trashId: string): Promise<TrashedFile> {
    return this.takeOut({ sessionId, trashId }, async (_folder, info) => this.#view({ id: trashId, sessionId, info }));
  }

  async forget(sessionId: SessionId): Promise<void> {
    this.#forgotten.add(sessionId);
    await this.#ready;
    this.#kept = this.#kept.filter((one) => one.sessionId !== sessionId);
    await rm(join(this.#options.folder, sessionId), { recursive: true, force: true });
  }

  close(): void {
    clearInterval(this.#round);
  }

  #requireSession(sessionId: SessionId): void {
    if (this.#forgotten.has(sessionId)) throw new CompanionError('NOT_FOUND', 'There is no such session.');
  }

  #folderOf(sessionId: SessionId, id: string): string {
    return join(this.#options.folder, sessionId, id);
  }

  /** Not before an earlier one, whatever the clock does. */
  #newId(at: number): string {
    this.#last = Math.max(at, this.#last + 1);
    return `${this.#last.toString(TIME_BASE).padStart(TIME_DIGITS, '0')}-${randomBytes(RANDOM_BYTES).toString('hex')}`;
  }

  #view({ id, info }: Kept): TrashedFile {
    const { path, type, size, deletedAt, deviceId } = info;
    return { trashId: id, path, type, size, deletedAt, expiresAt: deletedAt + this.#options.maxAgeMs, deviceId };
  }

  /** Never rejects: what cannot be read is not shown. */
  async #load(): Promise<void> {
    const { folder, log } = this.#options;
    try {
      for (const sessionId of (await ifSeen(readdir(folder))) ?? []) await this.#loadSession(sessionId as SessionId);
    } catch (error) {
      log.warn('the trash cannot be read', { error: (error as Error).message });
    }
    this.#kept.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#last = Number.parseInt(this.#kept.at(-1)?.id.slice(0, TIME_DIGITS) ?? '0', TIME_BASE);
  }

  async #loadSession(sessionId: SessionId): Promise<void> {
    const folder = join(this.#options.folder, sessionId);
    for (const name of (await ifSeen(readdir(folder))) ?? []) {
      if (isGone(name)) await rm(join(folder, name), { recursive: true, force: true });
      if (!TRASH_ID.test(name)) continue;
      const info = await recoverEntry(join(folder, name));
      if (info) this.#kept.push({ id: name, sessionId, info });
    }
  }

  /** Removes the oldest beyond the limits. Never rejects: the next round tries again. */
  async #prune(): Promise<void> {
    for (let oldest = this.#surplus(); oldest; oldest = this.#surplus()) {
      const { id: trashId, sessionId } = oldest;
      try {
        await this.takeOut({ sessionId, trashId }, async () => undefined);
      } catch (error) {
        if (error instanceof CompanionError) continue;
        this.#options.log.warn('an old file cannot be removed from the trash', { error: (error as Error).message });
        return;
      }
    }
  }

  #surplus(): Kept | undefined {
    const { maxBytes, maxAgeMs, now } = this.#options;
    const [oldest] = this.#kept;
    const bytes = this.#kept.reduce((sum, { info }) => sum + info.size, 0);
    const isOld = oldest !== undefined && oldest.info.deletedAt < now() - maxAgeMs;
    return isOld || bytes > maxBytes || this.#kept.length > MAX_ENTRIES ? oldest : undefined;
  }
}

const tooLarge = (maxBytes: number) =>
  fileError(
    'PAYLOAD_TOO_LARGE',
    `must be at most ${maxBytes} bytes to be kept in the trash`,
    'Delete it with permanent=true, or raise TRASH_BYTES.',
  );

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EFBIG']);

const noRoom = () =>
  fileError(
    'STORAGE_FULL',
    'cannot be kept in the trash, whose disk takes nothing now',
    'Free some space on the disk of the daemon, or delete it with permanent=true.',
  );

const notThere = () =>
  new CompanionError('NOT_FOUND', 'There is no such file in the trash.', {
    field: 'trashId',
    rule: 'must be the id of a file in the trash of the session',
  });
