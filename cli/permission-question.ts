import * as z from 'zod';
import type { ClientInput } from '../protocol/client-frames.js';
import type { EventData } from '../protocol/events.js';
import { plainLine } from '../protocol/plain-text.js';
import { type ReadFile, toolPreview } from './tool-preview.js';

type Request = EventData<'permissionRequest'>;

/** The answer to a request, of a person or by default. */
export type PermissionReply = Pick<ClientInput<'permission'>, 'response' | 'remember' | 'answers' | 'message'>;

/** An accepted key. */
export interface Choice {
  key: string;
  label: string;
  /** The prompt for text once the key is pressed. */
  typed?: string;
}

export interface Question {
  text: string;
  choices: Choice[];
}

/** A pressed key, and the text typed after it. */
export interface Given {
  key: string;
  text?: string;
}

const MAX_CHOICES = 9;

const optionSchema = z.object({ label: z.string(), description: z.string().optional() });
const questionsSchema = z.object({
  questions: z
    .array(z.object({ question: z.string(), multiSelect: z.boolean().optional(), options: z.array(optionSchema) }))
    .min(1),
});
type AskedQuestion = z.infer<typeof questionsSchema>['questions'][number];

/** The questions for a person, one after the other. */
export function questionsOf(request: Request, readFile: ReadFile): Question[] {
  if (request.kind === 'question') return askedQuestions(request).map(toQuestion);
  const more = request.truncated ? '\nParts of it are too long to be shown.' : '';
  const shown = request.kind === 'plan' ? planOf(request, readFile) : toolPreview(request, readFile);
  if (request.kind === 'plan') return [{ text: `${shown}${more}\n${request.prompt}`, choices: [YES, NO, REASON] }];
  const choices = request.options.includes('always') ? [YES, NO, REASON, alwaysOf(request)] : [YES, NO, REASON];
  return [{ text: `${request.prompt}\n${shown}${more}`, choices }];
}

/** The reply for the given keys; `undefined` while they do not answer everything. */
export function replyOf(request: Request, given: readonly Given[]): PermissionReply | undefined {
  const denial = given.find(({ key }) => key === NO.key || key === REASON.key);
  if (denial) return denied(denial.text);
  if (request.kind !== 'question') {
    const [first] = given;
    if (first === undefined) return undefined;
    return first.key === ALWAYS.key ? { response: 'always', remember: true } : { response: 'allow', remember: false };
  }
  const asked = askedQuestions(request);
  if (given.length < asked.length) return undefined;
  return answered(asked.map((question, index) => [question.question, answerOf(question, given[index])]));
}

const denied = (message: string | undefined): PermissionReply => ({
  response: 'deny',
  remember: false,
  ...(message !== undefined && message !== '' && { message }),
});

const NO_TERMINAL =
  'No terminal is there to ask a person, so the answer is no. Run the command in a terminal, or with --yes.';

/** The reply where no person can be asked. A question is answered with its first option when everything is allowed. */
export function standingReply(request: Request, { yes }: { yes: boolean }): PermissionReply {
  if (!yes) return denied(NO_TERMINAL);
  if (request.kind !== 'question') return { response: 'allow', remember: false };
  const asked = askedQuestions(request);
  const first = asked.map(({ question, options }) => [question, options[0]?.label] as const);
  const answers = first.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return answers.length > 0 && answers.length === asked.length ? answered(answers) : denied(NO_TERMINAL);
}

/**
 * The reply for a word: `allow`, `deny` or `always` (also `y`, `n`, `a`, `yes`, `no`), and for a question the number or
 * the name of an option, or any other text as a free answer.
 */
export function replyOfWord(request: Request, word: string, message: string | undefined): PermissionReply | undefined {
  const asked = request.kind === 'question' ? askedQuestions(request) : [];
  const [first] = asked;
  const isLabel = first?.options.some(({ label }) => label === word) ?? false;
  if (!isLabel && DENY_WORDS.has(word.toLowerCase())) return denied(message);
  if (first) return asked.length === 1 ? answered([[first.question, typedAnswer(first, word)]]) : undefined;
  if (ALWAYS_WORDS.has(word.toLowerCase())) return { response: 'always', remember: true };
  return ALLOW_WORDS.has(word.toLowerCase()) ? { response: 'allow', remember: false } : undefined;
}

const ALLOW_WORDS = new Set(['y', 'yes', 'allow']);
const ALWAYS_WORDS = new Set(['a', 'always']);
const DENY_WORDS = new Set(['n', 'no', 'deny']);
export const isReplyWord = (word: string): boolean =>
  [ALLOW_WORDS, ALWAYS_WORDS, DENY_WORDS].some((words) => words.has(word.toLowerCase()));

const YES: Choice = { key: 'y', label: 'yes' };
const NO: Choice = { key: 'n', label: 'no' };
const REASON: Choice = { key: 'r', label: 'no, and tell Claude why', typed: 'Why not?' };
const ALWAYS: Choice = { key: 'a', label: 'always' };
/** With the remembered rule, and its duration. */
const alwaysOf = ({ remember }: Request): Choice =>
  remember ? { ...ALWAYS, label: `always: ${plainLine(remember.text, MAX_REMEMBER)}` } : ALWAYS;
const MAX_REMEMBER = 2000;

const OTHER: Choice = { key: 'o', label: 'another answer', typed: 'Your answer:' };
const SEVERAL: Choice = {
  key: 'o',
  label: 'several of them, or another answer',
  typed: 'Numbers separated by commas, or your own answer:',
};

function askedQuestions({ toolInput, prompt, options }: Request): AskedQuestion[] {
  const parsed = questionsSchema.safeParse(toolInput);
  return parsed.success ? parsed.data.questions : [{ question: prompt, options: options.map((label) => ({ label })) }];
}

const toQuestion = ({ question, options, multiSelect }: AskedQuestion): Question => ({
  text: question,
  choices: [
    ...options.slice(0, MAX_CHOICES).map(({ label, description }, index) => ({
      key: String(index + 1),
      label: description === undefined || description === '' ? label : `${label}: ${description}`,
    })),
    multiSelect ? SEVERAL : OTHER,
    NO,
    REASON,
  ],
});

/** An option by its number, or the typed text. */
function answerOf(question: AskedQuestion, given: Given | undefined): string {
  if (given?.text !== undefined) return typedAnswer(question, given.text);
  return question.options[Number(given?.key) - 1]?.label ?? '';
}

/** Numbers of options select them; everything else is a free answer. */
function typedAnswer({ options, multiSelect }: AskedQuestion, text: string): string {
  const numbers = text.split(multiSelect ? ',' : '\n').map((part) => part.trim());
  const labels = numbers.map((part) => (/^\d+$/.test(part) ? options[Number(part) - 1]?.label : undefined));
  return labels.every((label) => label !== undefined) ? labels.join(', ') : text;
}

/** By text and not by option: an option can equal a word that allows or denies. */
const answered = (answers: readonly (readonly [string, string])[]): PermissionReply => ({
  response: 'allow',
  remember: false,
  answers: Object.fromEntries(answers),
});

function planOf(request: Request, readFile: ReadFile): string {
  const { toolInput } = request;
  const plan = typeof toolInput === 'object' && toolInput !== null && 'plan' in toolInput ? toolInput.plan : undefined;
  return typeof plan === 'string' ? plan : toolPreview(request, readFile);
}
