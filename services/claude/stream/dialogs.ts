/**
 * The dialogs of the CLI that this daemon shows. Of the others that a host can declare (2.1.332), those about money and
 * billing (`fable_overage_consent_prompt`, `auto_mode_server_fallback`) belong to a terminal, where all of their terms
 * are shown, and those that turn on a feature of claude.ai need a host that can do so.
 */
import * as z from 'zod';
import { shownText } from './cli-lines.js';

/** A dialog in words: what it says, and its choices with their values in the CLI's terms. */
export interface Dialog {
  title: string;
  message: string;
  choices: { value: string; label: string }[];
}

const text = shownText.optional().catch(undefined);
const refusalSchema = z.object({
  originalModel: text,
  fallbackModel: text,
  guidanceText: text,
  servedNotice: z.object({ text }).optional().catch(undefined),
});

/** The CLI shows it instead of switching by itself where the person has set `switchModelsOnFlag` to false. */
function refusalFallback(payload: Record<string, unknown>): Dialog {
  const { originalModel = 'The model', fallbackModel = 'another model', ...more } = refusalSchema.parse(payload);
  const notice =
    more.servedNotice?.text ??
    `The safeguards of ${originalModel} stopped its answer. This sometimes happens with safe, normal conversations.`;
  return {
    title: `${originalModel} does not answer this`,
    message: [notice, more.guidanceText].filter((part) => part !== undefined).join('\n\n'),
    choices: [
      { value: 'retry_fallback', label: `Continue with ${fallbackModel}` },
      { value: 'edit_prompt', label: 'End the turn, to edit the prompt' },
    ],
  };
}

const DIALOGS: ReadonlyMap<string, (payload: Record<string, unknown>) => Dialog> = new Map([
  ['refusal_fallback_prompt', refusalFallback],
]);

/** What the daemon declares: the CLI asks for no others. */
export const DIALOG_KINDS = [...DIALOGS.keys()];

/** Undefined for a kind that was not declared. */
export const dialogOf = (kind: string, payload: Record<string, unknown>): Dialog | undefined =>
  DIALOGS.get(kind)?.(payload);
