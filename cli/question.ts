/** A question to a person in the terminal, and the keys that answer it. */
import type { ClientInput } from '../protocol/client-frames.js';

/** The answer to a request, of a person or by default. */
export type PermissionReply = Pick<ClientInput<'permission'>, 'response' | 'remember' | 'answers' | 'message'>;

/** An accepted key. */
export interface Choice {
  key: string;
  label: string;
  /** The prompt for text once the key is pressed. */
  typed?: string;
  /** Why the typed text cannot be taken. */
  problemOf?: (text: string) => string | undefined;
}

export interface Question {
  text: string;
  choices: Choice[];
  /** The key that Enter stands for. */
  standard?: string;
}

/** A pressed key, and the text typed after it. */
export interface Given {
  key: string;
  text?: string;
}

export const YES: Choice = { key: 'y', label: 'yes' };
const WORD = 'yes';
/** A choice that its key alone must not make. */
export const confirmed = (choice: Choice): Choice => ({
  ...choice,
  typed: `Type ${WORD} to allow it:`,
  problemOf: (text) => (text.toLowerCase() === WORD ? undefined : `must be ${WORD}`),
});
export const NO: Choice = { key: 'n', label: 'no' };
