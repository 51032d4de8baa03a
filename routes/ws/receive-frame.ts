import type { ClientData, ClientFrame, ClientFrameType } from '../../protocol/client-frames.js';
import { FRAME_COMMANDS } from '../../protocol/commands/frames.js';
import type { FrameRule } from '../../protocol/commands/rules.js';
import { CLOSE, CompanionError, type ErrorCode } from '../../protocol/error-codes.js';
import {
  BINARY_FRAME,
  glimpseRequestId,
  type ParsedFrame,
  parseClientFrame,
} from '../../protocol/parse-client-frame.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { NamedDirectory } from '../../services/commands/command-context.js';
import { sessionOfPrompt } from '../../services/commands/prompt.js';
import type { AuditEntry } from '../../services/ports/audit.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import { requireLiberties, requireScope } from '../access/admission.js';
import { admitPrompt } from '../access/admit-prompt.js';
import { RateLimitError } from '../access/rate-limits.js';
import * as child from './child-frames.js';
import * as device from './device-frames.js';
import * as prompts from './prompt-frames.js';
import { answerError, type ConnectionContext, directoryOf, type RequestContext } from './request-context.js';
import * as sessions from './session-frames.js';
import * as tasks from './task-frames.js';
import { traceFrame } from './trace-frames.js';

/** Too frequent and too uninteresting for a log. */
const QUIET: ReadonlySet<string> = new Set(['ack', 'ping']);

/** Parsing a frame of up to this many UTF-16 units takes less time than counting it. */
const PARSED_AT_ONCE_UNITS = 16 * 1024;

export interface ReceivedFrame {
  /** Empty for a binary frame. */
  text: string;
  isBinary: boolean;
}

/**
 * Handles a frame in its turn; resolves when the next ordered one can start. It is counted at once: a flood is detected
 * even while an ordered frame is in progress.
 */
export function receiveFrame(connection: ConnectionContext, frame: ReceivedFrame, turn: Promise<void>): Promise<void> {
  const { text, isBinary } = frame;
  if (text.length > PARSED_AT_ONCE_UNITS) return receiveLarge(connection, text, turn);
  const parsed = isBinary ? BINARY_FRAME : parseClientFrame(text);
  const context = { connection, requestId: parsed.ok ? parsed.frame.requestId : parsed.requestId };
  const counted = parsed.ok && parsed.frame.type === 'ack' ? Promise.resolve() : countFrame(connection);
  // Its rejection is handled in its turn.
  counted.catch(() => {});
  const serve = parsed.ok ? () => serveFrame(context, parsed.frame) : () => Promise.reject(parsed.error);
  const served = serveInTurn({ context, turn, counted, serve });
  return parsed.ok && frameRule(parsed.frame).ordered ? served : turn;
}

/**
 * A large frame is counted before it is parsed, so that a refusal is cheap. It waits for its turn as text, since only
 * parsing shows whether it is ordered.
 */
async function receiveLarge(connection: ConnectionContext, text: string, turn: Promise<void>): Promise<void> {
  const counted = countFrame(connection);
  // Awaited below, but it can reject earlier.
  counted.catch(() => {});
  await turn;
  if (connection.isExpelled) return;
  try {
    await counted;
  } catch (error) {
    answerError({ connection, requestId: glimpseRequestId(text) }, error);
    return;
  }
  return serveParsed(connection, parseClientFrame(text));
}

async function serveParsed(connection: ConnectionContext, parsed: ParsedFrame): Promise<void> {
  if (!parsed.ok) {
    answerError({ connection, requestId: parsed.requestId }, parsed.error);
    return;
  }
  const context = { connection, requestId: parsed.frame.requestId };
  const served = serveFrame(context, parsed.frame).catch((error: unknown) => answerError(context, error));
  if (frameRule(parsed.frame).ordered) await served;
}

interface Turn {
  context: RequestContext;
  /** Settles when it is this frame's turn. */
  turn: Promise<void>;
  /** Rejects when the limit is exceeded. */
  counted: Promise<void>;
  serve: () => Promise<void>;
}

async function serveInTurn({ context, turn, counted, serve }: Turn): Promise<void> {
  await turn;
  if (context.connection.isExpelled) return;
  try {
    await counted;
    await serve();
  } catch (error) {
    answerError(context, error);
  }
}

async function serveFrame(context: RequestContext, frame: ClientFrame): Promise<void> {
  const { connection } = context;
  const { log } = connection.services;
  const level = QUIET.has(frame.type) ? 'debug' : 'info';
  log[level]('frame', { type: frame.type, requestId: frame.requestId, deviceId: connection.device.deviceId });
  const started = performance.now();
  const span = traceFrame(context, { frame, rule: frameRule(frame) });
  try {
    await authoriseFrame(connection, frame);
    if (connection.isExpelled) return;
    await handleFrame(span ? { ...context, trace: span.traceparent } : context, frame);
    span?.end();
    measure(connection, { type: frame.type, outcome: 'ok', started });
    auditFrame(connection, frame);
  } catch (error) {
    measure(connection, { type: frame.type, outcome: codeOf(error), started });
    span?.end({ 'error.type': codeOf(error) }, { isError: codeOf(error) === 'INTERNAL_ERROR' });
    auditFrame(connection, frame, error);
    // An accepted acknowledgement is cheap and not counted; one that gets an answer counts like any other frame.
    if (frame.type === 'ack') await countFrame(connection);
    throw error;
  }
}

interface Served {
  type: ClientFrameType;
  outcome: 'ok' | ErrorCode;
  /** By `performance.now()`. */
  started: number;
}

