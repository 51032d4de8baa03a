/** Permission requests, questions and plans: how they are asked and how answers are interpreted. */
import * as z from 'zod';
import { cutData } from '../../../protocol/bounded-data.js';
import type { ClientData } from '../../../protocol/client-frames.js';
import { filledForm } from '../../../protocol/elicitation-form.js';
import { CompanionError, invalid } from '../../../protocol/error-codes.js';
import type { EventData } from '../../../protocol/events.js';
import { MAX_EVENT_DATA_BYTES } from '../../../protocol/limits.js';
import { plainLine, plainText } from '../../../protocol/plain-text.js';
import type { Answers, SessionId } from '../../../protocol/scalars.js';
import type { Journal } from '../../ports/journal.js';
import type { PermissionAsk, PermissionRecord } from '../../ports/records.js';
import { type Grant, grantOf, rememberOf, updatesOf } from './remembered-grants.js';
import { openPermissions, type SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

type Answer = Omit<ClientData<'permission'>, 'sessionId' | 'permissionId'>;

const textSchema = z.string().optional().catch(undefined);
const optionSchema = z.object({ label: z.string(), description: textSchema, preview: textSchema });
const questionSchema = z.object({
  question: z.string(),
  header: textSchema,
  multiSelect: z.boolean().catch(false).default(false),
  options: z.array(optionSchema).default([]),
});
const questionsSchema = z.object({ questions: z.array(questionSchema) });
type Questions = z.infer<typeof questionsSchema>['questions'];

const questionsOf = ({ toolName, input }: PermissionAsk): Questions => {
  if (toolName !== 'AskUserQuestion') return [];
  const parsed = questionsSchema.safeParse(input);
  return parsed.success ? parsed.data.questions : [];
};

type Kind = EventData<'permissionRequest'>['kind'];

function kindOf(ask: PermissionAsk): Kind {
  if (ask.kind) return ask.kind;
  if (ask.toolName === 'ExitPlanMode') return 'plan';
  return questionsOf(ask).length > 0 ? 'question' : 'tool';
}

/** The grant that "always" would remember; undefined when it is not offered. */
const rememberable = (ask: PermissionAsk): Grant | undefined =>
  kindOf(ask) === 'tool' && !ask.cannotBeRemembered ? grantOf(ask) : undefined;

/** Throws `PERMISSION_DENIED` for a request that no notification can allow: a person must open the session. */
export function requireOneTap({ mustBeOpened }: PermissionAsk): void {
  if (!mustBeOpened) return;
  const rule = 'must be answered in the session';
  throw new CompanionError('PERMISSION_DENIED', `response: ${rule}`, { field: 'response', rule });
}

/** The event with the request. */
export function permissionRequestOf({
  permissionId,
  sessionId,
  ask,
}: PermissionRecord): EventData<'permissionRequest'> {
  const kind = kindOf(ask);
  const grant = rememberable(ask);
  const options = optionsOf(ask, kind, grant);
  const standard = kind === 'question' && !ask.defaultsToNo ? (options[0] ?? '') : 'deny';
  return {
    permissionId,
    sessionId,
    kind,
    toolName: ask.toolName,
    ...(ask.toolUseId !== '' && { toolId: ask.toolUseId }),
    toolInput: { ...(ask.plan !== undefined && { plan: ask.plan }), ...ask.input },
    prompt: promptOf(ask, kind),
    options,
    default: standard,
    defaultOption: standard,
    ...(ask.suggestions && { suggestions: ask.suggestions }),
    ...(grant && { remember: rememberOf(grant) }),
    ...(kind === 'question' && { questions: shownQuestions(ask) }),
    ...wordsOf(ask),
    oneTap: !ask.mustBeOpened,
    ...(ask.defaultsToNo && { defaultToNo: true }),
    canRemember: grant !== undefined,
    timeout: 0,
  };
}

function optionsOf(ask: PermissionAsk, kind: Kind, grant: Grant | undefined): string[] {
  if (kind === 'question') return labelsOf(ask);
  if (kind === 'plan') return ['allow', ACCEPT_EDITS, 'deny'];
  if (kind === 'dialog') return [...choicesOf(ask), 'deny'];
  return ['allow', 'deny', ...(grant ? ['always'] : [])];
}

/** What the request says about itself. */
function wordsOf({
  title,
  displayName,
  description,
  reason,
  reasonType,
  agentId,
  mcpServer,
  blockedPath,
}: PermissionAsk) {
  return {
    ...(title !== undefined && { title: shown(title) }),
    ...(displayName !== undefined && { displayName: shown(displayName) }),
    ...(description !== undefined && { description: shown(description) }),
    ...(reason !== undefined && { reason: plainText(reason) }),
    ...(reasonType !== undefined && { reasonType }),
    ...(agentId !== undefined && { agentId }),
    ...(mcpServer !== undefined && { mcpServer: shown(mcpServer) }),
    ...(blockedPath !== undefined && { blockedPath }),
  };
}

/** The response that approves a plan, and lets Claude edit files without asking from then on. */
const ACCEPT_EDITS = 'acceptEdits';

const MAX_SHOWN = 4096;
/** Names are shown in one line, without what could hide or move a part of it. The input itself stays as it is. */
const shown = (text: string): string => plainLine(text, MAX_SHOWN);

const shownQuestions = (ask: PermissionAsk): EventData<'permissionRequest'>['questions'] =>
  questionsOf(ask).map(({ question, header, multiSelect, options }) => ({
    question: shown(question),
    header: shown(header ?? ''),
    multiSelect,
    options: options.map(({ label, description, preview }) => ({
      label: shown(label),
      description: shown(description ?? ''),
      ...(preview !== undefined && { preview: plainText(preview) }),
    })),
  }));

const labelsOf = (ask: PermissionAsk): string[] => questionsOf(ask)[0]?.options.map(({ label }) => shown(label)) ?? [];

function promptOf(ask: PermissionAsk, kind: Kind): string {
  if (kind === 'elicitation') return elicitationPrompt(ask);
  if (kind === 'dialog') return shown(`Claude Code asks: ${ask.title ?? ''}`);
  if (kind === 'question') return shown(questionsOf(ask)[0]?.question ?? '');
  if (kind === 'plan') return 'Claude has a plan. Shall it go ahead?';
  return ask.description ? `Allow ${ask.toolName}: ${shown(ask.description)}?` : `Allow ${ask.toolName}?`;
}

const choicesSchema = z.array(z.object({ value: z.string() })).catch([]);
const choicesOf = ({ input }: PermissionAsk): string[] => choicesSchema.parse(input.choices).map(({ value }) => value);

/** The name of the server first: what follows is its own text. */
function elicitationPrompt({ mcpServer = 'An MCP server', input: { message, host } }: PermissionAsk): string {
  const asks = typeof host === 'string' ? `asks you to open ${host}` : 'asks';
  return shown(`${mcpServer} ${asks}: ${typeof message === 'string' ? message : ''}`);
}

export interface Verdict {
  decision: 'allow' | 'deny';
  /** The answer to the CLI. */
  answer: Record<string, unknown>;
  /** The grant to remember. */
  grant?: Grant;
  /** The permission mode from here on. */
  mode?: string;
}

const ALLOW = new Set(['y', 'yes', 'allow', 'a', 'always']);
const DENY = new Set(['n', 'no', 'deny']);
/** Whether a response means no, unless the request has an option of that name. */
const isDenial = (response: string): boolean => DENY.has(response);

const ALWAYS = new Set(['a', 'always']);

/** Throws `INVALID_REQUEST` for a response that would be remembered. */
export function requireNotLasting(response: string): void {
  if (ALWAYS.has(response)) throw invalid('response', 'must not ask to remember: a notification does not show what');
}

/** Interprets a person's answer. Throws `INVALID_REQUEST` with the unusable field. */
export function judge(ask: PermissionAsk, answer: Answer): Verdict {
  if (ask.kind === 'elicitation') return judgeElicitation(ask, answer);
  return ask.kind === 'dialog' ? judgeDialog(ask, answer) : judgeTool(ask, answer);
}

/** One of its choices; a denial leaves it to the CLI's own default. */
function judgeDialog(ask: PermissionAsk, answer: Answer): Verdict {
  const { response } = answer;
  chosenGrant(ask, answer, response);
  for (const field of ['answers', 'updatedInput'] as const)
    if (answer[field]) throw invalid(field, 'must be absent: a dialog is answered by one of its options');
  if (isDenial(response)) return { decision: 'deny', answer: { behavior: 'cancelled' } };
  if (!choicesOf(ask).includes(response)) throw invalid('response', 'must be one of the options of the request');
  return { decision: 'allow', answer: { behavior: 'completed', result: response } };
}

/** MCP's answers: accept with the values of the form, or decline. */
function judgeElicitation(ask: PermissionAsk, answer: Answer): Verdict {
  const { response, answers, updatedInput } = answer;
  if (isDenial(response)) return { decision: 'deny', answer: { action: 'decline' } };
  if (!ALLOW.has(response)) throw invalid('response', 'must be y, yes, allow, n, no or deny');
  chosenGrant(ask, answer, undefined);
  if (updatedInput) throw invalid('updatedInput', 'must be absent: an elicitation is answered by answers');
  const { mode, schema } = ask.input;
  const content = filledForm(schema, answers);
  return { decision: 'allow', answer: { action: 'accept', ...(mode === 'form' && { content }) } };
}

/**
 * Withdraws a request that no longer needs an answer. `action`: what the MCP server hears, since the CLI waits for
 * an answer nevertheless (2.1.197 to 2.1.332).
 */
export function withdrawElicitation(
  builder: StepBuilder,
  permission: PermissionRecord,
  action: 'accept' | 'cancel',
): void {
  const answer = { action };
  resolvePermission(builder, permission, { decision: 'cancelled', answer });
  builder.effect({ kind: 'answerPermission', requestId: permission.ask.requestId, answer });
}

function judgeTool(ask: PermissionAsk, answer: Answer): Verdict {
  const { response, message } = answer;
  const questions = questionsOf(ask);
  const label =
    questions[0] &&
    chosen(
      questions[0].options.map((option) => option.label),
      response,
    );
  if (label === undefined && isDenial(response)) {
    return { decision: 'deny', answer: { behavior: 'deny', message: message?.trim() ? message : DENIED } };
  }
  const acceptsEdits = kindOf(ask) === 'plan' && response === ACCEPT_EDITS;
  if (label === undefined && !ALLOW.has(response) && !acceptsEdits) {
    throw invalid('response', 'must be y, yes, allow, n, no, deny, a, always or one of the options of the request');
  }
  return allow({ ask, answer, questions, label });
}

/** The text that is meant by its exact or its shown form. */
const chosen = (texts: readonly string[], given: string): string | undefined =>
  texts.find((text) => text === given) ?? texts.find((text) => shown(text) === given);

interface Allowing {
  ask: PermissionAsk;
  answer: Answer;
  questions: Questions;
  /** The chosen option of the first question. */
  label: string | undefined;
}

function allow({ ask, answer, questions, label }: Allowing): Verdict {
  const grant = chosenGrant(ask, answer, label);
  const mode = kindOf(ask) === 'plan' && answer.response === ACCEPT_EDITS ? ACCEPT_EDITS : undefined;
  const input = answer.updatedInput ?? ask.input;
  const updatedInput =
    questions.length > 0 ? { ...input, answers: answersOf(questions, answer.answers, label) } : input;
  const updates = updatesOf(grant ?? { rules: [], directories: [], ...(mode && { mode }) });
  const told = { behavior: 'allow', updatedInput, ...(updates.length > 0 && { updatedPermissions: updates }) };
  return { decision: 'allow', answer: told, ...(grant && { grant }), ...(mode && { mode }) };
}

/** What the answer asks to remember. Throws `INVALID_REQUEST` where that is not offered. */
function chosenGrant(ask: PermissionAsk, answer: Answer, label: string | undefined): Grant | undefined {
  const isAsked = answer.remember || (label === undefined && ALWAYS.has(answer.response));
  const grant = isAsked ? rememberable(ask) : undefined;
  if (isAsked && !grant) {
    const field = answer.remember ? 'remember' : 'response';
    throw invalid(field, 'must not ask to remember where the request does not offer "always"');
  }
  return grant;
}

const DENIED = 'The user does not want this to be done.';

function answersOf(
  questions: Questions,
  answers: Answer['answers'],
  label: string | undefined,
): Record<string, string> {
  const asked = questions.map(({ question }) => question);
  const given: Record<string, string> = label === undefined ? {} : { [asked[0] ?? '']: label };
  for (const [key, answer] of Object.entries(answers ?? {})) {
    const texts = textsOf(key, answer);
    const question = questions.find((one) => one.question === chosen(asked, key));
    if (!question) throw invalid(`answers.${key}`, 'must be one of the questions asked');
    if (texts.length > 1 && !question.multiSelect) throw invalid(`answers.${key}`, 'must be one answer');
    if (texts.length > 0) given[question.question] = texts.map((text) => labelOf(question, text)).join(', ');
  }
  if (Object.keys(given).length === 0)
    throw invalid('answers', 'must answer a question, or response must be an option');
  return given;
}

function textsOf(key: string, answer: Answers[string]): string[] {
  const values = [answer].flat();
  if (!values.every((value) => typeof value === 'string')) throw invalid(`answers.${key}`, 'must be text');
  return values.filter((text) => text.trim() !== '');
}

/** The option that is meant by its exact or its shown form; any other text is an answer of its own. */
const labelOf = ({ options }: Questions[number], text: string): string =>
  chosen(
    options.map(({ label }) => label),
    text,
  ) ?? text;

interface Resolution {
  decision: NonNullable<PermissionRecord['decision']>;
  byDeviceId?: string;
  answer?: Record<string, unknown>;
  grant?: Grant | undefined;
}

/** Decides a permission, once and for all devices. */
export function resolvePermission(builder: StepBuilder, permission: PermissionRecord, resolution: Resolution): void {
  const { permissionId, sessionId } = permission;
  const { grant, ...decided } = resolution;
  const { decision, byDeviceId } = decided;
  builder.putPermission({ ...permission, ...decided });
  builder.event('permissionResolved', {
    permissionId,
    sessionId,
    decision,
    ...(byDeviceId !== undefined && { byDeviceId }),
    ...(grant && { remembered: rememberOf(grant) }),
  });
}

/** Throws `ALREADY_RESOLVED` for an answer to a resolved request. */
export function refuseLateAnswer(
  state: SessionState,
  { permissionId }: Pick<ClientData<'permission'>, 'permissionId'>,
  journal: Pick<Journal, 'findPermission'>,
): void {
  const isOpen = openPermissions(state).some((one) => one.permissionId === permissionId);
  if (permissionId === undefined || isOpen) return;
  const known = journal.findPermission(state.record.sessionId, permissionId);
  if (known) {
    throw new CompanionError('ALREADY_RESOLVED', `The request is already resolved: ${known.decision ?? 'expired'}.`);
  }
}

/** The open request to which an answer refers: the named one, or the oldest. Throws when there is none. */
export function findOpen(open: PermissionRecord[], permissionId: string | undefined): PermissionRecord {
  const found = permissionId === undefined ? open[0] : open.find((one) => one.permissionId === permissionId);
  if (found) return found;
  throw permissionId === undefined
    ? new CompanionError('NOT_FOUND', 'No permission request is open in this session.')
    : new CompanionError('NOT_FOUND', 'There is no such permission request in this session.', {
        field: 'permissionId',
      });
}

// Permission requests too large for memory: the event has the whole request, and is kept until it is answered.

/** The shortened request, and where the whole is. The grant for "always" is not cut. */
export function cutAsk(ask: PermissionAsk, wholeAt: number): PermissionAsk {
  const { suggestions, ...shown } = ask;
  const { truncated: _, ...cut } = JSON.parse(cutData(shown, MAX_EVENT_DATA_BYTES)) as PermissionAsk & {
    truncated: true;
  };
  const { requestId, toolUseId, toolName } = ask;
  return { ...cut, requestId, toolUseId, toolName, wholeAt, ...(suggestions && grantOf(ask) && { suggestions }) };
}

type Reader = Pick<Journal, 'findEvent' | 'blobs'>;

/** The whole request. Rejects with `NOT_FOUND` when it is no longer on the disk, unless it is denied. */
export async function readAsked(
  { ask, sessionId }: PermissionRecord,
  { response }: { response: string },
  journal: Reader,
): Promise<PermissionAsk> {
  const { wholeAt, ...known } = ask;
  if (wholeAt === undefined) return ask;
  const input = await readInput(journal, sessionId, wholeAt);
  if (input === undefined && isDenial(response)) return ask;
  if (input === undefined) {
    throw new CompanionError(
      'NOT_FOUND',
      'The input of this request is missing on the disk; the request can only be denied.',
    );
  }
  if (known.plan !== undefined) delete input.plan;
  return { ...known, input };
}

/** The form shown to clients. Undefined when it is gone. */
async function readInput(
  { findEvent, blobs }: Reader,
  sessionId: SessionId,
  seq: number,
): Promise<Record<string, unknown> | undefined> {
  const event = findEvent(sessionId, seq);
  if (!event?.blob) return undefined;
  try {
    const { toolInput } = JSON.parse((await blobs.read(event.blob)).toString()) as {
      toolInput: Record<string, unknown>;
    };
    return toolInput;
  } catch (error) {
    if (error instanceof CompanionError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
