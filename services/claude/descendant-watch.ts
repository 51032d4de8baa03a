import type { CliFact } from '../ports/claude.js';
import type { Descendant, Descendants } from './descendants.js';

export interface DescendantWatchOptions {
  descendants: Descendants;
  /** Keeps what was seen. May throw for want of room: it is given again after the next look. */
  record: (seen: Descendant[]) => void;
}

/** After a tool was used, in milliseconds: its shell is there after some 30, and may be gone soon after that. */
const FIRST_LOOKS_MS = [50, 150, 300];
/** When it has ended, which a tool in the background does before its shell is there. */
const LAST_LOOKS_MS = [0, 150, 300];
/** While a tool runs; longer and longer while nothing changes. */
const LOOK_MS = 1000;
const MAX_LOOK_MS = 8000;

/**
 * Looks at what a child has started while its tools run, since it is not to be found by its parents later. Nothing is
 * looked at while no tool runs.
 */
export class DescendantWatch {
  readonly #options: DescendantWatchOptions;
  readonly #tools = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #firstLooks: number[] = [];
  #pace = LOOK_MS;
  /** A child that is taken up has it on record what was seen of it before. */
  #recorded: string;
  #closed = false;

  constructor(options: DescendantWatchOptions) {
    this.#options = options;
    this.#recorded = this.#said();
  }

  /** Takes what a line of the child says. */
  take(fact: CliFact): void {
    if (fact.kind === 'init') this.#onTurn(fact.init.claudeSessionId);
    else if (fact.kind === 'result') this.#tools.clear();
    else if (fact.kind === 'permissionRead') this.#lookFrom(FIRST_LOOKS_MS);
    else if (fact.kind === 'toolResult') this.#onToolEnd(fact.toolId);
    else if (fact.kind === 'block' && fact.content.type === 'tool_use' && 'id' in fact.content) {
      this.#tools.add(fact.content.id);
      this.#lookFrom(FIRST_LOOKS_MS);
    }
  }

  /** On record at once: what a tool leaves behind a moment later is found by it, by the next daemon too. */
  #onTurn(conversation: string): void {
    const { descendants } = this.#options;
    if (conversation === descendants.conversation) return;
    descendants.conversation = conversation;
    try {
      this.#keep();
    } catch {
      // No room: the next look is another try.
    }
  }

  #onToolEnd(toolId: string): void {
    this.#tools.delete(toolId);
    this.#lookFrom(LAST_LOOKS_MS);
  }

  /** For a child that was found: a tool of it may be running. */
  lookNow(): void {
    this.#lookFrom([0]);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #lookFrom(delays: readonly number[]): void {
    this.#firstLooks = [...delays];
    this.#pace = LOOK_MS;
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const isRunning = this.#tools.size > 0 || this.#options.descendants.hasShell;
    const delay = this.#firstLooks.shift() ?? (isRunning ? this.#pace : undefined);
    if (delay === undefined) return;
    this.#timer = setTimeout(() => void this.#look(), delay).unref();
  }

  async #look(): Promise<void> {
    const timer = this.#timer;
    try {
      await this.#options.descendants.look();
      if (this.#closed) return;
      this.#pace = this.#keep() ? LOOK_MS : Math.min(2 * this.#pace, MAX_LOOK_MS);
    } catch {
      // No room, or the system did not answer: the next look is another try.
    }
    // Whoever asked for other looks meanwhile has set a timer of their own.
    if (this.#timer === timer) this.#schedule();
  }

  /** Whether there was something new. */
  #keep(): boolean {
    const said = this.#said();
    if (said === this.#recorded) return false;
    this.#options.record(this.#options.descendants.recorded());
    this.#recorded = said;
    return true;
  }

  #said(): string {
    const { descendants } = this.#options;
    return JSON.stringify([descendants.recorded(), descendants.conversation]);
  }
}
