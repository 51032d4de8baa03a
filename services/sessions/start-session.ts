import type { StreamOptions } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Attachment, PermissionMode } from '../../protocol/scalars.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { ClaudeLaunchers } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { RequireRoom } from '../ports/machine.js';
import type { DeviceRef, PromptRecord, SessionRecord, UserId } from '../ports/records.js';
import type { Workspace } from '../ports/workspace.js';
import type { Conversation } from './decide-command.js';
import { offerPrompt } from './new-prompt.js';
import { rememberedOptions } from './remembered-grants.js';
import type { Reply, Session } from './session.js';
import type { SessionRegistry } from './session-registry.js';
import type { OfferedPrompt } from './waiting-contents.js';

export interface StartSessionRequest {
  device: DeviceRef;
  requestId: string | null;
  /** As the client wrote it, and the field it came in. */
  directory: { path: string; base?: string; field: string };
  /** What stands before the names of the options in the client's request. */
  optionsField?: string;
  prompt: string;
  attachments?: Attachment[] | undefined;
  options: StreamOptions & { context?: string | undefined; metadata?: Record<string, unknown> | undefined };
}

export interface StartedSession {
  session: Session;
  prompt: PromptRecord | undefined;
  answer: AnswerData<'streamStarted'>;
  /** seq of the last event before those that the prompt has caused. */
  head?: number;
}

/** A prompt that is meant for a session. */
export interface PromptRequest {
  session: Session;
  device: DeviceRef;
  requestId: string | null;
}

/** Where a command is to be run. */
export interface CommandPlace {
  person: UserId;
  session: Session | undefined;
  /** Without a session. */
  directory: StartSessionRequest['directory'];
}

export interface SessionStarterOptions {
  registry: SessionRegistry;
  workspace: Workspace;
  launchers: ClaudeLaunchers;
  requireRoom: RequireRoom;
  journal: Journal;
  /** Why `bypassPermissions` cannot be had; undefined where it can. */
  bypassProblem: string | undefined;
  now: () => number;
}

/** Opens, joins or reopens the session of a directory, and gives it a prompt: what `streamStart` asks for. */
export class SessionStarter {
  readonly #options: SessionStarterOptions;

  constructor(options: SessionStarterOptions) {
    this.#options = options;
  }

  /** `reply` is called when session and prompt are recorded, before any client sees an event of them. */
  async start(request: StartSessionRequest, reply?: Reply<StartedSession>): Promise<StartedSession> {
    const { workspace, registry, launchers } = this.#options;
    const { directory, device, options, optionsField = 'options.' } = request;
    this.requireAllowedMode(options.permissionMode, `${optionsField}permissionMode`);
    const repeated = await this.#findRepeated(request);
    if (repeated) {
      // The first answer may have failed for want of this.
      await this.#options.journal.sync();
      reply?.(repeated);
      return repeated;
    }
    const conversation = conversationOf(options);
    const place = await workspace.resolveDirectory(directory.path, directory);
    await launchers.of(device.userId).checkAvailable();
    if (conversation?.kind === 'resume')
      await this.#requireConversation(
        { path: place.path, owner: device.userId },
        conversation,
        `${optionsField}resume`,
      );
    const { session, created } = await registry.at(place, device.userId);
    const offered = offerOf({ request, session, created, now: this.#options.now() });
    const changes = { ...changesOf(options), directoryKey: place.key };
    const accepted = await session.start(
      { changes, ...(conversation && { conversation }), ...(offered && { offered }) },
      (known) => reply?.(started(session, known, created)),
    );
    // After the answer, which does not wait for it. The next opening looks again where this could not be recorded.
    session.lookForChanges(() => workspace.readObeyedState(place.path)).catch(() => {});
    return started(session, accepted, created);
  }

  /** Rejects when a prompt could not be run; one that was accepted before needs nothing any more. */
  async requireClaude({ session, device, requestId }: PromptRequest): Promise<void> {
    const { journal, launchers, requireRoom } = this.#options;
    if (requestId !== null && (await journal.findRequest(device, requestId))) return;
    await launchers.of(device.userId).checkAvailable();
    if (session.hasChild || session.state.record.closed) return;
    await this.#requireDirectory(session);
    await requireRoom();
  }

  /**
   * Whether this command would be something else than the CLI's own in a session, or in a directory as a client names it.
   * Rejects as `resolveDirectory` does.
   */
  async isShadowed(command: string, { person, session, directory }: CommandPlace): Promise<boolean> {
    const { launchers, workspace } = this.#options;
    const known = session?.state.record;
    const workingDirectory = known?.directory ?? (await workspace.resolveDirectory(directory.path, directory)).path;
    const { addDirectories } = rememberedOptions(known?.remembered ?? []);
    return launchers.of(person).isShadowed(command, { workingDirectory, addDirectories });
  }

  /** A session that sleeps outlives its directory. */
  async #requireDirectory({ state: { record } }: Session): Promise<void> {
    if ((await this.#options.workspace.identify(record.directory)) !== undefined) return;
    throw new CompanionError('PROJECT_NOT_FOUND', `The directory of the session is gone: ${record.directory}`, {
      field: 'sessionId',
      suggestion: 'Move it back, or start a session in its new path.',
    });
  }

  /** A mode that asks no questions must have been allowed by the owner of the machine. */
  requireAllowedMode(mode: PermissionMode | undefined, field: string): void {
    const { bypassProblem: rule } = this.#options;
    if (mode !== 'bypassPermissions' || rule === undefined) return;
    throw new CompanionError('PERMISSION_DENIED', `${field}: ${rule}`, { field, rule });
  }

  /** A request that was accepted before, wherever its directory pointed then: it opens and runs nothing. */
  async #findRepeated({ device, requestId }: StartSessionRequest): Promise<StartedSession | undefined> {
    const prompt = requestId === null ? undefined : await this.#options.journal.findRequest(device, requestId);
    const session = prompt && this.#options.registry.find(prompt.sessionId);
    return session && started(session, prompt, false);
  }

  async #requireConversation(
    { path, owner }: { path: string; owner: UserId },
    { claudeSessionId }: Extract<Conversation, { kind: 'resume' }>,
    field: string,
  ): Promise<void> {
    if (await this.#options.launchers.of(owner).hasConversation(path, claudeSessionId)) return;
    throw invalid(field, 'must be a conversation of this directory');
  }
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

function changesOf(options: StartSessionRequest['options']): Partial<SessionRecord> {
  const { sessionName, model, permissionMode, allowedTools, context, metadata } = options;
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
  request: StartSessionRequest;
  session: Session;
  created: boolean;
  now: number;
}

function offerOf({ request, session, created, now }: PromptOptions): OfferedPrompt | undefined {
  const { device, requestId, prompt: text, attachments, options } = request;
  if (text.trim() === '' && !attachments?.length) return undefined;
  const name = options.sessionName ?? session.state.record.name;
  const answer = {
    workingDirectory: session.state.record.directory,
    reused: !created,
    ...(name !== undefined && { sessionName: name }),
  };
  return offerPrompt({ sessionId: session.id, device, requestId, text, attachments, answer, now });
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
