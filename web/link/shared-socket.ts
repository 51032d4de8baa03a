/**
 * One connection for all tabs of this browser. The tab that holds a lock leads: it has the connection, and the others
 * speak through it. To its client each tab's `SharedSocket` is a socket like any other; when the leader is gone, it
 * ends, and the client connects again, as it does after any lost connection.
 */
import type { StandardWebSocket, WebSocketConstructor } from '../../client/browser.js';
import { newId } from './new-id.js';
import { type Address, type End, MOVED, SharedHub, type Told } from './shared-hub.js';
import { isSeen } from './sight.js';

/** What tabs say to each other. The leader is not named: there is one. */
type Said =
  | Told
  | { do: 'join'; tab: string; address: Address }
  | { do: 'say'; connection: string; text: string }
  | { do: 'leave'; tab: string }
  | { do: 'drop'; connection: string }
  | { do: 'who' }
  | { do: 'here' }
  | { do: 'led' };

/** A leader that says nothing for this long is asleep: tabs in the background of a phone are stopped. */
const PATIENCE_MS = 4000;
/** How often a tab that is looked at asks whether the leader is there, beside what it says itself. */
const LOOK_MS = 10_000;

const DEAD: End = { code: 1006, reason: 'The connection is dead.' };

/** The class of sockets for the client. Without locks (a page without TLS) each tab has a connection of its own. */
export const sharedWebSocket = (): WebSocketConstructor =>
  'locks' in navigator ? SharedSocket : (WebSocket as WebSocketConstructor);

class SharedSocket implements StandardWebSocket {
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly #line: TabLine;

  constructor(url: string, protocols: string[]) {
    this.#line = lineTo(url);
    this.#line.attach(this, { url, protocols });
  }

  send(text: string): void {
    this.#line.send(text);
  }

  /** Without a code it is dead. */
  close(code?: number): void {
    this.#line.detach(this, { isDead: code === undefined });
    this.ended({ code: code ?? DEAD.code, reason: '' });
  }

  came(data: string): void {
    const tell = this.onmessage as ((event: { data: string }) => void) | null;
    tell?.({ data });
  }

  ended(end: End): void {
    const tell = this.onclose as ((end: End) => void) | null;
    this.onclose = null;
    tell?.(end);
  }
}

const lines = new Map<string, TabLine>();

/** Of this tab; the device that this browser was before it was paired anew has another one. */
function lineTo(url: string): TabLine {
  const line = lines.get(url) ?? new TabLine(`companion ${url}`);
  lines.set(url, line);
  return line;
}

