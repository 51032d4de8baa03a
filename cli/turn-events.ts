import type { ClientEvent, UnplacedFrame } from '../client/server-frame.js';
import { TextAssembler, type TextPiece } from '../client/text-assembler.js';
import type { EventData } from '../protocol/events.js';
import type { PositionedData } from '../protocol/server-frames.js';

/** What is shown of a turn, apart from its beginning and its end. */
export interface TurnViewer {
  onPiece: (piece: TextPiece) => void;
  onThinking: () => void;
  onToolUse: (data: EventData<'toolUse'>) => void;
  onToolResult: (data: EventData<'toolResult'>) => void;
  onPermission: (data: EventData<'permissionRequest'>) => void;
  onResolved: (data: EventData<'permissionResolved'>) => void;
  /** The session has trouble of its own, and may go on. */
  onTrouble: (message: string) => void;
  onProgress: (data: PositionedData<'progress'>) => void;
}

/** Puts the text of a turn together, and hands everything else on. */
export class TurnEvents {
  readonly #viewer: TurnViewer;
  readonly #assembler: TextAssembler;
  #lastText = '';

  constructor(viewer: TurnViewer) {
    this.#viewer = viewer;
    this.#assembler = new TextAssembler((piece) => {
      if (piece.streamType === 'assistant_message') viewer.onPiece(piece);
    });
  }

  /** The text of the last message, whole. */
  get lastText(): string {
    return this.#lastText;
  }

  event(event: ClientEvent): void {
    const viewer = this.#viewer;
    if (event.type === 'assistantMessage') this.#message(event.data);
    else if (event.type === 'toolUse') viewer.onToolUse(event.data);
    else if (event.type === 'toolResult') viewer.onToolResult(event.data);
    else if (event.type === 'permissionRequest') viewer.onPermission(event.data);
    else if (event.type === 'permissionResolved') viewer.onResolved(event.data);
    else if (event.type === 'error' || event.type === 'notice') viewer.onTrouble(event.data.message);
  }

  frame(frame: UnplacedFrame): void {
    if (frame.type === 'streamData') this.#delta(frame.data);
    else if (frame.type === 'progress') this.#viewer.onProgress(frame.data);
    else if (frame.type === 'permissionRequest') this.#viewer.onPermission(frame.data);
  }

  #delta(data: PositionedData<'streamData'>): void {
    if (data.parentToolUseId !== undefined) return;
    if (data.streamType === 'thinking') this.#viewer.onThinking();
    this.#assembler.delta(data);
  }

  /** What subagents say is theirs: their tools are shown, their words are not. */
  #message(data: EventData<'assistantMessage'>): void {
    if (data.parentToolUseId !== undefined) return;
    this.#assembler.message(data);
    if (data.content[0]?.type !== 'text') return;
    this.#lastText = this.#assembler.text(data.messageId, data.blockIndex) ?? this.#lastText;
  }
}
