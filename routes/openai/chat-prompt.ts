/** What Claude is given of the messages of a request. */
import { invalid } from '../../protocol/error-codes.js';
import type { ChatMessage } from '../../protocol/openai.js';

/** The field of the messages in the request. */
export type MessagesField = 'messages' | 'input';

export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image'; mediaType: string /** Base64. */; data: string };

export interface ChatPrompt {
  /** The messages of the system, in their order. */
  system?: string;
  parts: ChatPart[];
}

/** For a session, which knows the conversation: what was said since the last message of the assistant. */
export function continuedPrompt(messages: readonly ChatMessage[], field: MessagesField = 'messages'): ChatPrompt {
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  const said = messages.slice(last + 1).filter(({ role }) => role === 'user');
  return { ...systemOf(messages, field), parts: requireSome(said.flatMap(partsOf), field) };
}

/** For a CLI that knows nothing yet: the conversation before the last message of the assistant is told to it. */
export function wholePrompt(messages: readonly ChatMessage[], field: MessagesField = 'messages'): ChatPrompt {
  const said = messages.filter(({ role }) => role === 'user' || role === 'assistant');
  const last = said.findLastIndex(({ role }) => role === 'assistant');
  const asked = requireSome(said.slice(last + 1).flatMap(partsOf), field);
  const told = said.slice(0, last + 1).flatMap(toldMessage);
  const before = told.length === 0 ? [] : [textPart('<conversation>\n'), ...told, textPart('</conversation>\n\n')];
  return { ...systemOf(messages, field), parts: joined([...before, ...asked]) };
}

const textPart = (text: string): ChatPart => ({ type: 'text', text });

const toldMessage = (message: ChatMessage): ChatPart[] => [
  textPart(`<${message.role}>\n`),
  ...partsOf(message),
  textPart(`\n</${message.role}>\n`),
];

function partsOf({ content }: ChatMessage): ChatPart[] {
  if (typeof content === 'string') return content === '' ? [] : [textPart(content)];
  return (content ?? []).flatMap((part) =>
    part.type === 'text' ? textPart(part.text) : imagePart(part.image_url.url),
  );
}

function imagePart(url: string): ChatPart {
  const [head = '', data = ''] = url.split(',', 2);
  return { type: 'image', mediaType: head.slice('data:'.length, head.indexOf(';')), data };
}

function systemOf(messages: readonly ChatMessage[], field: MessagesField): Pick<ChatPrompt, 'system'> {
  const parts = messages.filter(({ role }) => role === 'system' || role === 'developer').flatMap(partsOf);
  if (parts.some(({ type }) => type === 'image')) throw invalid(field, 'must have no image of the system');
  const system = textOf(parts);
  return system === '' ? {} : { system };
}

function requireSome(parts: ChatPart[], field: MessagesField): ChatPart[] {
  if (parts.some((part) => part.type === 'image' || part.text.trim() !== '')) return parts;
  throw invalid(field, 'must end with a message of the user that is not empty');
}

/** Texts without an image between them are one. */
function joined(parts: readonly ChatPart[]): ChatPart[] {
  const all: ChatPart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (part.type === 'text' && last?.type === 'text') last.text += part.text;
    else all.push({ ...part });
  }
  return all;
}

/** All text of a prompt; messages are apart from each other. */
export const textOf = (parts: readonly ChatPart[]): string =>
  parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');

/** The images of a prompt, as a session takes them. */
export const attachmentsOf = (parts: readonly ChatPart[]) =>
  parts.flatMap((part) =>
    part.type === 'image' ? [{ mediaType: part.mediaType as 'image/png', data: part.data }] : [],
  );
