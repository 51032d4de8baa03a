import type { EventData } from '../../protocol/events.js';
import { cutText, plainLine } from '../../protocol/plain-text.js';
import type { PromptId } from '../../protocol/scalars.js';
import type { SessionFeed } from '../../services/delivery/feed/session-feed.js';
import type { Encoder, Frame, StreamSink } from '../../services/delivery/frames.js';
import type { PromptRecord } from '../../services/ports/records.js';
import { givenPrompts } from '../../services/sessions/machine/session-state.js';
import type { Session } from '../../services/sessions/session.js';
import type { ToolCall } from './mcp-context.js';

const EVENTS = [
  'humanMessage',
  'assistantMessage',
  'toolUse',
  'permissionRequest',
  'permissionResolved',
  'streamComplete',
];

type Shown =
  | { type: 'humanMessage'; data: EventData<'humanMessage'> }
  | { type: 'assistantMessage'; data: EventData<'assistantMessage'> }
  | { type: 'toolUse'; data: EventData<'toolUse'> }
  | { type: 'permissionRequest'; data: EventData<'permissionRequest'> }
  | { type: 'streamComplete'; data: EventData<'streamComplete'> };

const MAX_TOLD = 200;
const encode: Encoder = (text) => Buffer.from(text);

interface Followed {
  session: Session;
  prompt: Pick<PromptRecord, 'promptId'>;
}

/** Tells a client in short what happens in the turn of its prompt, while it waits. */
export class TurnProgress implements StreamSink {
  readonly #tell: (message: string) => void;
  readonly #promptId: PromptId;
  readonly #feed: SessionFeed;
  #isOurs: boolean;
  #isOver = false;

  /** Undefined for a client that does not ask. */
  static open({ services, tell }: ToolCall, followed: Followed): TurnProgress | undefined {
    return tell && new TurnProgress(services, tell, followed);
  }

  private constructor(
    { delivery }: ToolCall['services'],
    tell: (message: string) => void,
    { session, prompt }: Followed,
  ) {
    this.#tell = tell;
    this.#promptId = prompt.promptId;
    this.#isOurs = givenPrompts(session.state).some(({ promptId }) => promptId === prompt.promptId);
    this.#feed = delivery.openFeed({
      userId: session.owner,
      sessionId: session.id,
      from: { epoch: session.epoch, seq: session.publishedHead },
      events: EVENTS,
      sink: this,
      onEnd: () => this.close(),
    });
    this.#feed.begin();
  }

  // What is told is a line: it is never more than the connection takes.
  readonly unsent = 0;
  readonly lagging = false;

  send(frame: Frame): void {
    if (!this.#isOver) this.#take(JSON.parse(Buffer.from(frame.encoded(encode)).toString()) as Shown);
  }

  /** Resolves when everything so far has been told. */
  async untilTold(): Promise<void> {
    await this.#feed.untilSent();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#feed.close();
  }

  #take({ type, data }: Shown): void {
    if (type === 'humanMessage') this.#isOurs ||= data.promptId === this.#promptId;
    else if (!this.#isOurs) return;
    else if (type === 'streamComplete') this.#isOurs = false;
    else if (type === 'toolUse') this.#say(`${data.toolName} ${JSON.stringify(data.toolInput)}`);
    else if (type === 'permissionRequest') this.#say(`waits for an answer: ${data.toolName}`);
    else if (type === 'assistantMessage' && data.parentToolUseId === undefined) this.#say(textOf(data));
  }

  #say(text: string): void {
    const line = plainLine(cutText(text, MAX_TOLD), MAX_TOLD);
    if (line !== '') this.#tell(line);
  }
}

const textOf = ({ content }: EventData<'assistantMessage'>): string =>
  content.flatMap((block) => (block.type === 'text' ? (block.text ?? '') : [])).join('');
