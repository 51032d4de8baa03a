/** Permission requests, questions and plans: how they are asked and how answers are interpreted. */
import * as z from 'zod';
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { EventData } from '../../protocol/events.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { Journal } from '../ports/journal.js';
import type { PermissionAsk, PermissionRecord } from '../ports/records.js';
import { type Grant, grantOf, updatesOf } from './remembered-grants.js';
import { rememberOf } from './remembered-words.js';
import { openPermissions, type SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

type Answer = Omit<ClientData<'permission'>, 'sessionId' | 'permissionId'>;

const questionsSchema = z.object({
  questions: z.array(z.object({ question: z.string(), options: z.array(z.object({ label: z.string() })).default([]) })),
});
type Questions = z.infer<typeof questionsSchema>['questions'];

const questionsOf = ({ toolName, input }: PermissionAsk): Questions => {
  if (toolName !== 'AskUserQuestion') return [];
  const parsed = questionsSchema.safeParse(input);
  return parsed.success ? parsed.data.questions : [];
};

function kindOf(ask: PermissionAsk): 'tool' | 'question' | 'plan' {
  if (ask.toolName === 'ExitPlanMode') return 'plan';
  return questionsOf(ask).length > 0 ? 'question' : 'tool';
}

/** The grant that "always" would remember; undefined when it is not offered. */
const rememberable = (ask: PermissionAsk): Grant | undefined => (kindOf(ask) === 'tool' ? grantOf(ask) : undefined);

/** The event with the request. */
export function permissionRequestOf({
  permissionId,
  sessionId,
  ask,
}: PermissionRecord): EventData<'permissionRequest'> {
  const kind = kindOf(ask);
  const grant = rememberable(ask);
  const options = kind === 'question' ? labelsOf(ask) : ['allow', 'deny', ...(grant ? ['always'] : [])];
  const standard = kind === 'question' ? (options[0] ?? '') : 'deny';
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
    ...(ask.reason !== undefined && { reason: ask.reason }),
    ...(ask.blockedPath !== undefined && { blockedPath: ask.blockedPath }),
    timeout: 0,
  };
}

const MAX_SHOWN = 4096;
/** Names are shown in one line, without what could hide or move a part of it. The input itself stays as it is. */
const shown = (text: string): string => plainLine(text, MAX_SHOWN);

const labelsOf = (ask: PermissionAsk): string[] => questionsOf(ask)[0]?.options.map(({ label }) => shown(label)) ?? [];

function promptOf(ask: PermissionAsk, kind: ReturnType<typeof kindOf>): string {
  if (kind === 'question') return shown(questionsOf(ask)[0]?.question ?? '');
  if (kind === 'plan') return 'Claude has a plan. Shall it go ahead?';
  return ask.description ? `Allow ${ask.toolName}: ${shown(ask.description)}?` : `Allow ${ask.toolName}?`;
}

export interface Verdict {
  decision: 'allow' | 'deny';
  /** The answer to the CLI. */
  answer: Record<string, unknown>;
  /** The grant to remember. */
  grant?: Grant;
}

const ALLOW = new Set(['y', 'yes', 'allow', 'a', 'always']);
const DENY = new Set(['n', 'no', 'deny']);
/** Whether a response means no, unless the request has an option of that name. */
export const isDenial = (response: string): boolean => DENY.has(response);

const ALWAYS = new Set(['a', 'always']);

/** Interprets a person's answer. Throws `INVALID_REQUEST` with the unusable field. */
export function judge(ask: PermissionAsk, answer: Answer): Verdict {
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
  if (label === undefined && !ALLOW.has(response)) {
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
  const remember = answer.remember || (label === undefined && ALWAYS.has(answer.response));
  const grant = remember ? rememberable(ask) : undefined;
  if (remember && !grant) {
    const field = answer.remember ? 'remember' : 'response';
    throw invalid(field, 'must not ask to remember where the request does not offer "always"');
  }
  const input = answer.updatedInput ?? ask.input;
  const updatedInput =
    questions.length > 0 ? { ...input, answers: answersOf(questions, answer.answers, label) } : input;
  const updatedPermissions = grant && { updatedPermissions: updatesOf(grant) };
  const told = { behavior: 'allow', updatedInput, ...updatedPermissions };
  return { decision: 'allow', answer: told, ...(grant && { grant }) };
}

const DENIED = 'The user does not want this to be done.';

function answersOf(
  questions: Questions,
  answers: Answer['answers'],
  label: string | undefined,
): Record<string, string> {
  const asked = questions.map(({ question }) => question);
  const given: Record<string, string> = label === undefined ? {} : { [asked[0] ?? '']: label };
  for (const [key, text] of Object.entries(answers ?? {})) {
    if (text.trim() === '') continue;
    const question = chosen(asked, key);
    if (question === undefined) throw invalid(`answers.${key}`, 'must be one of the questions asked');
    given[question] = text;
  }
  if (Object.keys(given).length === 0)
    throw invalid('answers', 'must answer a question, or response must be an option');
  return given;
}

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

/** Rejects an answer to a resolved request: `ALREADY_RESOLVED`. */
export async function refuseLateAnswer(
  state: SessionState,
  { permissionId }: Pick<ClientData<'permission'>, 'permissionId'>,
  journal: Pick<Journal, 'findPermission'>,
): Promise<void> {
  const isOpen = openPermissions(state).some((one) => one.permissionId === permissionId);
  if (permissionId === undefined || isOpen) return;
  const known = await journal.findPermission(state.record.sessionId, permissionId);
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