function measure({ services }: ConnectionContext, { type, outcome, started }: Served): void {
  const { frames, frameSeconds } = services.metrics;
  frames.inc({ type, outcome });
  frameSeconds.observe({ type }, (performance.now() - started) / 1000);
}

type AuditedFields = Pick<AuditEntry, 'action' | 'sessionId' | 'permissionId' | 'digest'>;

/** Records the effect of a frame, or its refusal. */
function auditFrame(connection: ConnectionContext, frame: ClientFrame, error?: unknown): void {
  const fields = auditedFields(frame);
  if (!fields) return;
  const { services, principal, device, address } = connection;
  services.audit.record({
    ...fields,
    outcome: error === undefined ? 'ok' : codeOf(error),
    ...device,
    credential: principal.key?.keyId ?? principal.credential,
    address,
    ...(frame.requestId !== null && { requestId: frame.requestId }),
  });
}

const codeOf = (error: unknown): ErrorCode => (error instanceof CompanionError ? error.code : 'INTERNAL_ERROR');

/** Undefined for frames that are not audited: acknowledgements, presence and the like. */
function auditedFields(frame: ClientFrame): AuditedFields | undefined {
  const rule = frameRule(frame);
  const { data } = frame;
  const { audit: action } = rule;
  const said = rule.prompt?.(data).text ?? rule.said?.(data);
  return (
    action && {
      action,
      ...('sessionId' in data && data.sessionId !== undefined && { sessionId: data.sessionId }),
      ...('permissionId' in data && data.permissionId !== undefined && { permissionId: data.permissionId }),
      ...(said !== undefined && { digest: digestOf(said) }),
    }
  );
}

type Handlers = { [T in ClientFrameType]: (context: RequestContext, data: ClientData<T>) => Promise<void> };

/** Each answers its frame once, or throws the error to answer with. */
const HANDLERS: Handlers = {
  subscribe: device.subscribe,
  unsubscribe: device.unsubscribe,
  ack: device.ack,
  streamStart: sessions.streamStart,
  streamSend: prompts.streamSend,
  cancelPrompt: prompts.cancelPrompt,
  editPrompt: prompts.editPrompt,
  movePrompt: prompts.movePrompt,
  clearQueue: prompts.clearQueue,
  continueQueue: prompts.continueQueue,
  interrupt: sessions.interrupt,
  rewind: sessions.rewind,
  streamClose: sessions.streamClose,
  permission: sessions.permission,
  setModel: sessions.setModel,
  setPermissionMode: sessions.setPermissionMode,
  setEffort: sessions.setEffort,
  setThinking: sessions.setThinking,
  addDirectory: sessions.addDirectory,
  getTaskOutput: tasks.getTaskOutput,
  stopTask: tasks.stopTask,
  backgroundTask: tasks.backgroundTask,
  setWorkingDirectory: sessions.setWorkingDirectory,
  claudeCommand: prompts.claudeCommand,
  ask: prompts.ask,
  getMessageHistory: sessions.getMessageHistory,
  sessionCapabilities: child.sessionCapabilities,
  suggestFiles: child.suggestFiles,
  contextUsage: child.contextUsage,
  sideQuestion: child.sideQuestion,
  registerDevice: device.registerDevice,
  clientBackgrounding: device.presence('background'),
  clientForegrounding: device.presence('foreground'),
  reauthenticate: device.reauthenticate,
  ping: device.ping,
};

function handleFrame(context: RequestContext, frame: ClientFrame): Promise<void> {
  const handler = HANDLERS[frame.type] as (context: RequestContext, data: ClientFrame['data']) => Promise<void>;
  return handler(context, frame.data);
}

/**
 * Counts a frame, well-formed or not. Rejects with `RATE_LIMITED`. A connection whose own refusals reach a person's
 * limit ignores them, and is closed; the person's other connections stay open.
 */
async function countFrame(connection: ConnectionContext): Promise<void> {
  if (connection.principal.credential === 'local') return;
  const { limits } = connection.services.admission;
  try {
    await limits.takeOf('frames', connection.principal);
  } catch (error) {
    if (!(error instanceof RateLimitError)) throw error;
    const { limit, resetMs } = error.allowance;
    if (connection.refusals.add(resetMs) >= limit) connection.expel(CLOSE.tooManyRequests, 'too many frames');
    throw error;
  }
}

/** The rule of a frame's command, for the data of this frame. */
const frameRule = ({ type }: ClientFrame) => FRAME_COMMANDS[type] as FrameRule<ClientFrame['data']>;

/** Passes a counted frame to its handler. Rejects with `PERMISSION_DENIED` and `RATE_LIMITED`. */
async function authoriseFrame(connection: ConnectionContext, frame: ClientFrame): Promise<void> {
  const { principal, services } = connection;
  const rule = frameRule(frame);
  requireScope(principal, rule.needs);
  requireLiberties(principal, rule.liberties?.(frame.data));
  const prompted = rule.prompt?.(frame.data);
  if (!prompted) return;
  const { device } = connection;
  const at = () => placeOf(connection, frame.data);
  await admitPrompt(services, { principal, device, prompted, isCounted: rule.counts !== undefined, at });
}

/** A question without a directory runs in an empty folder, so checking the first root is at worst too strict. */
function placeOf(connection: ConnectionContext, data: ClientFrame['data']): SessionId | NamedDirectory {
  if ('sessionId' in data && data.sessionId !== undefined) return data.sessionId;
  if ('promptId' in data) {
    return sessionOfPrompt(connection.services, { caller: connection, promptId: data.promptId }).id;
  }
  if ('projectPath' in data) return directoryOf(connection, data.projectPath, 'projectPath');
  const path = ('workingDirectory' in data && data.workingDirectory) || '.';
  return directoryOf(connection, path, 'workingDirectory');
}
