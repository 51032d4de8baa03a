import { marked, type Token } from 'marked';

/** At the end of a text that grows, so many blocks can still become something else. */
const OPEN_BLOCKS = 2;

/** Cuts a text into blocks. One that only grows is cut anew from its last blocks on, not from its beginning. */
export class GrowingMarkdown {
  #text = '';
  #blocks: readonly Token[] = [];

  /** A complete text is parsed as a whole, since a link definition at its end can apply to earlier text. */
  blocksOf(text: string, isComplete: boolean): readonly Token[] {
    if (text === this.#text && !isComplete) return this.#blocks;
    const closed = isComplete || !text.startsWith(this.#text) || text.includes('\r') ? [] : closedOf(this.#blocks);
    const from = closed.reduce((length, { raw }) => length + raw.length, 0);
    this.#blocks = [...closed, ...marked.lexer(text.slice(from))];
    this.#text = text;
    return this.#blocks;
  }
}

function closedOf(blocks: readonly Token[]): readonly Token[] {
  let open = 0;
  let end = blocks.length;
  while (end > 0 && open < OPEN_BLOCKS) {
    end -= 1;
    if (blocks[end]?.type !== 'space') open += 1;
  }
  return blocks.slice(0, end);
}
