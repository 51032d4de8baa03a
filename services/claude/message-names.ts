import { createHash } from 'node:crypto';
import { ownId } from '../../protocol/foreign-ids.js';
import type { MessageStart } from '../ports/claude.js';

/** More than one read of the output can begin: earlier messages are in the journal. */
const MAX_RECENT = 4096;

export interface MessageNamesOptions {
  childId: string;
  /** Whether an earlier message of the session has this id. */
  isTaken: (start: MessageStart) => boolean;
}

/** Names messages: the first one with a foreign id keeps it, and every other one gets a generated id. */
export class MessageNames {
  readonly #options: MessageNamesOptions;
  /** Start offsets of the last messages, by foreign id: the journal has them a moment later. */
  readonly #recent = new Map<string, number>();

  constructor(options: MessageNamesOptions) {
    this.#options = options;
  }

  /** Returns the same name each time the message at this offset is read. */
  nameOf({
    foreign,
    offset,
    ...parent
  }: {
    foreign: string | undefined;
    offset: number;
    parentToolUseId?: string;
  }): string {
    const { childId, isTaken } = this.#options;
    const own = () => ownId(foreign, createHash('sha256').update(`${childId}/${offset}`).digest('hex'));
    if (foreign === undefined) return own();
    const isOther = this.#recent.has(foreign) && this.#recent.get(foreign) !== offset;
    if (isOther || isTaken({ messageId: foreign, childId, offset, ...parent })) return own();
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear();
    this.#recent.set(foreign, offset);
    return foreign;
  }
}
