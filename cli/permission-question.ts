import * as z from 'zod';
import type { EventData } from '../protocol/events.js';
import { plainLine } from '../protocol/plain-text.js';
import { dialogQuestion, dialogReply } from './dialog-question.js';
import { elicitationQuestions, elicitationReply } from './elicitation-question.js';
import { type Choice, confirmed, type Given, NO, type PermissionReply, type Question, YES } from './question.js';
import { type ReadFile, toolPreview } from './tool-preview.js';

type Request = EventData<'permissionRequest'>;

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
  if (request.kind === 'elicitation') return elicitationQuestions(request);
  if (request.kind === 'dialog') return [dialogQuestion(request)];
  if (request.kind === 'question')
    return askedQuestions(request).map((asked) => ({ ...toQuestion(asked, request), ...standardOf(request) }));
  const more = request.truncated ? '\nParts of it are too long to be shown.' : '';
  const isPlan = request.kind === 'plan';
  const shown = isPlan ? planOf(request, readFile) : toolPreview(request, readFile);
  const text = isPlan ? `${shown}${more}\n${request.prompt}` : `${request.prompt}\n${shown}${more}`;
  return [{ text, choices: choicesOf(request), ...standardOf(request) }];
}

function choicesOf(request: Request): Choice[] {
  const { options } = request;
  return [
    allowing(YES, request),
    ...(options.includes(ACCEPT_EDITS.response) ? [allowing(ACCEPT_EDITS, request)] : []),
    NO,
    REASON,
    ...(options.includes('always') ? [allowing(alwaysOf(request), request)] : []),
  ];
}

const allowing = (choice: Choice, { defaultToNo }: Request): Choice => (defaultToNo ? confirmed(choice) : choice);

/** Enter declines where that is the default, and allows nothing. */
const standardOf = ({ default: standard }: Request): Pick<Question, 'standard'> =>
  standard === 'deny' ? { standard: NO.key } : {};

/** The reply for the given keys; `undefined` while they do not answer everything. */
export function replyOf(request: Request, given: readonly Given[]): PermissionReply | undefined {
  if (request.kind === 'elicitation') return elicitationReply(request, given);
  if (request.kind === 'dialog') return dialogReply(request, given);
  const denial = given.find(({ key }) => key === NO.key || key === REASON.key);
  if (denial) return denied(denial.text);
  if (request.kind !== 'question') return given[0] && replyOfKey(given[0]);
  const asked = askedQuestions(request);
  if (given.length < asked.length) return undefined;
  return answered(asked.map((question, index) => [question.question, answerOf(question, given[index])]));
}

function replyOfKey({ key }: Given): PermissionReply {
  if (key === ALWAYS.key) return { response: 'always', remember: true };
  return { response: key === ACCEPT_EDITS.key ? ACCEPT_EDITS.response : 'allow', remember: false };
}

const denied = (message: string | undefined): PermissionReply => ({
  response: 'deny',
  remember: false,
  ...(message !== undefined && message !== '' && { message }),
});

const NO_TERMINAL =
  'No terminal is there to ask a person, so the answer is no. Run the command in a terminal, or with --yes.';

const NO_PERSON = 'A person must look at this, and none is at this terminal, so the answer is no.';

/** What an MCP server or the CLI itself asks, and a tool that no single tap may allow: `--yes` does not answer it. */
export const needsPerson = ({ kind, oneTap }: Request): boolean =>
  kind === 'elicitation' || kind === 'dialog' || (kind === 'tool' && oneTap === false);

/** The reply where no person can be asked. A question is answered with its first option when everything is allowed. */
export function standingReply(request: Request, { yes }: { yes: boolean }): PermissionReply {
  if (!yes) return denied(NO_TERMINAL);
  if (needsPerson(request)) return denied(NO_PERSON);
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
  if (isOption(request, word)) return { response: word, remember: false };
  const isLabel = first?.options.some(({ label }) => label === word) ?? false;
  if (!isLabel && DENY_WORDS.has(word.toLowerCase())) return denied(message);
  if (first) return asked.length === 1 ? answered([[first.question, typedAnswer(first, word)]]) : undefined;
  if (ALWAYS_WORDS.has(word.toLowerCase())) return { response: 'always', remember: true };
  return ALLOW_WORDS.has(word.toLowerCase()) ? { response: 'allow', remember: false } : undefined;
}

/** An option that only requests of this kind have. */
const isOption = ({ kind, options }: Request, word: string): boolean =>
  options.includes(word) && (kind === 'dialog' || (kind === 'plan' && word === ACCEPT_EDITS.response));

const ALLOW_WORDS = new Set(['y', 'yes', 'allow']);
const ALWAYS_WORDS = new Set(['a', 'always']);
const DENY_WORDS = new Set(['n', 'no', 'deny']);
export const isReplyWord = (word: string): boolean =>
  [ALLOW_WORDS, ALWAYS_WORDS, DENY_WORDS].some((words) => words.has(word.toLowerCase()));

const ACCEPT_EDITS = { key: 'e', label: 'yes, and edit files without asking', response: 'acceptEdits' };
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

const toQuestion = ({ question, options, multiSelect }: AskedQuestion, request: Request): Question => ({
  text: question,
  choices: [
    ...options.slice(0, MAX_CHOICES).map(({ label, description }, index) => {
      const shown = description === undefined || description === '' ? label : `${label}: ${description}`;
      return allowing({ key: String(index + 1), label: shown }, request);
    }),
    multiSelect ? SEVERAL : OTHER,
    NO,
    REASON,
  ],
});

/** An option by its number, or the typed text. */
function answerOf(question: AskedQuestion, given: Given | undefined): string {
  const option = question.options[Number(given?.key) - 1];
  return option?.label ?? typedAnswer(question, given?.text ?? '');
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
