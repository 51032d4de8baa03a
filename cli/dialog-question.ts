/** A dialog of the CLI in the terminal. */
import * as z from 'zod';
import type { EventData } from '../protocol/events.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import { type Given, NO, type PermissionReply, type Question } from './question.js';

type Request = EventData<'permissionRequest'>;

const inputSchema = z.object({
  message: z.string().catch(''),
  choices: z.array(z.object({ value: z.string(), label: z.string() })).catch([]),
});

const inputOf = ({ toolInput }: Request): z.infer<typeof inputSchema> =>
  inputSchema.safeParse(toolInput).data ?? { message: '', choices: [] };

export function dialogQuestion(request: Request): Question {
  const { message, choices } = inputOf(request);
  return {
    text: `${request.prompt}\n${plainText(message)}`,
    choices: [
      ...choices.map(({ label }, index) => ({ key: String(index + 1), label: plainLine(label) })),
      { ...NO, label: 'none of these' },
    ],
    standard: NO.key,
  };
}

/** The reply for the first given key. */
export function dialogReply(request: Request, [given]: readonly Given[]): PermissionReply | undefined {
  const response = given?.key === NO.key ? 'deny' : inputOf(request).choices[Number(given?.key) - 1]?.value;
  return response === undefined ? undefined : { response, remember: false };
}
