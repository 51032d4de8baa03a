import type { StreamOptions } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Attachment, ClaudeSessionId, PermissionMode } from '../../protocol/scalars.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { PromptRecord, SessionRecord } from '../ports/records.js';
import type { Place } from '../ports/workspace.js';
import type { Conversation } from '../sessions/machine/decide-command.js';
import { offerPrompt } from '../sessions/new-prompt.js';
import type { Reply, Session } from '../sessions/session.js';
import type { OfferedPrompt } from '../sessions/waiting-contents.js';
import { requirePersonsBudget } from './budgets.js';
import type { Caller, CommandServices, NamedDirectory } from './command-context.js';
import { asOpener, type Opener } from './key-sessions.js';

export interface StartSessionInput {
  directory: NamedDirectory;
  /** Prefix of the option names in the client's request. */
  optionsField?: string;
  prompt: string;
  attachments?: Attachment[] | undefined;
  options: StreamOptions & {
    context?: string | undefined;
    system_prompt?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  };
}

export interface StartedSession {
  session: Session;
  prompt: PromptRecord | undefined;
  answer: AnswerData<'streamStarted'>;
  /** seq of the last event before those caused by the prompt. */
  head?: number;
}

/**
 * Opens, joins or reopens the session of a directory and sends it a prompt. Calls `reply` when session and prompt are
 * recorded, before any client sees an event of them.
 */
export async function startSession(
  services: CommandServices,
  { caller, ...input }: StartSessionInput & { caller: Caller },
  reply: Reply<StartedSession>,
): Promise<void> {
  const { workspace, launchers } = services;
  const { directory, options, optionsField = 'options.' } = input;
  const { device } = caller;
  requireAllowedMode(services, options.permissionMode, `${optionsField}permissionMode`);
  const repeated = findRepeated(services, caller);
  if (repeated) {
    // The first answer can have failed because this sync failed.
    await services.journal.sync();
    return reply(repeated);
  }
  if (input.prompt.trim() !== '' || input.attachments?.length) requirePersonsBudget(services, device.userId);
  const conversation = conversationOf(options);
  const place = await workspace.resolveDirectory(directory.path, directory);
  const launcher = launchers.of(device.userId);
  await launcher.checkAvailable();
  if (conversation?.kind === 'resume' && !(await launcher.hasConversation(place.path, conversation.claudeSessionId))) {
    throw invalid(`${optionsField}resume`, 'must be a conversation of this directory');
  }
  const opening = { caller, input, place, conversation };
  const session = await asOpener(services, caller, (opener) => openSession(services, { ...opening, opener }, reply));
  // Runs after the answer, which does not wait for it. If the result cannot be recorded, the next opening checks again.
  session.lookForChanges(() => workspace.readObeyedState(place.path)).catch(() => {});
}

interface OpeningInput {
  caller: Caller;
  input: StartSessionInput;
  place: Place;
  conversation: Conversation | undefined;
  opener: Opener | undefined;
}

async function openSession(
  { registry, now }: CommandServices,
  { caller, input, place, conversation, opener }: OpeningInput,
  reply: Reply<StartedSession>,
): Promise<Session> {
  let isOpened = false;
  const requireMore = () => {
    opener?.requireMore();
    isOpened = true;
  };
  const { session, created } = await registry.at(place, { owner: caller.device.userId, requireMore });
  const offered = offerOf({ caller, input, session, created, now: now() });
  const isOfKey = opener !== undefined || session.state.record.openedBy !== undefined;
  const openedBy = isOpened && isOfKey ? { openedBy: opener?.openedBy ?? '' } : {};
  const changes = { ...changesOf(input.options), directoryKey: place.key, ...openedBy };
  await session.start({ changes, ...(conversation && { conversation }), ...(offered && { offered }) }, (known) =>
    reply(started(session, known, created)),
  );
  return session;
}

/**
 * The same with the conversation of the directory that was written last, here or in a terminal. The session keeps its
 * own where that is the newest. Rejects with `NOT_FOUND` without one.
 */
