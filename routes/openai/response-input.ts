/** What Claude is given of a request for a response. */
import type { ChatMessage } from '../../protocol/openai.js';
import type { InputMessage, ResponseRequest } from '../../protocol/responses.js';
import type { AskedResponse } from '../../services/commands/responses.js';
import { DEFAULT_MODEL } from './ask-claude.js';
import { type ChatPrompt, continuedPrompt, wholePrompt } from './chat-prompt.js';

/** Of a conversation that Claude knows, what was said since the last message of the assistant. */
export function promptOf({ input, instructions }: ResponseRequest, isContinued: boolean): ChatPrompt {
  const said: ChatMessage[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input.map(messageOf);
  const messages = instructions ? [{ role: 'system' as const, content: instructions }, ...said] : said;
  return isContinued ? continuedPrompt(messages, 'input') : wholePrompt(messages, 'input');
}

function messageOf({ role, content }: InputMessage): ChatMessage {
  if (typeof content === 'string') return { role, content };
  return {
    role,
    content: content.map((part) =>
      part.type === 'input_image'
        ? { type: 'image_url', image_url: { url: part.image_url } }
        : { type: 'text', text: part.text },
    ),
  };
}

/** Of instructions that are told again, in UTF-16 units. */
const MAX_TOLD = 8192;

/** What the response repeats of its request. */
export function askedOf({ model = DEFAULT_MODEL, ...request }: ResponseRequest): AskedResponse {
  const { background, metadata, instructions, previous_response_id: previous } = request;
  return {
    model,
    background: background ?? false,
    metadata: metadata ?? {},
    ...(instructions && instructions.length <= MAX_TOLD && { instructions }),
    ...(previous && { previous }),
  };
}
