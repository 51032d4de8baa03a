import type { ChatEnd, ChatListener, ChatPiece } from '../../services/ports/chat.js';
import { ResponseText } from './response-text.js';

/** A response that is wanted when its turn has ended. */
export class WholeResponse implements ChatListener {
  readonly #text = new ResponseText();
  readonly #onEnd: (end: ChatEnd, text: string) => void;

  constructor(onEnd: (end: ChatEnd, text: string) => void) {
    this.#onEnd = onEnd;
  }

  onPiece(piece: ChatPiece): void {
    this.#text.take(piece);
  }

  onEnd(end: ChatEnd): void {
    this.#text.end(end);
    this.#onEnd(end, this.#text.whole);
  }
}
