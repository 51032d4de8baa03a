import type { CliFact } from '../ports/claude.js';
import type { Descendant, Descendants } from './descendants.js';

export interface DescendantWatchOptions {
  descendants: Descendants;
  /** Stores the observed processes. Can throw for lack of space: it is called again after the next scan. */
  record: (seen: Descendant[]) => void;
}

/** After a tool use, in milliseconds: its shell appears after about 30, and can be gone soon after that. */
const FIRST_LOOKS_MS = [50, 150, 300];
/** After a tool's end, which for a background tool comes before its shell appears. */
const LAST_LOOKS_MS = [0, 150, 300];
/** While a tool runs; increasing while nothing changes. */
const LOOK_MS = 1000;
const MAX_LOOK_MS = 8000;

/**
 * Records a child's descendants while its tools run, since their parents no longer lead to them later. No scans take
 * place while no tool runs.
 */
export class DescendantWatch {
  readonly #options: DescendantWatchOptions;
  readonly #tools = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #firstLooks: number[] = [];
  #pace = LOOK_MS;
  /** An adopted child already has its earlier descendants on record. */
  #recorded: string;
  #closed = false;

  constructor(options: DescendantWatchOptions) {
    this.#options = options;
    this.#recorded = this.#said();
  }

  /** Handles a fact from the child's output. */
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

  /** Recorded at once: it identifies processes that a tool leaves behind a moment later, for the next daemon too. */
  #onTurn(conversation: string): void {
    const { descendants } = this.#options;
    if (conversation === descendants.conversation) return;
    descendants.conversation = conversation;
    try {
      this.#keep();
    } catch {
      // No space: the next scan tries again.
    }
  }

  #onToolEnd(toolId: string): void {
    this.#tools.delete(toolId);
    this.#lookFrom(LAST_LOOKS_MS);
  }

  /** Scans a child that was found: one of its tools may be running. */
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
      // No space, or the system did not answer: the next scan tries again.
    }
    // A concurrent call for other scans has set its own timer.
    if (this.#timer === timer) this.#schedule();
  }

  /** Returns whether there was a change. */
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
