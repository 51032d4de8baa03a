import type { CompanionClient } from '../client/companion-client.js';
import { createCompanionClient } from '../client/node-client.js';
import type { ClientEvent } from '../client/server-frame.js';
import { plainLine } from '../protocol/plain-text.js';
import type { SessionView } from '../protocol/rest.js';
import { AskView } from './ask-view.js';
import { InterruptedError } from './cli-errors.js';
import { type CommandContext, type Report, say } from './commands.js';
import { ConnectionWatch } from './connection-watch.js';
import { PermissionDialogue } from './permission-dialogue.js';
import { readPresentFile } from './tool-preview.js';
import { TurnEvents } from './turn-events.js';
import { createTurnScreen, showCost } from './turn-screen.js';
import { requireSession } from './waiting-sessions.js';

/**
 * Shows the events of a directory's session until the session is closed or the person leaves, after which its turns
 * continue. Requests can be answered in a terminal, and stay open without one.
 */
export async function watchCommand(context: CommandContext, directory: string | undefined): Promise<Report> {
  const { socketPath, io } = context;
  const session = await requireSession(socketPath, directory);
  const client = createCompanionClient({ socketPath });
  const view = new AskView(io, { quiet: false });
  view.line(`Watching ${session.workingDirectory} (${session.status}). Ctrl-C leaves, and Claude goes on.`);
  let detach = () => {};
  try {
    const reason = await new Promise<string>((resolve, reject) => {
      const leave = (error: Error) => reject(error);
      detach = io.onSignal((signal) => leave(new InterruptedError(signal)));
      follow({ context, client, session, view, onClosed: resolve, onLeave: leave });
    });
    return say({ sessionId: session.sessionId, closed: reason }, `The session was closed: ${plainLine(reason, 200)}.`);
  } finally {
    detach();
    view.close();
    await client.close();
  }
}

interface FollowOptions {
  context: CommandContext;
  client: CompanionClient;
  session: SessionView;
  view: AskView;
  onClosed: (reason: string) => void;
  onLeave: (error: Error) => void;
}

function follow({ context, client, session, view, onClosed, onLeave }: FollowOptions): void {
  const { io, hints, socketPath } = context;
  const { sessionId, workingDirectory } = session;
  const dialogue = new PermissionDialogue({
    io,
    view,
    yes: false,
    onInterrupt: () => {
      dialogue.close();
      onLeave(new InterruptedError('SIGINT'));
    },
    answer: client.answerPermission,
    othersAsk: 'Claude waits for an answer.',
    answerCommand: (permissionId) => hints.companion(`answer ${permissionId}`),
    readFile: readPresentFile(workingDirectory),
  });
  const events = new TurnEvents(createTurnScreen({ view, dialogue, foreign: true }));
  const watch = new ConnectionWatch({ view, socketPath, onGone: onLeave });
  client.on('event', (event) => {
    if (event.sessionId !== sessionId) return;
    showBeside(event, view);
    events.event(event);
    if (event.type === 'sessionStatus' && event.data.status === 'closed') onClosed(event.data.reason ?? '');
  });
  client.on('frame', (frame) => {
    if (frame.data.sessionId === sessionId) events.frame(frame);
  });
  client.on('reset', ({ snapshot }) => {
    view.line('Some earlier events are no longer stored.');
    for (const request of snapshot.permissions) dialogue.askForAnother(request);
  });
  client.on('state', (state) => watch.take(state));
  client.subscribe({ events: ['*'], sessionIds: [sessionId] }).catch(onLeave);
}

/** The beginning and the end of a turn. */
function showBeside(event: ClientEvent, view: AskView): void {
  if (event.type === 'humanMessage') {
    const words = event.data.content.map((block) => ('text' in block ? block.text : `[${block.type}]`)).join(' ');
    view.line(`\n» ${plainLine(words, 500)}`);
  }
  if (event.type !== 'streamComplete') return;
  const { isError, subtype, cost = null, duration } = event.data;
  if (isError) view.line(`The turn failed: ${plainLine(subtype, 60)}.`);
  showCost(view, { cost, durationMs: duration });
}
