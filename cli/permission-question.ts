import * as z from 'zod';
import type { ClientInput } from '../protocol/client-frames.js';
import type { EventData } from '../protocol/events.js';
import { plainLine } from '../protocol/plain-text.js';
import { tellingField } from './tool-line.js';

type Request = EventData<'permissionRequest'>;

/** What a person, or what stands for one, says to a request. */
export type PermissionReply = Pick<ClientInput<'permission'>, 'response' | 'remember' | 'answers' | 'message'>;

export interface Question {
  text: string;
  /** Keys and what each of them means. */
  choices: { key: string; label: string }[];
}

const MAX_SHOWN = 8_000;
const MAX_CHOICES = 9;

const questionsSchema = z.object({
  questions: z.array(z.object({ question: z.string(), options: z.array(z.object({ label: z.string() })) })).min(1),
});

/** What a person has to be asked, one question after the other. */
export function questionsOf(request: Request): Question[] {
  if (request.kind === 'question') return askedQuestions(request).map(toQuestion);
  if (request.kind === 'plan') return [{ text: `${planOf(request)}\n${request.prompt}`, choices: [YES, NO] }];
  const choices = request.options.includes('always') ? [YES, NO, alwaysOf(request)] : [YES, NO];
  return [{ text: `${request.prompt}\n${shownInput(request.toolInput)}`, choices }];
}

/** The reply that the keys mean; `undefined` while they do not answer everything. */
export function replyOf(request: Request, keys: readonly string[]): PermissionReply | undefined {
  if (keys.includes(NO.key)) return { response: 'deny', remember: false };
  if (request.kind !== 'question') {
    const [key] = keys;
    if (key === undefined) return undefined;
    return key === ALWAYS.key ? { response: 'always', remember: true } : { response: 'allow', remember: false };
  }
  const asked = askedQuestions(request);
  if (keys.length < asked.length) return undefined;
  return answered(asked, (index) => Number(keys[index]) - 1);
}

const NOBODY =
  'Nobody is at the terminal to be asked, so the answer is no. Run the command in a terminal, or with --yes.';

/** The reply where nobody can be asked. A question is answered with its first option when everything is allowed. */
export function standingReply(request: Request, { yes }: { yes: boolean }): PermissionReply {
  if (!yes) return { response: 'deny', remember: false, message: NOBODY };
  if (request.kind !== 'question') return { response: 'allow', remember: false };
  const asked = askedQuestions(request);
  const isAnswerable = asked.length > 0 && asked.every(({ options }) => options.length > 0);
  return isAnswerable ? answered(asked, () => 0) : { response: 'deny', remember: false, message: NOBODY };
}

const YES = { key: 'y', label: 'yes' };
const NO = { key: 'n', label: 'no' };
const ALWAYS = { key: 'a', label: 'always' };

/** With what it remembers, and for how long. */
const alwaysOf = ({ remember }: Request) =>
  remember ? { ...ALWAYS, label: `always: ${plainLine(remember.text, MAX_REMEMBER)}` } : ALWAYS;
const MAX_REMEMBER = 2000;

interface AskedQuestion {
  question: string;
  options: { label: string }[];
}

function askedQuestions({ toolInput, prompt, options }: Request): AskedQuestion[] {
  const parsed = questionsSchema.safeParse(toolInput);
  return parsed.success ? parsed.data.questions : [{ question: prompt, options: options.map((label) => ({ label })) }];
}

const toQuestion = ({ question, options }: AskedQuestion): Question => ({
  text: question,
  choices: [...options.slice(0, MAX_CHOICES).map(({ label }, index) => ({ key: String(index + 1), label })), NO],
});

function answered(asked: readonly AskedQuestion[], choose: (index: number) => number): PermissionReply {
  const labels = asked.map(({ options }, index) => options[choose(index)]?.label ?? '');
  const answers = Object.fromEntries(asked.map(({ question }, index) => [question, labels[index] ?? '']));
  return { response: labels[0] ?? '', remember: false, answers };
}

function planOf({ toolInput }: Request): string {
  const plan = typeof toolInput === 'object' && toolInput !== null && 'plan' in toolInput ? toolInput.plan : undefined;
  return typeof plan === 'string' ? plan : shownInput(toolInput);
}

/** Everything that is about to be allowed, as far as a screen can show it. */
function shownInput(input: unknown): string {
  const fields = typeof input === 'object' && input !== null ? Object.keys(input).length : 0;
  const telling = tellingField(input);
  const text = fields === 1 && telling !== '' ? telling : JSON.stringify(input, null, 2);
  if (text.length <= MAX_SHOWN) return text;
  return `${text.slice(0, MAX_SHOWN)}\n… ${text.length - MAX_SHOWN} characters more are not shown.`;
}
