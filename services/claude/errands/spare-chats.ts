import type { ChatEnd } from '../../ports/chat.js';
import type { UserId } from '../../ports/records.js';
import type { AskedChat, ChatQuestion, ChatSetup } from './chat.js';
import type { ErrandOrder, IdleErrand } from './errand.js';

export interface SpareStart extends ErrandOrder, ChatSetup {
  asked: Promise<AskedChat>;
  idle: IdleErrand;
}

interface Spare extends IdleErrand {
  setup: string;
  hand: (asked: AskedChat) => void;
  end: Promise<ChatEnd>;
}

/** How long a CLI waits for a chat, and how long one can take, in milliseconds. */
const KEPT_MS = 300_000;
const MOST_MS = 3_600_000;

/**
 * A CLI for the next chat of a person, which is ready when it comes: a start takes longer than the rest of an answer's
 * begin. There is one for each person who has chatted lately, while no one else needs its slot.
 */
export class SpareChats {
  readonly #spares = new Map<UserId, Spare>();
  readonly #start: (start: SpareStart) => Promise<ChatEnd>;

  /** `start` resolves when the chat has ended. */
  constructor(start: (start: SpareStart) => Promise<ChatEnd>) {
    this.#start = start;
  }

  /** Hands the question to the CLI that waits for one like it; undefined without such a CLI. */
  take(question: ChatQuestion): Promise<ChatEnd> | undefined {
    const spare = this.#spares.get(question.person);
    if (spare?.setup !== setupOf(question)) return undefined;
    this.#spares.delete(question.person);
    spare.hand(question);
    return spare.end;
  }

  /** Starts one for the next chat like this one, in place of another of the person. */
  prepare({ person, model, system }: Pick<ChatQuestion, 'person' | 'model' | 'system'>): void {
    void this.#spares.get(person)?.hibernate();
    const since = performance.now();
    const discarding = new AbortController();
    let hand: (asked: AskedChat) => void = () => {};
    const asked = new Promise<AskedChat>((resolve) => {
      hand = resolve;
    });
    const isWaiting = () => this.#spares.get(person) === spare;
    const idle: IdleErrand = {
      get idleMs() {
        return isWaiting() ? performance.now() - since : undefined;
      },
      hibernate: async () => {
        if (!isWaiting()) return false;
        this.#spares.delete(person);
        discarding.abort(new Error('The spare CLI is not needed.'));
        return true;
      },
    };
    const timer = setTimeout(() => void idle.hibernate(), KEPT_MS).unref();
    const order = { person, timeoutMs: KEPT_MS + MOST_MS, asker: discarding.signal };
    const end = this.#start({ ...order, model, system, asked, idle });
    const setup = setupOf({ model, system });
    const spare: Spare = Object.assign(idle, { setup, hand, end });
    this.#spares.set(person, spare);
    // Whoever has handed it a question gets the error; without one nobody misses it.
    end
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer);
        if (isWaiting()) this.#spares.delete(person);
      });
  }
}

const setupOf = ({ model = '', system = '' }: ChatSetup): string => JSON.stringify([model, system]);
