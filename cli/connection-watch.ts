import type { ConnectionState } from '../client/connection.js';
import type { AskView } from './ask-view.js';
import { NoDaemonError } from './cli-errors.js';

export interface ConnectionWatchOptions {
  view: AskView;
  /** For messages. */
  socketPath: string;
  /** The daemon does not come back, or refuses this program. */
  onGone: (error: Error) => void;
}

/** A restarting daemon is back within this time, in milliseconds. */
const AWAY_MS = 60_000;

/** Reports when the daemon disconnects and comes back, and gives up when it does not. */
export class ConnectionWatch {
  readonly #options: ConnectionWatchOptions;
  #wasOpen = false;
  #awaySince: number | undefined;

  constructor(options: ConnectionWatchOptions) {
    this.#options = options;
  }

  take(state: ConnectionState): void {
    if (state.kind === 'open') this.#open();
    if (state.kind === 'closed') this.#options.onGone(state.error);
    if (state.kind === 'waiting') this.#away();
  }

  #open(): void {
    if (this.#awaySince !== undefined && this.#wasOpen) this.#options.view.line('Connected again.');
    this.#wasOpen = true;
    this.#awaySince = undefined;
  }

  #away(): void {
    const { view, socketPath, onGone } = this.#options;
    if (this.#awaySince === undefined && this.#wasOpen) view.line('The connection was lost. Trying again.');
    this.#awaySince ??= performance.now();
    const isGone = !this.#wasOpen || performance.now() - this.#awaySince > AWAY_MS;
    if (isGone) onGone(new NoDaemonError(socketPath));
  }
}
