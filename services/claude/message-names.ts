import { createHash } from 'node:crypto';
import { ownId } from '../../protocol/foreign-ids.js';
import type { MessageStart } from '../ports/claude.js';

/** More than one read of the output can begin: what was read before is in the journal. */
const MAX_RECENT = 4096;

export interface MessageNamesOptions {
  childId: string;
  /** Whether an earlier message of the session has this id. */
  isTaken: (start: MessageStart) => boolean;
}

/** Names for messages: the foreign id of the first one that has it, and one of ours for every other. */
export class MessageNames {
  readonly #options: MessageNamesOptions;
  /** Where the last messages began, by foreign id: the journal has them a moment later. */
  readonly #recent = new Map<string, number>();

  constructor(options: MessageNamesOptions) {
    this.#options = options;
  }

  /** The same whenever the message that begins at this offset is read. */
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
