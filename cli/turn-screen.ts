import type { PositionedData } from '../protocol/server-frames.js';
import { dollars } from './amounts.js';
import type { AskView } from './ask-view.js';
import type { PermissionDialogue } from './permission-dialogue.js';
import { toolResultLines, toolUseLine } from './tool-line.js';
import type { TurnViewer } from './turn-events.js';

/** Repeated while a turn is silent: shown in one changing line. */
const PASSING: ReadonlySet<string> = new Set(['tool', 'api', 'queued', 'hook', 'subagent']);
/** Too frequent for lines of their own, or covered by a notice. */
const UNPRINTED: ReadonlySet<string> = new Set(['hook', 'subagent', 'permission_denied']);

interface TurnScreenOptions {
  view: AskView;
  dialogue: PermissionDialogue;
  /** The turn is another sender's: without a person to ask, its requests stay open. */
  foreign?: boolean;
}

/** Shows a turn to a person, and asks for its permissions. */
export function createTurnScreen({ view, dialogue, foreign = false }: TurnScreenOptions): TurnViewer {
  const onThinking = () => {
    if (!dialogue.busy) view.waiting('Thinking');
  };
  return {
    onThinking,
    onPiece: (piece) => view.piece(piece),
    onToolUse: (data) => {
      view.line(toolUseLine(data, view.width));
      view.waiting(data.toolName);
    },
    onToolResult: (data) => {
      for (const line of toolResultLines(data, view.width)) view.line(line);
      onThinking();
    },
    onPermission: (request) => (foreign ? dialogue.askForAnother(request) : void dialogue.ask(request)),
    onResolved: (resolved) => dialogue.resolved(resolved),
    onTrouble: (message) => view.line(message),
    onProgress: createProgressLine(view, dialogue),
  };
}

/** The daemon's progress messages about a turn that is silent, waits, or repeats its request to the API. */
function createProgressLine(view: AskView, dialogue: PermissionDialogue) {
  let last = '';
  return ({ stage, message }: PositionedData<'progress'>): void => {
    if (dialogue.busy || message === last) return;
    last = message;
    if (PASSING.has(stage) && view.isTerminal) view.waiting(message);
    else if (!UNPRINTED.has(stage)) view.line(message);
  };
}

/** The cost and duration of a turn, for a person at a terminal. */
export function showCost(view: AskView, { cost, durationMs }: { cost: number | null; durationMs: number }): void {
  if (cost !== null && view.isTerminal) view.line(`${dollars(cost)}, ${Math.round(durationMs / 1000)} s`);
}
