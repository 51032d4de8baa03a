import type { TextPiece } from '../client/text-assembler.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import type { TerminalIo, TerminalOutput } from './terminal-io.js';

const DEFAULT_WIDTH = 100;
/** A terminal that reports less does not know its width. */
const MIN_WIDTH = 20;
/** The sign itself, a space, and one column that stays free. */
const SPINNER_COLUMNS = 3;

/** The answer is written to stdout, everything about it to stderr. Control characters are removed from both. */
export class AskView {
  readonly #io: TerminalIo;
  readonly #spinner: Spinner;
  readonly #quiet: boolean;
  #atLineStart = true;
  #shown = false;
  /** The first half of a surrogate pair whose second half has not arrived yet. */
  #half = '';

  /** `quiet`: the answer's text is not shown. */
  constructor(io: TerminalIo, { quiet }: { quiet: boolean }) {
    this.#io = io;
    this.#quiet = quiet;
    this.#spinner = new Spinner(io.stderr);
  }

  get width(): number {
    const columns = this.#io.stderr.columns ?? 0;
    return columns >= MIN_WIDTH ? columns : DEFAULT_WIDTH;
  }

  /** Whether a person reads the messages about the answer. */
  get isTerminal(): boolean {
    return this.#io.stderr.isTTY === true;
  }

  /** Whether any part of the answer was shown. */
  get shown(): boolean {
    return this.#shown;
  }

  waiting(text: string): void {
    if (this.#atLineStart) this.#spinner.show(plainLine(text, this.width - SPINNER_COLUMNS));
  }

  piece({ change, complete }: TextPiece): void {
    this.text(addition(change));
    if (complete) this.#endLine();
  }

  text(text: string): void {
    if (this.#quiet || text === '') return;
    const whole = this.#half + text;
    this.#half = /[\ud800-\udbff]$/u.exec(whole)?.[0] ?? '';
    const plain = plainText(whole.slice(0, whole.length - this.#half.length));
    if (plain === '') return;
    this.#spinner.hide();
    this.#io.stdout.write(plain);
    this.#shown = true;
    this.#atLineStart = plain.endsWith('\n');
  }

  /** Writes a line beside the answer. Its control characters are removed as well. */
  line(text: string): void {
    this.#spinner.hide();
    this.#endLine();
    this.#io.stderr.write(`${plainText(text)}\n`);
  }

  close(): void {
    this.#spinner.hide();
    this.#endLine();
  }

  #endLine(): void {
    if (this.#atLineStart) return;
    this.#io.stdout.write('\n');
    this.#atLineStart = true;
  }
}

/** Text in a terminal cannot be replaced, so its replacement follows it. */
function addition(change: TextPiece['change']): string {
  if (change.kind === 'append') return change.text;
  const { text, previous } = change;
  if (text.startsWith(previous)) return text.slice(previous.length);
  return previous.startsWith(text) ? '' : `\n${text}`;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const CLEAR_LINE = '\r\u001b[2K';

/** Shows that the program is waiting. Shows nothing without a terminal. */
class Spinner {
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
