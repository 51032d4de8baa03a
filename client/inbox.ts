import { CompanionError } from '../protocol/error-codes.js';
import { ANSWERS, type AnswerData, type AnswerType, type ServerEnvelope } from '../protocol/server-frames.js';
import type { Acknowledger } from './acknowledger.js';
import { type ClientFault, MalformedFrameError } from './errors.js';
import type { OpenBlocks } from './open-blocks.js';
import type { Requests } from './requests.js';
import {
  type ClientEvent,
  type EventPlace,
  parseData,
  parseEvent,
  parseServerFrame,
  parseUnplaced,
  type ServerFrame,
  type UnplacedFrame,
} from './server-frame.js';
import type { SessionCursors } from './session-cursors.js';
import type { Subscription } from './subscription.js';

export interface InboxOptions {
  requests: Requests;
  cursors: SessionCursors;
  openBlocks: OpenBlocks;
  subscription: Subscription;
  acknowledger: Acknowledger;
  /** The daemon has sent its welcome. Earlier frames are ignored. */
  isOpen: () => boolean;
  /** Delivered events are acknowledged. */
  acknowledges: boolean;
  onEvent: (event: ClientEvent) => void;
  onFrame: (frame: UnplacedFrame) => void;
  onReset: (reset: AnswerData<'reset'>) => void;
  onCaughtUp: (caughtUp: AnswerData<'caughtUp'>) => void;
  onFault: (fault: ClientFault) => void;
  onWelcome: (welcome: AnswerData<'welcome'>) => void;
  /** The session must be streamed again from its cursor. */
  resync: (sessionId: string) => void;
}

/** Parses the daemon's frames: each event is delivered once, and in the order of its session. */
export class Inbox {
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Never throws. */
  receive(text: string): void {
    const frame = parseServerFrame(text);
    if (!this.#options.isOpen() && !isWelcome(frame)) return;
    if (frame.kind === 'event') this.#event(frame.place, frame.envelope);
    if (frame.kind === 'answer') this.#answer(frame.requestId, frame.envelope);
    if (frame.kind === 'unplaced') this.#unplaced(frame.envelope);
    if (frame.kind === 'malformed') this.#malformed(frame.error);
  }

  #event(place: EventPlace, envelope: ServerEnvelope): void {
    const { cursors, subscription, onEvent } = this.#options;
    if (!this.#isNext(cursors.judgeEvent(place, subscription.whole), place)) return;
    // A malformed event would arrive the same way again, so it is skipped. One of an unknown type is unwanted.
    cursors.handOver(place);
    const event = parseEvent(place, envelope);
    if (event instanceof MalformedFrameError) this.#malformed(event);
    else if (event) {
      if (event.type === 'assistantMessage') this.#options.openBlocks.finished(event.sessionId, event.data);
      onEvent(event);
    }
    this.#passed(place);
  }

  #answer(requestId: string, envelope: ServerEnvelope): void {
    const settled = this.#options.requests.settle(requestId, envelope);
    if (settled instanceof MalformedFrameError) this.#malformed(settled);
    // The late answer to a timed-out request is ignored; an error is reported.
    if (settled === false && envelope.type === 'error') this.#serverError(envelope);
  }

  #unplaced(envelope: ServerEnvelope): void {
    if (envelope.type === 'welcome') this.#with('welcome', envelope, this.#options.onWelcome);
    else if (envelope.type === 'reset') this.#with('reset', envelope, (reset) => this.#reset(reset));
    else if (envelope.type === 'caughtUp') this.#with('caughtUp', envelope, (caughtUp) => this.#caughtUp(caughtUp));
    else if (envelope.type === 'error') this.#serverError(envelope);
    else this.#handOn(parseUnplaced(envelope));
  }

  #handOn(frame: UnplacedFrame | MalformedFrameError | undefined): void {
    if (frame instanceof MalformedFrameError) this.#malformed(frame);
    else if (frame) {
      if (frame.type === 'streamData') this.#options.openBlocks.handed(frame.data);
      this.#options.onFrame(frame);
    }
  }

  #reset(reset: AnswerData<'reset'>): void {
    const { cursors, openBlocks, acknowledges, acknowledger, onReset } = this.#options;
    const { sessionId, epoch, head } = reset;
    if (cursors.judgeReset(sessionId) === 'pass') return;
    cursors.reset({ sessionId, epoch, seq: head });
    openBlocks.forget(sessionId);
    onReset(reset);
    if (acknowledges) acknowledger.reset(sessionId, { epoch, seq: head });
  }

  #caughtUp(caughtUp: AnswerData<'caughtUp'>): void {
    const { cursors, subscription, onCaughtUp } = this.#options;
    const place = { ...caughtUp, epoch: cursors.epoch };
    // The gap ends after the event at the position of caughtUp.
    const end = { ...place, seq: place.seq + 1 };
    if (!this.#isNext(cursors.judgeCaughtUp(caughtUp, subscription.whole), end)) return;
    const moves = (cursors.handed(caughtUp.sessionId)?.seq ?? -1) < caughtUp.seq;
    cursors.handOver(place);
    onCaughtUp(caughtUp);
    if (moves) this.#passed(place);
  }

  #isNext(verdict: ReturnType<SessionCursors['judgeEvent']>, { sessionId, seq }: EventPlace): boolean {
    const { cursors, onFault, resync } = this.#options;
    if (verdict === 'resync') resync(sessionId);
    if (verdict === 'broken') onFault({ kind: 'gap', sessionId, from: cursors.handed(sessionId)?.seq ?? 0, to: seq });
    return verdict === 'take' || verdict === 'broken';
  }

  #passed({ sessionId, epoch, seq }: EventPlace): void {
    const { acknowledges, acknowledger } = this.#options;
    if (acknowledges) acknowledger.passed(sessionId, { epoch, seq });
  }

  #with<T extends AnswerType>(type: T, envelope: ServerEnvelope, use: (data: AnswerData<T>) => void): void {
    const data = parseData<unknown>(type, ANSWERS[type], envelope.data);
    if (data instanceof MalformedFrameError) this.#malformed(data);
    else use(data as AnswerData<T>);
  }

  #serverError(envelope: ServerEnvelope): void {
    this.#with('error', envelope, ({ code, message, details }) =>
      this.#options.onFault({ kind: 'server', error: new CompanionError(code, message, details) }),
    );
  }

  #malformed(error: MalformedFrameError): void {
    this.#options.onFault({ kind: 'malformed', error });
  }
}

const isWelcome = (frame: ServerFrame) =>
  frame.kind === 'malformed' || (frame.kind === 'unplaced' && frame.envelope.type === 'welcome');
