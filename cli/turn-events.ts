import type { ClientEvent, UnplacedFrame } from '../client/server-frame.js';
import { TextAssembler, type TextPiece } from '../client/text-assembler.js';
import type { EventData } from '../protocol/events.js';
import type { PositionedData } from '../protocol/server-frames.js';

/** The displayed parts of a turn, apart from its beginning and its end. */
export interface TurnViewer {
  onPiece: (piece: TextPiece) => void;
  onThinking: () => void;
  onToolUse: (data: EventData<'toolUse'>) => void;
  onToolResult: (data: EventData<'toolResult'>) => void;
  onPermission: (data: EventData<'permissionRequest'>) => void;
  onResolved: (data: EventData<'permissionResolved'>) => void;
  /** The session has a problem of its own, and may continue. */
  onTrouble: (message: string) => void;
  onProgress: (data: PositionedData<'progress'>) => void;
}

/** Assembles the text of a turn, and passes on everything else. */
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

  /** The complete text of the last message. */
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

  /** A subagent's tools are shown, but not its text. */
  #message(data: EventData<'assistantMessage'>): void {
    if (data.parentToolUseId !== undefined) return;
    this.#assembler.message(data);
    if (data.content[0]?.type !== 'text') return;
    this.#lastText = this.#assembler.text(data.messageId, data.blockIndex) ?? this.#lastText;
  }
}
