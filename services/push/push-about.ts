/** The subject of a push as stored in its outbox row: only the data that its message needs. */
import { cutText } from '../../protocol/cut-text.js';
import type { EventData } from '../../protocol/events.js';
import type { Concern, WaitingConcern } from './concerns.js';
import type { OwedResult } from './push-digest.js';

export type About =
  | { what: 'concern'; concern: Concern }
  | { what: 'digest'; results: readonly OwedResult[] }
  | {
      what: 'withdrawal';
      concern: WaitingConcern;
      project: string;
      decision: EventData<'permissionResolved'>['decision'];
    }
  /** A device was signed out because its credential was copied. */
  | { what: 'security'; deviceName: string }
  | { what: 'test' };

const MAX_TEXT = 4096;
const MAX_FIELDS = 20;

export const writeAbout = (about: About): string => JSON.stringify(shortened(about));

export const readAbout = (text: string): About => JSON.parse(text) as About;

function shortened(about: About): About {
  if (about.what === 'concern') return { ...about, concern: shortConcern(about.concern) };
  if (about.what === 'withdrawal') return { ...about, concern: shortRequest(about.concern) };
  if (about.what === 'digest') {
    return { ...about, results: about.results.map((result) => ({ ...result, concern: wordless(result.concern) })) };
  }
  return about;
}

function shortConcern(concern: Concern): Concern {
  if ('request' in concern) return shortRequest(concern);
  if (!('turn' in concern)) return { ...concern, message: cutText(concern.message, MAX_TEXT) };
  return { ...concern, turn: { ...concern.turn, finalResult: cutText(concern.turn.finalResult, MAX_TEXT) } };
}

/** A digest contains only the names of its projects. */
const wordless = (concern: OwedResult['concern']): OwedResult['concern'] =>
  'turn' in concern ? { ...concern, turn: { ...concern.turn, finalResult: '' } } : { ...concern, message: '' };

function shortRequest(concern: WaitingConcern): WaitingConcern {
  const { suggestions: _, ...request } = concern.request;
  const input = typeof request.toolInput === 'object' && request.toolInput !== null ? request.toolInput : {};
  const texts = Object.entries(input)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    .slice(0, MAX_FIELDS)
    .map(([name, text]) => [name, cutText(text, MAX_TEXT)]);
  const short = { ...request, toolInput: Object.fromEntries(texts), prompt: cutText(request.prompt, MAX_TEXT) };
  return { ...concern, request: short };
}
