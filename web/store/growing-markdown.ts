import { marked, type Token } from 'marked';

/** At the end of a text that grows, so many blocks can still become something else. */
const OPEN_BLOCKS = 2;
/** UTF-16 units: to parse an end that is longer in each frame would hold the page up. It is plain until it is complete. */
const MAX_OPEN = 20_000;
/** Lists and quotes within each other: to parse and to show more of them takes more than the stack of a browser. */
const NESTED = /^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*){100}/m;

/** A text that is shown as it is. */
interface Plain {
  type: 'plain';
  raw: string;
}

const plain = (raw: string): Plain => ({ type: 'plain', raw });

export type Block = Token | Plain;

/** Cuts a text into blocks. One that only grows is cut anew from its last blocks on, not from its beginning. */
export class GrowingMarkdown {
  #text = '';
  #blocks: readonly Block[] = [];

  /** A complete text is parsed as a whole, since a link definition at its end can apply to earlier text. */
  blocksOf(text: string, isComplete: boolean): readonly Block[] {
    if (text === this.#text && !isComplete) return this.#blocks;
    const closed = isComplete || !text.startsWith(this.#text) || text.includes('\r') ? [] : closedOf(this.#blocks);
    const from = closed.reduce((length, { raw }) => length + raw.length, 0);
    this.#blocks = [...closed, ...parsed(text.slice(from), isComplete)];
    this.#text = text;
    return this.#blocks;
  }
}

function parsed(text: string, isComplete: boolean): readonly Block[] {
  if (NESTED.test(text) || (!isComplete && text.length > MAX_OPEN)) return [plain(text)];
  try {
    return marked.lexer(text);
  } catch {
    // A RangeError: whatever nests deeper than the stack is text all the same.
    return [plain(text)];
  }
}

function closedOf(blocks: readonly Block[]): readonly Block[] {
  let open = 0;
  let end = blocks.length;
  while (end > 0 && open < OPEN_BLOCKS) {
    end -= 1;
    if (blocks[end]?.type !== 'space') open += 1;
  }
  return blocks.slice(0, end);
}
