/** The questions of an elicitation in the terminal: one for each property of its form, in its order. */
import * as z from 'zod';
import { type FormProperty, type FormValue, problemOf, propertiesOf } from '../protocol/elicitation-form.js';
import type { EventData } from '../protocol/events.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import { type Choice, type Given, NO, type PermissionReply, type Question, YES } from './question.js';

type Request = EventData<'permissionRequest'>;

const inputSchema = z.object({
  message: z.string().catch(''),
  url: z.string().optional().catch(undefined),
  schema: z.unknown().optional(),
  order: z.array(z.string()).catch([]),
});

const inputOf = ({ toolInput }: Request) => inputSchema.safeParse(toolInput).data;

const formOf = (request: Request): FormProperty[] => {
  const input = inputOf(request);
  return input ? propertiesOf(input.schema, input.order) : [];
};

/** A page or a form without properties is one question: whether it is accepted. */
export function elicitationQuestions(request: Request): Question[] {
  const input = inputOf(request);
  const message = plainText(input?.message ?? '');
  const more = request.prompt.endsWith(message) ? '' : `\n${message}`;
  const page = input?.url === undefined ? '' : `\nOpen it in a browser yourself: ${plainLine(input.url)}`;
  const head = `${request.prompt}${more}${page}`;
  const [first, ...others] = formOf(request).map(toQuestion);
  if (!first) return [{ text: head, choices: [YES, NO] }];
  return [{ ...first, text: `${head}\n\n${first.text}` }, ...others];
}

/** The reply for the given keys; `undefined` while they do not answer everything. */
export function elicitationReply(request: Request, given: readonly Given[]): PermissionReply | undefined {
  if (given.some(({ key }) => key === NO.key)) return { response: 'deny', remember: false };
  const properties = formOf(request);
  if (given.length < Math.max(1, properties.length)) return undefined;
  const values = properties.map((property, index) => [property.name, answerOf(property, given[index])] as const);
  const answers = values.filter((entry): entry is [string, FormValue] => entry[1] !== undefined);
  return {
    response: 'allow',
    remember: false,
    ...(properties.length > 0 && { answers: Object.fromEntries(answers) }),
  };
}

const MAX_KEYS = 9;
const SKIP: Choice = { key: 's', label: 'leave it out' };
const DEFAULT_KEY = 'd';
const TRUTH = [
  { value: 'true', title: 'yes' },
  { value: 'false', title: 'no' },
];

const optionsOf = ({ choices, rules }: FormProperty) => (rules.type === 'boolean' ? TRUTH : (choices ?? []));

/** Few options have keys of their own; of more, and of several, the numbers are typed. */
const hasKeys = (property: FormProperty): boolean => {
  const { length } = optionsOf(property);
  return property.rules.type !== 'array' && length > 0 && length <= MAX_KEYS;
};

function toQuestion(property: FormProperty): Question {
  const { name, isRequired, rules } = property;
  const { title = name, description, default: usual } = rules;
  const options = optionsOf(property);
  const listed = hasKeys(property) ? [] : options.map((one, index) => `\n  ${index + 1}  ${plainLine(one.title)}`);
  return {
    text: `${plainLine(title)}${description === undefined ? '' : `\n${plainText(description)}`}${listed.join('')}`,
    choices: [
      ...(hasKeys(property) ? options.map((one, index) => ({ key: `${index + 1}`, label: plainLine(one.title) })) : []),
      ...(hasKeys(property) ? [] : [typedChoice(property)]),
      ...(usual === undefined ? [] : [{ key: DEFAULT_KEY, label: `default: ${plainLine(String(usual))}` }]),
      ...(isRequired ? [] : [SKIP]),
      { ...NO, label: 'answer nothing' },
    ],
  };
}

function typedChoice(property: FormProperty): Choice {
  const isListed = optionsOf(property).length > 0;
  const typed = isListed ? 'Its number:' : 'Your answer:';
  return {
    key: 'o',
    label: isListed ? 'choose' : 'answer',
    typed:
      property.rules.type === 'array' ? (isListed ? 'Numbers separated by commas:' : 'Separated by commas:') : typed,
    problemOf: (text) => problemOf(property, typedValue(property, text)),
  };
}

/** Undefined: it is left out. */
function answerOf(property: FormProperty, given: Given | undefined): FormValue | undefined {
  if (given === undefined || given.key === SKIP.key) return undefined;
  if (given.key === DEFAULT_KEY) return property.rules.default;
  if (given.text !== undefined) return typedValue(property, given.text);
  const value = optionsOf(property)[Number(given.key) - 1]?.value;
  return property.rules.type === 'boolean' ? value === 'true' : value;
}

function typedValue(property: FormProperty, text: string): FormValue {
  const { type } = property.rules;
  // What is no number stays text, which does not fit.
  if (type === 'number' || type === 'integer')
    return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  const options = optionsOf(property);
  const meant = (part: string): string => (/^\d+$/.test(part) ? options[Number(part) - 1]?.value : undefined) ?? part;
  return type === 'array' ? text.split(',').map((part) => meant(part.trim())) : meant(text);
}
