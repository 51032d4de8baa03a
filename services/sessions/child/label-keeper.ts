import type { ClaudeLauncher } from '../../ports/claude.js';
import type { WrittenLabels } from '../../ports/transcripts.js';
import { hasUntold, onLabelsRead, onLabelsWritten, onMarkRead, takesTitle } from '../machine/session-labels.js';
import { Mailbox, type SessionCore } from '../session-core.js';

export interface LabelKeeperOptions {
  launcher: Pick<ClaudeLauncher, 'readLabels' | 'writeLabels'>;
  core: SessionCore;
}

/** A session's files are looked at no more often, in milliseconds. */
const LOOK_MS = 1000;
/** The same after a failure, and where there is no transcript: each look then searches all projects of the person. */
const SLOW_MS = 60_000;

/**
 * Keeps tag, archive mark and name of the session and of its conversation the same: writes what a device has given to
 * the CLI's files, and reads what was given at a desk. One at a time, so that nothing is read while it is written.
 */
export class LabelKeeper {
  readonly #options: LabelKeeperOptions;
  readonly #mailbox = new Mailbox();
  /** By `performance.now()`. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> = Promise.resolve();
  /** What was last read. */
  #seen: { claudeSessionId: string; path: string; stamp: string; isWhole: boolean } | undefined;
  #pauseMs = LOOK_MS;
  #closed = false;

  constructor(options: LabelKeeperOptions) {
    this.#options = options;
  }

  /** Gives the conversation what it does not have yet. Never rejects: what fails is tried again at the next occasion. */
  write(): Promise<void> {
    return this.#run(() => this.#write());
  }

  /** Looks at the conversation, if it was not within the last second. Never rejects. */
  refresh(): Promise<void> {
    if (performance.now() < this.#lookedAt + this.#pauseMs) return this.#looking;
    return this.look();
  }

  /** Must be called before a child starts, which reports no name that was given meanwhile (2.1.197). Never rejects. */
  look(): Promise<void> {
    this.#lookedAt = performance.now();
    this.#pauseMs = LOOK_MS;
    void this.write();
    this.#looking = this.#run(() => this.#read());
    return this.#looking;
  }

  close(): void {
    this.#closed = true;
  }

  #run(task: () => Promise<void>): Promise<void> {
    const { core } = this.#options;
    return this.#mailbox
      .run(async () => {
        if (!this.#closed && !core.record.closed?.isPurged) await task();
      })
      .catch((error: Error) => {
        this.#pauseMs = SLOW_MS;
        if (this.#closed) return;
        const { log, sessionId } = core;
        log.warn('the session and its conversation may have different labels', { sessionId, error: error.message });
      });
  }

  async #write(): Promise<void> {
    const { launcher, core } = this.#options;
    await this.#yieldToLaterMark();
    const { record } = core;
    if (!hasUntold(record) || record.claudeSessionId === undefined) return;
    const { claudeSessionId, tag = '', archived, tagUntold, archivedUntold } = record;
    const labels: WrittenLabels = {
      ...(tagUntold && { tag }),
      ...(archivedUntold && { archived: archived?.is ?? false }),
    };
    const isWritten = await launcher.writeLabels({ claudeSessionId, ...this.#place }, labels);
    if (!isWritten) return;
    await core.takeAfterLook(
      async () => labels,
      (state, told, now) =>
        state.record.claudeSessionId === claudeSessionId ? onLabelsWritten(state, told, now) : undefined,
    );
  }

  /** An archive mark can have been given at a desk since, while no daemon ran. A tag has no time in the transcript. */
  async #yieldToLaterMark(): Promise<void> {
    const { launcher, core } = this.#options;
    const { claudeSessionId, archivedUntold } = core.record;
    if (!archivedUntold || claudeSessionId === undefined) return;
    const read = await launcher.readLabels({ claudeSessionId, ...this.#place });
    if (read) await core.takeAfterLook(async () => ({ read, ofId: claudeSessionId }), onMarkRead);
  }

  /** Not during a turn, whose lines change the transcript all the time. */
  async #read(): Promise<void> {
    const { launcher, core } = this.#options;
    const { claudeSessionId } = core.record;
    if (claudeSessionId === undefined || core.state.turn !== null) return;
    const isWhole = takesTitle(core.state);
    const { stamp } = this.#seenOf(claudeSessionId, isWhole);
    const query = { claudeSessionId, ...this.#place, ...(stamp !== undefined && { stamp }) };
    const read = await launcher.readLabels(query);
    if (!read) {
      if (stamp === undefined) this.#pauseMs = SLOW_MS;
      return;
    }
    await core.takeAfterLook(async () => ({ read, ofId: claudeSessionId }), onLabelsRead);
    this.#seen = { claudeSessionId, path: read.path, stamp: read.stamp, isWhole };
  }

  /** What was read with the name is read without it too. */
  #seenOf(claudeSessionId: string, isWhole: boolean): { stamp?: string } {
    const seen = this.#seen;
    return seen?.claudeSessionId === claudeSessionId && (seen.isWhole || !isWhole) ? seen : {};
  }

  get #place(): { path?: string } {
    const { transcript, claudeSessionId = '' } = this.#options.core.record;
    const path = [this.#seen?.path, transcript?.path].find((known) => known?.endsWith(`/${claudeSessionId}.jsonl`));
    return path === undefined ? {} : { path };
  }
}
