/** The content of a push, cut to the limit of its carrier. */
import { createHash } from 'node:crypto';
import { cutText, wellFormed } from '../../../protocol/plain-text.js';
import type { PushKind, PushMessage } from '../../ports/push.js';

/** The parts that only the person may read. */
export interface PushContent {
  title: string;
  subtitle: string;
  body: string;
  options?: string[];
  actionTokens?: Record<string, string>;
}

/** Whether it waits for an answer of the person. */
export const isWaiting = (kind: PushKind): boolean => kind === 'permission' || kind === 'question' || kind === 'plan';

/** Opens the app at the event. Undefined for pushes without a session. */
export function deepLink({ sessionId, seq }: PushMessage): string | undefined {
  if (sessionId === undefined) return undefined;
  const link = `claude-companion://session/${encodeURIComponent(sessionId)}`;
  return seq === undefined ? link : `${link}?seq=${seq}`;
}

const SHORT_ID_LENGTH = 32;

/** The collapse id for services that accept at most 32 characters of base64url. */
export const shortCollapseId = (collapseId: string): string =>
  createHash('sha256').update(collapseId).digest('base64url').slice(0, SHORT_ID_LENGTH);

/**
 * Tokens that a carrier can see: the denying one does the least harm, and others are included only if the owner allows
 * it.
 */
export function tokensInClear(
  tokens: PushMessage['actionTokens'],
  actions: 'encrypted' | 'clear',
): Record<string, string> | undefined {
  const kept = Object.entries(tokens ?? {}).filter(([decision]) => actions === 'clear' || decision === 'deny');
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** A shorter body says less than the parts dropped for it. */
const MIN_BODY_BYTES = 64;

interface Fitted {
  content: PushContent;
  /** The omitted parts; undefined when there are none. */
  note: string | undefined;
}

/**
 * The message's content with at most `maxBytes` of JSON: the body is cut first, then the options and the tokens are
 * dropped, and finally subtitle and title are cut.
 */
export function fitContent(message: PushMessage, tokens: Record<string, string> | undefined, maxBytes: number): Fitted {
  const texts = { title: wellFormed(message.title), subtitle: wellFormed(message.subtitle) };
  const body = wellFormed(message.body);
  const options = message.options?.map(wellFormed);
  const full = { ...texts, body, ...(options && { options }), ...(tokens && { actionTokens: tokens }) };
  const steps: { base: PushContent; left: string[] }[] = [
    { base: full, left: [] },
    { base: { ...texts, body, ...(tokens && { actionTokens: tokens }) }, left: ['options'] },
    { base: { ...texts, body }, left: ['options', 'actions'] },
  ];
  for (const { base, left } of steps) {
    const room = maxBytes - sizeOf({ ...base, body: '' });
    if (room < Math.min(jsonBytes(body), MIN_BODY_BYTES)) continue;
    const cut = fitText(body, room);
    return {
      content: { ...base, body: cut },
      note: noteOf(
        left.filter((what) => has(full, what)),
        cut !== body,
      ),
    };
  }
  return { content: fitTitles(texts, maxBytes), note: 'only the title was sent' };
}

const sizeOf = (content: PushContent): number => Buffer.byteLength(JSON.stringify(content));

const has = (content: PushContent, what: string): boolean =>
  what === 'options' ? content.options !== undefined : content.actionTokens !== undefined;

function noteOf(left: string[], wasCut: boolean): string | undefined {
  const notes = [...left.map((what) => `the ${what} were left out`), ...(wasCut ? ['the body was cut'] : [])];
  return notes.length > 0 ? notes.join(', ') : undefined;
}

function fitTitles({ title, subtitle }: { title: string; subtitle: string }, maxBytes: number): PushContent {
  const room = maxBytes - sizeOf({ title: '', subtitle: '', body: '' });
  const fittedTitle = fitText(title, room);
  return { title: fittedTitle, subtitle: fitText(subtitle, room - jsonBytes(fittedTitle)), body: '' };
}

/** Marks the end of a cut text. */
const ELLIPSIS = '…';
const ELLIPSIS_BYTES = Buffer.byteLength(ELLIPSIS);

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Bytes of the text within the quotes of a JSON string. */
export const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/**
 * The text, or its longest prefix of whole graphemes with an ellipsis, that takes at most `maxBytes` within JSON; empty
 * where not even one grapheme fits. The text must be well formed.
 */
export function fitText(text: string, maxBytes: number): string {
  // Each UTF-16 unit takes at least one byte, so later units cannot fit; segmenting them would take time.
  const near = cutText(text, Math.max(0, maxBytes) + 1);
  if (near.length === text.length && jsonBytes(text) <= maxBytes) return text;
  let room = maxBytes - ELLIPSIS_BYTES;
  let end = 0;
  for (const { segment, index } of segmenter.segment(near)) {
    room -= jsonBytes(segment);
    const isTorn = near.length < text.length && index + segment.length === near.length;
    if (room < 0 || isTorn) break;
    end = index + segment.length;
  }
  return end === 0 ? '' : text.slice(0, end) + ELLIPSIS;
}
