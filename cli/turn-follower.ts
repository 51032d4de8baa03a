import type { ClientEvent, UnplacedFrame } from '../client/server-frame.js';
import type { EventData } from '../protocol/events.js';
import type { AnswerData } from '../protocol/server-frames.js';
import { TurnEvents, type TurnViewer } from './turn-events.js';

/** How a prompt ended. */
export interface TurnEnd {
  subtype: string;
  isError: boolean;
  result: string;
  /** US dollars; null when unknown. */
  cost: number | null;
  durationMs: number;
}

export interface TurnWatcher extends TurnViewer {
  onStart: () => void;
  /** While the prompt waits: a request of the turn before it. */
  onForeignPermission: (data: EventData<'permissionRequest'>) => void;
  /** While the prompt waits: the reason for the wait may have changed. */
  onQueueChange: () => void;
  onEnd: (end: TurnEnd) => void;
}

type Item =
  | { kind: 'event'; event: ClientEvent }
  | { kind: 'frame'; frame: UnplacedFrame }
  | { kind: 'reset'; reset: AnswerData<'reset'> };

/** Selects the turn of one prompt from the events of its session. */
export class TurnFollower {
  readonly #watcher: TurnWatcher;
  readonly #events: TurnEvents;
  #prompt: { sessionId: string; promptId: string } | undefined;
  #state: 'unknown' | 'queued' | 'running' | 'ended' = 'unknown';
  /** Events that arrived before the daemon's answer was read. */
  #early: Item[] = [];

  constructor(watcher: TurnWatcher) {
    this.#watcher = watcher;
    this.#events = new TurnEvents(watcher);
  }

  /** The prompt has started and has not ended. */
  get running(): boolean {
    return this.#state === 'running';
  }

  follow(prompt: { sessionId: string; promptId: string }): void {
    this.#prompt = prompt;
    this.#state = 'queued';
    const early = this.#early;
    this.#early = [];
    for (const item of early) this.take(item);
  }

  take(item: Item): void {
    if (this.#state === 'unknown') {
      this.#early.push(item);
      return;
    }
    if (this.#state === 'ended' || sessionOf(item) !== this.#prompt?.sessionId) return;
    if (item.kind === 'event') this.#event(item.event);
    else if (item.kind === 'frame') this.#frame(item.frame);
    else this.#reset(item.reset);
  }

  /** The prompt was cancelled before it started, for which there is no event. */
  cancelled(): void {
    this.#end({ subtype: 'cancelled', isError: true, result: '', cost: null, durationMs: 0 });
  }

  #event(event: ClientEvent): void {
    if (this.#state === 'queued') this.#queuedEvent(event);
    else if (event.type === 'streamComplete') this.#completed(event.data);
    else this.#events.event(event);
  }

  #queuedEvent(event: ClientEvent): void {
    if (event.type === 'humanMessage' && event.data.promptId === this.#prompt?.promptId) {
      this.#state = 'running';
      this.#watcher.onStart();
    }
    // A prompt that the child never received.
    if (event.type === 'streamComplete') this.#completed(event.data);
    if (event.type === 'sessionStatus') this.#statusWhileQueued(event.data);
    if (this.#state === 'queued') this.#foreignEvent(event);
  }

  #foreignEvent(event: ClientEvent): void {
    const watcher = this.#watcher;
    if (event.type === 'permissionRequest') watcher.onForeignPermission(event.data);
    if (event.type === 'permissionResolved') watcher.onResolved(event.data);
    if (CHANGES_QUEUE.has(event.type)) watcher.onQueueChange();
  }

  #statusWhileQueued({ status, reason }: EventData<'sessionStatus'>): void {
    if (status === 'closed') this.cancelled();
    if (status === 'error') this.#end({ ...LOST, subtype: 'error', result: reason ?? '' });
  }

  #frame(frame: UnplacedFrame): void {
    if (this.#state === 'running') this.#events.frame(frame);
    else if (frame.type === 'progress') this.#watcher.onProgress(frame.data);
    else if (frame.type === 'permissionRequest') this.#watcher.onForeignPermission(frame.data);
  }

  #completed({ promptId, steered, ...data }: EventData<'streamComplete'>): void {
    const own = this.#prompt?.promptId;
    if (own === undefined || (promptId !== own && !steered?.includes(own))) return;
    const { subtype, isError, finalResult, cost = null, duration } = data;
    // The event contains only the last 8 KiB; the message may have the full text.
    const { lastText } = this.#events;
    const isWhole = finalResult !== '' && lastText.endsWith(finalResult);
    const result = isWhole ? lastText : finalResult;
    this.#end({ subtype, isError, result, cost, durationMs: duration });
  }

  /** The end may be among the lost events. */
  #reset({ snapshot }: AnswerData<'reset'>): void {
    const { status, queueDepth } = snapshot.status;
    if (queueDepth === 0 && ENDED.has(status)) this.#end({ ...LOST, subtype: 'lost' });
    else for (const permission of snapshot.permissions) this.#frame({ type: 'permissionRequest', data: permission });
  }

  #end(end: TurnEnd): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#watcher.onEnd(end);
  }
}

const ENDED: ReadonlySet<string> = new Set(['idle', 'hibernated', 'closed', 'error']);
const CHANGES_QUEUE: ReadonlySet<string> = new Set(['humanMessage', 'streamComplete', 'sessionStatus']);
const LOST = { isError: true, result: '', cost: null, durationMs: 0 };

function sessionOf(item: Item): string | undefined {
  if (item.kind === 'event') return item.event.sessionId;
  return item.kind === 'frame' ? item.frame.data.sessionId : item.reset.sessionId;
}