export async function continueSession(
  services: CommandServices,
  { caller, ...input }: StartSessionInput & { caller: Caller },
  reply: Reply<StartedSession>,
): Promise<void> {
  const { workspace, registry, launchers } = services;
  const { userId } = caller.device;
  const { directory } = input;
  const { path, key } = await workspace.resolveDirectory(directory.path, directory);
  const [found] = await launchers.of(userId).newestConversations([path]);
  const newest = found?.claudeSessionId as ClaudeSessionId | undefined;
  if (newest === undefined) {
    throw new CompanionError('NOT_FOUND', 'The directory has no conversation.', { field: directory.field });
  }
  const here = registry.owned(userId).find(({ state: { record } }) => record.directoryKey === key);
  const isItsOwn = here?.state.record.claudeSessionId === newest;
  const options = isItsOwn ? input.options : { ...input.options, resume: newest };
  await startSession(services, { caller, ...input, options }, reply);
}

/** The owner of the machine must have allowed a mode that asks no questions. Throws `PERMISSION_DENIED`. */
export function requireAllowedMode(
  { bypassProblem: rule }: Pick<CommandServices, 'bypassProblem'>,
  mode: PermissionMode | undefined,
  field: string,
): void {
  if (mode !== 'bypassPermissions' || rule === undefined) return;
  throw new CompanionError('PERMISSION_DENIED', `${field}: ${rule}`, { field, rule });
}

/** A request that was accepted before, wherever its directory led then: it opens and runs nothing. */
function findRepeated(
  { journal, registry }: CommandServices,
  { device, requestId }: Caller,
): StartedSession | undefined {
  const prompt = requestId === null ? undefined : journal.findRequest(device, requestId);
  const session = prompt && registry.find(prompt.sessionId);
  return session && started(session, prompt, false);
}

function conversationOf({
  resume,
  fork = false,
  preserveContext,
  keepRemembered = false,
}: StreamOptions): Conversation | undefined {
  if (resume !== undefined) return { kind: 'resume', claudeSessionId: resume, fork };
  if (fork) return { kind: 'fork' };
  return preserveContext === false ? { kind: 'new', keepRemembered } : undefined;
}

function changesOf(options: StartSessionInput['options']): Partial<SessionRecord> {
  const {
    sessionName,
    model,
    permissionMode,
    allowedTools,
    metadata,
    system_prompt: prompt,
    context = prompt,
  } = options;
  return {
    ...(sessionName !== undefined && { name: sessionName }),
    ...(model !== undefined && { modelChoice: model }),
    ...(permissionMode !== undefined && { permissionMode }),
    ...(allowedTools && { allowedTools }),
    ...(context !== undefined && { context }),
    ...(metadata && { metadata }),
  };
}

interface PromptOptions {
  caller: Caller;
  input: StartSessionInput;
  session: Session;
  created: boolean;
  now: number;
}

function offerOf({ caller, input, session, created, now }: PromptOptions): OfferedPrompt | undefined {
  const { device, requestId, trace } = caller;
  const { prompt: text, attachments, options } = input;
  if (text.trim() === '' && !attachments?.length) return undefined;
  const name = options.sessionName ?? session.state.record.name;
  const answer = {
    workingDirectory: session.state.record.directory,
    reused: !created,
    ...(name !== undefined && { sessionName: name }),
  };
  return offerPrompt({ sessionId: session.id, device, requestId, trace, text, attachments, answer, now });
}

function started(session: Session, prompt: PromptRecord | undefined, created: boolean): StartedSession {
  const { directory, name } = session.state.record;
  const answer: AnswerData<'streamStarted'> = {
    sessionId: session.id,
    ...(name !== undefined && { sessionName: name }),
    workingDirectory: directory,
    reused: !created,
    ...(prompt && { promptId: prompt.promptId }),
  };
  const { head, epoch, ...first } = prompt?.answer ?? {};
  const isPlace = typeof head === 'number' && epoch === session.epoch;
  // A repeated request gets its first answer.
  return { session, prompt, answer: { ...answer, ...first }, ...(isPlace && { head }) };
}
