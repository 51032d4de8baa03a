import { CompanionError } from '../../protocol/error-codes.js';
import { MAX_INLINE_PROMPT_BYTES } from '../../protocol/limits.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { PromptBody, PromptContents, PromptRecord, UserId } from '../ports/records.js';

/** A prompt that is not accepted yet, with its full text and attachments. */
export interface OfferedPrompt {
  prompt: PromptRecord;
  contents: PromptContents;
}

export interface Offer extends OfferedPrompt {
  /** Accepts the prompt, or finds that it was accepted before. */
  take: (kept: PromptRecord) => Promise<void>;
  /** Whether a prompt of the session has this body. */
  isTaken: (body: PromptBody) => boolean;
  /** The prompt whose contents these replace: the old ones do not count towards the limits. */
  replaces?: PromptId;
}

export interface WaitingContentsOptions {
  journal: Pick<Journal, 'keepContents' | 'blobs' | 'findRequest'>;
  /** Maximum bytes waiting on the disk: in total; a person can use half of them, a session a quarter. */
  maxBytes: number;
  /** The unfinished prompts of all sessions. */
  prompts: () => Iterable<Owned>;
}

interface Owned {
  owner: UserId;
  prompt: PromptRecord;
}

interface Waiting {
  owner: UserId;
  sessionId: SessionId;
  bytes: number;
}

interface Replacement {
  field: string;
  replaces: PromptId | undefined;
}

const PERSONS_SHARE = 2;
const SESSIONS_SHARE = 4;

/** Long texts and attachments of waiting prompts: on the disk, not in memory, and within a limit. */
export class WaitingContents {
  readonly #options: WaitingContentsOptions;
  /** Being written to the disk. */
  readonly #offered = new Set<Waiting>();

  constructor(options: WaitingContentsOptions) {
    this.#options = options;
  }

  /**
   * Accepts a prompt once its contents are on the disk; a short text is kept in its row. An unaccepted prompt leaves
   * nothing behind. Rejects with `CAPACITY` when too much is waiting, with `STORAGE_FULL` when the disk is full.
   */
  async offer({ prompt, contents, take, isTaken, replaces }: Offer): Promise<void> {
    const { journal } = this.#options;
    const { userId: owner } = prompt.device;
    if (contents.images.length === 0 && bytesOf(contents) <= MAX_INLINE_PROMPT_BYTES) return take(prompt);
    // The contents of a repeated request are on the disk already.
    if (!replaces && this.#isAccepted(prompt)) return take(prompt);
    const offered = { owner, sessionId: prompt.sessionId, bytes: bytesOf(contents) };
    const field = contents.images.length > 0 && !replaces ? 'attachments' : 'prompt';
    this.#requireRoom(offered, { field, replaces });
    this.#offered.add(offered);
    let kept: PromptRecord | undefined;
    try {
      kept = { ...prompt, ...(await journal.keepContents(contents)) };
      await take(kept);
    } finally {
      this.#offered.delete(offered);
      if (kept?.body && !isTaken(kept.body)) void journal.blobs.remove([kept.body.id]);
    }
  }

  #isAccepted({ device, requestId }: PromptRecord): boolean {
    return requestId !== null && this.#options.journal.findRequest(device, requestId) !== undefined;
  }

  #requireRoom({ owner, sessionId, bytes }: Waiting, { field, replaces }: Replacement): void {
    const { maxBytes } = this.#options;
    const waiting = this.#waiting(replaces);
    const bounds = [
      { of: 'a session', most: maxBytes / SESSIONS_SHARE, counts: (one: Waiting) => one.sessionId === sessionId },
      { of: 'a person', most: maxBytes / PERSONS_SHARE, counts: (one: Waiting) => one.owner === owner },
      { of: 'all people', most: maxBytes, counts: () => true },
    ];
    for (const { of, most, counts } of bounds) {
      const taken = waiting.filter(counts).reduce((sum, one) => sum + one.bytes, 0);
      if (taken === 0 || taken + bytes <= most) continue;
      const rule = `must fit into the ${Math.floor(most)} bytes that may wait for ${of}, of which ${taken} are in use`;
      const suggestion = 'Wait until prompts have run, or cancel some of them.';
      throw new CompanionError('CAPACITY', `${field}: ${rule}`, { field, rule, suggestion });
    }
  }

  #waiting(replaced: PromptId | undefined): Waiting[] {
    const kept = [...this.#options.prompts()].flatMap(({ owner, prompt: { promptId, sessionId, body } }) =>
      body && promptId !== replaced ? { owner, sessionId, bytes: body.bytes } : [],
    );
    return [...kept, ...this.#offered];
  }
}

const bytesOf = ({ text, images }: PromptContents): number =>
  images.reduce((sum, { data }) => sum + data.length, Buffer.byteLength(text));
