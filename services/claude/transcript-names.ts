import { createHash } from 'node:crypto';
import { ownId } from '../../protocol/foreign-ids.js';

interface Named {
  messageId: string;
  /** The number of blocks so far. */
  length: number;
}

export interface TranscriptLine {
  /** The API's id. */
  id: string | undefined;
  uuid: string;
  isToolUse: boolean;
}

/**
 * Assigns blocks of a transcript to messages. A message is identified by its id; a block with a missing id, or that of
 * an earlier message, is a message of its own. The API is called again when a person has spoken, or when tools have
 * answered and no other is called: a message can call one after another's result has arrived.
 */
export class TranscriptNames {
  readonly #known = new Map<string, Named>();
  #last: { id: string | undefined; named: Named } | undefined;
  #answered: 'no' | 'by tools' | 'by a person' = 'no';

  place({ id, uuid, isToolUse }: TranscriptLine): { messageId: string; blockIndex: number } {
    const isNext = this.#answered === 'by a person' || (this.#answered === 'by tools' && !isToolUse);
    const isSame = this.#last && this.#last.id === id && !isNext;
    const named = isSame && this.#last ? this.#last.named : this.#name(id, uuid);
    this.#last = { id, named };
    this.#answered = 'no';
    named.length += 1;
    return { messageId: named.messageId, blockIndex: named.length - 1 };
  }

  /** The conversation continued with a message that is not Claude's. */
  answered({ byPerson }: { byPerson: boolean }): void {
    if (this.#answered !== 'by a person') this.#answered = byPerson ? 'by a person' : 'by tools';
  }

  #name(id: string | undefined, uuid: string): Named {
    const isFree = id !== undefined && !this.#known.has(id);
    const messageId = isFree ? id : ownId(id, createHash('sha256').update(uuid).digest('hex'));
    const named = { messageId, length: 0 };
    this.#known.set(messageId, named);
    return named;
  }
}