/** This tab among the others. */
class TabLine {
  readonly #name: string;
  readonly #tab = newId();
  readonly #channel: BroadcastChannel;
  #own: { socket: SharedSocket; address: Address } | undefined;
  /** That on which the own socket has been welcomed. */
  #connection = '';
  /** While this tab leads. */
  #hub: SharedHub | undefined;
  #resign = () => {};
  #standing: Promise<void> | undefined;
  #queued = new AbortController();
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string) {
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Said>) => this.#heard(data);
    document.addEventListener('visibilitychange', () => this.#look());
    setInterval(() => this.#look(), LOOK_MS);
    // A page that is kept for the way back would keep the lock as well.
    addEventListener('pagehide', () => this.#resign());
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) this.#moved();
    });
  }

  attach(socket: SharedSocket, address: Address): void {
    this.#own = { socket, address };
    this.#connection = '';
    void this.#join(socket);
  }

  send(text: string): void {
    this.#toLeader({ do: 'say', connection: this.#connection, text });
    this.#look();
  }

  detach(socket: SharedSocket, { isDead }: { isDead: boolean }): void {
    if (this.#own?.socket !== socket) return;
    this.#own = undefined;
    this.#toLeader(isDead ? { do: 'drop', connection: this.#connection } : { do: 'leave', tab: this.#tab });
  }

  async #join(socket: SharedSocket): Promise<void> {
    this.#standing ??= this.#stand();
    await this.#standing;
    if (this.#own?.socket !== socket) return;
    this.#toLeader({ do: 'join', tab: this.#tab, address: this.#own.address });
    this.#look();
  }

  /** Resolves when this tab leads, or waits for its turn because another one does. */
  #stand(): Promise<void> {
    return new Promise((resolve) => {
      this.#request({ ifAvailable: true }, (lock) => {
        resolve();
        if (lock) return this.#lead();
        this.#queued = new AbortController();
        this.#request({ signal: this.#queued.signal }, () => this.#take());
        return undefined;
      });
    });
  }

  #steal(): void {
    this.#queued.abort();
    this.#request({ steal: true }, () => this.#take());
  }

  /** Once another tab has led. */
  #take(): Promise<void> {
    const held = this.#lead();
    this.#channel.postMessage({ do: 'led' } satisfies Said);
    this.#moved();
    return held;
  }

  /** For as long as the promise is pending. */
  #lead(): Promise<void> {
    this.#stopWaiting();
    const hub = new SharedHub({
      openSocket: ({ url, protocols }) => new WebSocket(url, protocols),
      tell: (told) => this.#tell(told),
    });
    this.#hub = hub;
    return new Promise((resolve) => {
      this.#resign = () => {
        resolve();
        this.#over(hub);
      };
    });
  }

  #request(options: LockOptions, onGranted: (lock: Lock | null) => Promise<void> | undefined): void {
    let hub: SharedHub | undefined;
    const granted = (lock: Lock | null) => {
      const held = onGranted(lock);
      hub = this.#hub;
      return held;
    };
    navigator.locks.request(this.#name, options, granted).catch(() => {
      // It was stolen by a tab to which this one seemed asleep; or waited for, until this tab stole it itself.
      if (hub && hub === this.#hub) this.#otherLeads();
    });
  }

  #over(hub: SharedHub): void {
    hub.close();
    if (this.#hub === hub) this.#hub = undefined;
    this.#standing = undefined;
    this.#resign = () => {};
  }

  #otherLeads(): void {
    if (this.#hub) this.#over(this.#hub);
    this.#moved();
  }

  /** The own socket begins again, with the tab that leads now. */
  #moved(): void {
    const own = this.#own;
    this.#own = undefined;
    own?.socket.ended(MOVED);
  }

  #tell(told: Told): void {
    this.#heard(told);
    if (told.do !== 'frame' || this.#hub?.hasOthers(this.#tab)) this.#channel.postMessage(told);
  }

  #toLeader(said: Said): void {
    if (this.#hub) this.#asked(this.#hub, said);
    else this.#channel.postMessage(said);
  }

  #heard(said: Said): void {
    if (this.#hub) this.#asked(this.#hub, said);
    if (said.do === 'here') this.#stopWaiting();
    if (said.do === 'led') this.#otherLeads();
    if (said.do === 'welcome' || said.do === 'frame' || said.do === 'end') this.#told(said);
  }

  /** As the leader. */
  #asked(hub: SharedHub, said: Said): void {
    if (said.do === 'join') hub.join(said.tab, said.address);
    if (said.do === 'say') hub.say(said.connection, said.text);
    if (said.do === 'leave') hub.leave(said.tab);
    if (said.do === 'drop') hub.drop(said.connection, DEAD);
    if (said.do === 'who') this.#channel.postMessage({ do: 'here' } satisfies Said);
  }

  #told(told: Told): void {
    const own = this.#own;
    if (!own) return;
    const isNew = this.#connection === '';
    if (told.do === 'welcome') {
      if (!isNew || (told.to !== undefined && told.to !== this.#tab)) return;
      this.#connection = told.connection;
      own.socket.came(told.text);
      return;
    }
    if (told.do === 'frame' && told.connection === this.#connection) own.socket.came(told.text);
    if (told.do === 'end' && (isNew || told.connection === this.#connection)) {
      this.#own = undefined;
      own.socket.ended(told.end);
    }
  }

  /** A tab that is looked at makes sure that its leader is awake. */
  #look(): void {
    if (this.#hub || !this.#own || this.#patience !== undefined || !isSeen()) return;
    this.#channel.postMessage({ do: 'who' } satisfies Said);
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      if (isSeen()) this.#steal();
    }, PATIENCE_MS);
  }

  #stopWaiting(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }
}
