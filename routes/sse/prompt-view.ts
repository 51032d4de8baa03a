import type { PromptId } from '../../protocol/scalars.js';
import { type UntoldEnd, untoldEnd } from '../../services/commands/prompt-place.js';
import type { RouteServices } from '../route-services.js';
import type { FrameNote } from './event-blocks.js';

export interface PromptViewOptions {
  services: Pick<RouteServices, 'journal'>;
  promptId: PromptId;
  /** The stream begins after the beginning of the prompt. */
  hasBegun: boolean;
  /** The end of the prompt was sent; or it is given here, since no event tells of it. */
  onEnd: (untold?: UntoldEnd) => void;
}

/** What of a session belongs to one prompt: from its message to the end of its turn. */
export class PromptView {
  readonly #options: PromptViewOptions;
  #isIn: boolean;
  #isOver = false;

  constructor(options: PromptViewOptions) {
    this.#options = options;
    this.#isIn = options.hasBegun;
  }

  show(note: FrameNote, block: Uint8Array): Uint8Array | undefined {
    const { promptId } = this.#options;
    if (this.#isOver) return undefined;
    // A snapshot stands for its beginning as well.
    if (note.promptId === promptId || note.type === 'reset') this.#isIn = true;
    if (note.ends?.includes(promptId)) {
      this.#end();
      return block;
    }
    this.#lookForEnd(note);
    return this.#isIn ? block : undefined;
  }

  #lookForEnd({ type, seq, head }: FrameNote): void {
    const sent = type === 'caughtUp' ? head : type === 'sessionStatus' && !this.#isIn ? seq : undefined;
    const untold = sent === undefined ? undefined : untoldEnd(this.#options.services, this.#options.promptId, sent);
    if (untold) this.#end(untold);
  }

  #end(untold?: UntoldEnd): void {
    this.#isOver = true;
    // After the block of this frame.
    process.nextTick(() => this.#options.onEnd(untold));
  }
}
