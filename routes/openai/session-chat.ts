import type { Response } from 'express';
import type { EventData } from '../../protocol/events.js';
import type { PositionedData } from '../../protocol/server-frames.js';
import type { AcceptedPrompt } from '../../services/commands/prompt.js';
import type { TurnPlace } from '../../services/commands/responses.js';
import type { SessionFeed } from '../../services/delivery/feed/session-feed.js';
import type { Encoder, Frame, StreamSink } from '../../services/delivery/frames.js';
import type { ChatEnd, ChatListener } from '../../services/ports/chat.js';
import type { PromptRecord } from '../../services/ports/records.js';
import type { RouteServices } from '../route-services.js';

interface FollowOptions {
  services: Pick<RouteServices, 'delivery'>;
  accepted: Pick<AcceptedPrompt, 'session' | 'prompt'>;
  response: Response;
  listener: ChatListener;
  /** Where its events begin; absent: it has not begun. */
  place?: TurnPlace;
}

const EVENTS = ['humanMessage', 'streamData', 'assistantMessage', 'toolUse', 'toolResult', 'streamComplete'];

type Shown =
  | { type: 'humanMessage'; data: EventData<'humanMessage'> }
  | { type: 'streamData'; data: PositionedData<'streamData'> }
  | { type: 'assistantMessage'; data: EventData<'assistantMessage'> }
  | { type: 'toolUse'; data: EventData<'toolUse'> }
  | { type: 'toolResult'; data: EventData<'toolResult'> }
  | { type: 'streamComplete'; data: EventData<'streamComplete'> };

const encode: Encoder = (text) => Buffer.from(text);

/**
 * Tells the listener what its session says to a prompt, from its begin to its end. To be called before it can begin, or
 * with the place of its events.
 */
export class PromptFollower implements StreamSink {
  readonly #options: FollowOptions;
  readonly #feed: SessionFeed;
  #isOurs = false;
  #isOver = false;
  readonly #texts = new Map<string, BlockText>();

  constructor(options: FollowOptions) {
    this.#options = options;
    const { services, accepted, response, place } = options;
    const { session, prompt } = accepted;
    const { from = session.publishedHead, hasBegun = false } = place ?? {};
    this.#feed = services.delivery.openFeed({
      userId: session.owner,
      sessionId: session.id,
      from: { epoch: session.epoch, seq: from },
      events: EVENTS,
      sink: this,
      onEnd: () => this.#end(GONE),
    });
    response.on('drain', () => this.#feed.drained());
    response.once('close', () => this.close());
    if (hasBegun) this.#begin();
    this.#feed.begin();
    void this.#awaitOutcome(prompt);
  }

  get unsent(): number {
    return this.#options.response.writableLength;
  }

  get lagging(): boolean {
    return this.#options.response.writableNeedDrain;
  }

  send(frame: Frame): void {
    if (!this.#isOver) this.#take(JSON.parse(Buffer.from(frame.encoded(encode)).toString()) as Shown);
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#feed.close();
  }

  /** One that was cancelled before it began has no events. */
  async #awaitOutcome({ promptId }: PromptRecord): Promise<void> {
    const { session } = this.#options.accepted;
    // It is refused where the session is purged, which the end of the feed tells as well.
    const ended = await session.outcome(promptId).then(endOf, () => GONE);
    await this.#feed.untilSent();
    this.#end(ended);
  }

  #begin(): void {
    if (this.#isOurs) return;
    this.#isOurs = true;
    this.#options.listener.onBegun?.();
  }

  #take({ type, data }: Shown): void {
    const { promptId } = this.#options.accepted.prompt;
    if (type === 'humanMessage') {
      if (data.promptId === promptId) this.#begin();
    } else if (type === 'streamComplete') {
      if (data.promptId === promptId || data.steered?.includes(promptId)) this.#end(data);
    } else if (this.#isOurs && data.parentToolUseId === undefined) this.#takePiece({ type, data } as Shown);
  }

  #takePiece({ type, data }: Shown): void {
    const { listener } = this.#options;
    if (type === 'streamData') this.#takeText(data);
    else if (type === 'assistantMessage') this.#takeWhole(data);
    else if (type === 'toolUse') listener.onPiece({ kind: 'toolUse', name: data.toolName, input: data.toolInput });
    else if (type === 'toolResult') {
      const { result = '', error = result, success } = data;
      listener.onPiece({ kind: 'toolResult', text: success ? textOf(result) : textOf(error), isError: !success });
    }
  }

  #takeText({ streamType, messageId, blockIndex, offset, content }: PositionedData<'streamData'>): void {
    if (streamType === 'assistant_message') this.#tell(`${messageId}/${blockIndex}`, { offset, text: content.text });
  }

  /** A block that was not streamed, or not to its end. What the CLI itself says is in the result as well. */
  #takeWhole({ messageId, blockIndex, content, model }: EventData<'assistantMessage'>): void {
    if (model === SYNTHETIC) return;
    for (const [index, block] of content.entries()) {
      if (block.type !== 'text' || !('text' in block)) continue;
      this.#tell(`${messageId}/${blockIndex + index}`, { offset: 0, text: block.text ?? '' });
    }
  }

  #tell(block: string, { offset, text }: { offset: number; text: string }): void {
    const { told, held } = this.#texts.get(block) ?? { told: 0, held: '' };
    const rest = text.slice(Math.max(0, told - offset));
    if (rest === '' || offset > told) return;
    const said = `${held ?? ''}${rest}`;
    // A block that is cut short while it is blank is not recorded.
    const isHeld = held !== undefined && said.trim() === '';
    this.#texts.set(block, { told: told + rest.length, held: isHeld ? said : undefined });
    if (!isHeld) this.#options.listener.onPiece({ kind: 'text', text: said });
  }

  #end(end: ChatEndSource): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#feed.close();
    this.#options.listener.onEnd(chatEnd(end));
  }
}

interface BlockText {
  /** UTF-16 units received. */
  told: number;
  /** Blank text with which it begins, until something follows. */
  held: string | undefined;
}

const GONE = { subtype: 'child_exited', isError: true, finalResult: 'The session has ended.' };

/** The model that the CLI names for its own words. */
const SYNTHETIC = '<synthetic>';

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

type ChatEndSource = Pick<EventData<'streamComplete'>, 'subtype' | 'isError' | 'finalResult' | 'usage' | 'cost'> & {
  resetsAt?: string | number | undefined;
};

const chatEnd = ({ subtype, isError, finalResult, usage, cost, resetsAt }: ChatEndSource): ChatEnd => ({
  subtype,
  isError,
  finalResult,
  ...(usage && { usage }),
  ...(cost !== undefined && { cost }),
  ...(resetsAt !== undefined && { resetsAt: new Date(resetsAt).getTime() }),
});

/** How the turn of a prompt has ended that nothing else tells of. */
export const endOfPrompt = (prompt: PromptRecord): ChatEnd => chatEnd(endOf(prompt));

const endOf = ({ outcome }: PromptRecord): ChatEndSource =>
  outcome ?? { subtype: 'cancelled', isError: true, finalResult: '' };
