import type { TerminalOutput } from './terminal-io.js';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const CLEAR_LINE = '\r\u001b[2K';

/** Shows that the program is waiting. Shows nothing without a terminal. */
export class Spinner {
  readonly #output: TerminalOutput;
  #timer: NodeJS.Timeout | undefined;
  #text = '';
  #frame = 0;

  constructor(output: TerminalOutput) {
    this.#output = output;
  }

  show(text: string): void {
    this.#text = text;
    if (!this.#output.isTTY || this.#timer) return;
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#draw();
  }

  /** Leaves an empty line with the cursor at its start. */
  hide(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#output.write(CLEAR_LINE);
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    this.#output.write(`${CLEAR_LINE}${FRAMES[this.#frame]} ${this.#text}`);
  }
}
