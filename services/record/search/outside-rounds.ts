import type { Log } from '../../ports/log.js';
import type { UserId } from '../../ports/records.js';
import type {
  OutsideConversation,
  OutsideConversations,
  OutsideIndex,
  SearchIndex,
  SearchPage,
  SearchRequest,
  ToldSaid,
} from '../../ports/search.js';

export interface OutsideRoundsOptions {
  index: SearchIndex & OutsideIndex;
  /** Whose conversations they are. */
  owner: UserId;
  conversations: OutsideConversations;
  log: Log;
}

/** Delay of the first round: after the start and the reconnection of all clients. */
const FIRST_ROUND_MS = 15_000;
const ROUND_MS = 3_600_000;
/** After a round for which the index had not enough of the record yet. */
const AGAIN_MS = 5000;
/** A search begins a round when the last one is older. */
const OLD_MS = 60_000;

/** The search, with the conversations of a terminal: they are taken in rounds, in the background. */
export class OutsideRounds implements SearchIndex {
  readonly #options: OutsideRoundsOptions;
  readonly #timers: NodeJS.Timeout[];
  #again: NodeJS.Timeout | undefined;
  #isRunning = false;
  #endedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: OutsideRoundsOptions) {
    this.#options = options;
    const round = () => this.#begin();
    this.#timers = [setTimeout(round, FIRST_ROUND_MS).unref(), setInterval(round, ROUND_MS).unref()];
  }

  search(request: SearchRequest): Promise<SearchPage> {
    const { index, owner } = this.#options;
    if (request.owner === owner && performance.now() - this.#endedAt > OLD_MS) this.#begin();
    return index.search(request);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of [...this.#timers, this.#again]) clearTimeout(timer);
  }

  #begin(): void {
    if (this.#isClosed || this.#isRunning) return;
    this.#isRunning = true;
    void this.#round()
      .then((isDone) => {
        if (isDone) this.#endedAt = performance.now();
        else this.#again = setTimeout(() => this.#begin(), AGAIN_MS).unref();
      })
      .catch((error: unknown) => {
        // The next search begins again.
        if (!this.#isClosed) this.#options.log.warn('conversations cannot be searched', { error: String(error) });
      })
      .finally(() => {
        this.#isRunning = false;
      });
  }

  /** Resolves with false where it has to wait for the index. */
  async #round(): Promise<boolean> {
    const { index, owner, conversations } = this.#options;
    const listed = await conversations.list();
    const found = await index.pendingOutside(owner, listed);
    const pending = new Set(found);
    for (const conversation of listed) {
      if (this.#isClosed) break;
      if (pending.has(conversation.claudeSessionId)) await this.#take(conversation);
    }
    return found !== undefined;
  }

  async #take(conversation: OutsideConversation): Promise<void> {
    const { index, owner, conversations } = this.#options;
    let isFirst = true;
    const add = async (said: readonly ToldSaid[]) => {
      await index.addOutside(owner, { conversation, said, isFirst });
      isFirst = false;
    };
    for await (const said of conversations.read(conversation.claudeSessionId)) {
      if (this.#isClosed) return;
      await add(said);
    }
    await add([]);
  }
}
