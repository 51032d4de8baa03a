/** The connection of all tabs, in the tab that leads: passes on what the daemon says, and what the tabs say to it. */
import type { StandardWebSocket } from '../../client/browser.js';
import { CLOSE } from '../../client/browser.js';
import { newId } from './new-id.js';

/** How to open the connection: as the tab would that asks first. */
export interface Address {
  url: string;
  protocols: string[];
}

/** How a connection ended. */
export interface End {
  code: number;
  reason: string;
}

/** What the hub tells tabs; `connection` names the one that it speaks of. */
export type Told =
  | { do: 'welcome'; to?: string; connection: string; text: string }
  | { do: 'frame'; connection: string; text: string }
  | { do: 'end'; connection: string; end: End };

export interface HubOptions {
  openSocket: (address: Address) => StandardWebSocket;
  /** To the tab of the hub itself, and to all others. */
  tell: (told: Told) => void;
}

/** A connection that another one replaced is another tab's, if this one is told so within this time. */
const DEPOSED_MS = 1000;

export class SharedHub {
  readonly #options: HubOptions;
  readonly #tabs = new Set<string>();
  #socket: StandardWebSocket | undefined;
  #connection = '';
  #welcome: string | undefined;
  #isOver = false;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** The tab is told the welcome: that of the connection which is there, or of a new one. */
  join(tab: string, address: Address): void {
    this.#tabs.add(tab);
    if (!this.#socket) this.#open(address);
    else if (this.#welcome !== undefined) this.#tellWelcome(late(this.#welcome), tab);
  }

  /** What belongs to an earlier connection is dropped: its tab is told, and repeats what can be repeated. */
  say(connection: string, text: string): void {
    if (connection === this.#connection && this.#welcome !== undefined) this.#socket?.send(text);
  }

  /** The last one ends the connection. */
  leave(tab: string): void {
    this.#tabs.delete(tab);
    if (this.#tabs.size > 0) return;
    const socket = this.#forget();
    socket?.close(NORMAL);
  }

  /** A tab has found its connection dead: none has one then. */
  drop(connection: string, end: End): void {
    if (connection !== '' && connection !== this.#connection) return;
    const socket = this.#forget();
    if (!socket) return;
    socket.close();
    this.#tellEnd(end);
  }

  /** Without a word: the next leader tells the tabs. */
  close(): void {
    this.#isOver = true;
    this.#forget()?.close();
  }

  /** Whether another tab than this one listens. */
  hasOthers(tab: string): boolean {
    return this.#tabs.size > (this.#tabs.has(tab) ? 1 : 0);
  }

  #open(address: Address): void {
    const socket = this.#options.openSocket(address);
    this.#socket = socket;
    this.#connection = newId();
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (typeof data === 'string') this.#came(data);
    };
    socket.onclose = ({ code, reason }: End) => {
      this.#forget();
      if (code === CLOSE.replaced) setTimeout(() => this.#tellEnd({ code, reason }), DEPOSED_MS);
      else this.#tellEnd({ code, reason });
    };
  }

  /** Its end is of no interest any more. */
  #forget(): StandardWebSocket | undefined {
    const socket = this.#socket;
    if (socket) {
      socket.onmessage = null;
      socket.onclose = null;
    }
    this.#socket = undefined;
    this.#welcome = undefined;
    this.#tabs.clear();
    return socket;
  }

  #came(text: string): void {
    const connection = this.#connection;
    if (this.#welcome === undefined) {
      this.#welcome = text;
      this.#tellWelcome(text);
    } else this.#options.tell({ do: 'frame', connection, text });
  }

  #tellEnd(end: End): void {
    if (!this.#isOver) this.#options.tell({ do: 'end', connection: this.#connection, end });
  }

  #tellWelcome(text: string, to?: string): void {
    this.#options.tell({ do: 'welcome', connection: this.#connection, text, ...(to !== undefined && { to }) });
  }
}

const NORMAL = 1000;

/** For tabs whose connection has gone to another one: they begin again at once. */
export const MOVED: End = { code: CLOSE.goingAway, reason: 'Another tab has the connection now.' };

/** For a tab that comes later: where the streams began is long past. What it subscribes to tells where they are. */
function late(welcome: string): string {
  const frame = JSON.parse(welcome) as { data?: object };
  return JSON.stringify({ ...frame, data: { ...frame.data, resumed: [] } });
}
