import type { ChatEnd, ChatPiece } from '../../services/ports/chat.js';
import { finishReason } from './chat-end.js';
import { ChatText } from './chat-text.js';

/** The text of a response, which is the same however often its turn is read. */
export class ResponseText {
  readonly #text = new ChatText(false);
  #whole = '';

  get whole(): string {
    return this.#whole;
  }

  /** The text that a piece adds. What tools say can come between any two pieces, so it separates none. */
  take(piece: ChatPiece): string {
    return piece.kind === 'toolResult' ? '' : this.#add(this.#text.take(piece));
  }

  /** Commands of the CLI answer without Claude. A turn that was cut short has the CLI's own words about that instead. */
  end(end: ChatEnd): string {
    const isSilent = this.#text.isEmpty && finishReason(end) === 'stop' && !end.isError;
    return isSilent ? this.#add(end.finalResult) : '';
  }

  #add(text: string): string {
    this.#whole += text;
    return text;
  }
}
