import type { ChatPiece } from '../../services/ports/chat.js';

/** Characters shown of the input of a tool, and of what it says. */
const MAX_SHOWN = { input: 200, result: 1000 };

/** The text of an answer, piece by piece. Texts before and after the use of a tool are paragraphs of their own. */
export class ChatText {
  readonly #showsTools: boolean;
  #hasText = false;
  #isApart = false;

  constructor(showsTools: boolean) {
    this.#showsTools = showsTools;
  }

  get isEmpty(): boolean {
    return !this.#hasText;
  }

  take(piece: ChatPiece): string {
    if (piece.kind === 'text') return this.#say(piece.text);
    this.#isApart = true;
    if (!this.#showsTools) return '';
    const shown = this.#say(shownTool(piece));
    this.#isApart = true;
    return shown;
  }

  #say(text: string): string {
    const gap = this.#isApart && this.#hasText ? '\n\n' : '';
    this.#isApart = false;
    this.#hasText ||= text !== '';
    return `${gap}${text}`;
  }
}

function shownTool(piece: Exclude<ChatPiece, { kind: 'text' }>): string {
  if (piece.kind === 'toolUse')
    return `> **${piece.name}** ${shown(JSON.stringify(piece.input ?? {}), MAX_SHOWN.input)}`;
  const text = shown(piece.text.trim(), MAX_SHOWN.result);
  const quoted = text.split('\n').map((line) => `> ${line}`);
  return [...(piece.isError ? ['> **failed**'] : []), ...quoted].join('\n');
}

const shown = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max).replace(/[\ud800-\udbff]$/, '')}…`;
