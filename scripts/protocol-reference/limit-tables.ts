/** The limits, with the numbers of the code. */
import { settingsSchema } from '../../config/settings.js';
import * as limits from '../../protocol/limits.js';
import { tableOf } from './field-table.js';
import { grouped, presenceOf, sizeOf } from './schema-rules.js';

const both = ({ ofPerson, inAll }: { ofPerson: number; inAll: number }): string =>
  `${sizeOf(ofPerson)}, ${sizeOf(inAll)}`;
const questions = (whose: 'ofPerson' | 'inAll'): string =>
  `${limits.MAX_QUESTIONS[whose]} or ${sizeOf(limits.MAX_QUESTION_BYTES[whose])}`;

const SIZES = [
  ['a frame from a client', sizeOf(limits.MAX_CLIENT_FRAME_BYTES), 'close 1009'],
  [
    'its part outside strings (brackets, commas, numbers, space, quotes), also of a REST body',
    `${grouped(limits.MAX_CLIENT_FRAME_OUTSIDE_STRINGS)} characters`,
    '`INVALID_REQUEST`, and it is not parsed',
  ],
  ['the text of a prompt', sizeOf(limits.MAX_PROMPT_BYTES), '`PAYLOAD_TOO_LARGE`'],
  [
    'the attachments of a prompt, decoded',
    `${sizeOf(limits.MAX_ATTACHMENTS_BYTES)}, ${limits.MAX_ATTACHMENTS} of them`,
    '`PAYLOAD_TOO_LARGE`, `INVALID_REQUEST`',
  ],
  [
    'waiting attachments and long texts: of a session, of a person, in all',
    '512 MiB, 1 GiB, 2 GiB ([settings](README.md#settings))',
    '`CAPACITY`',
  ],
  [
    'any other text; `updatedInput`, `answers` and other objects as JSON',
    sizeOf(limits.MAX_FIELD_BYTES),
    '`PAYLOAD_TOO_LARGE`',
  ],
  ['an object whose contents the client defines', `${limits.MAX_JSON_DEPTH} levels deep`, '`INVALID_REQUEST`'],
  ['a list', `${grouped(limits.MAX_LIST)} items, tool rules ${limits.MAX_TOOL_RULES}`, '`INVALID_REQUEST`'],
  [
    'a file that is read, a file that is written (decoded)',
    `${sizeOf(limits.MAX_FILE_READ_BYTES)}, ${sizeOf(limits.MAX_FILE_WRITE_BYTES)}`,
    '`PAYLOAD_TOO_LARGE`',
  ],
  [
    'REST bodies in transit: of a person, in all; a single body may be larger. A file or an event that is read counts as 256 KiB',
    both(limits.MAX_BODIES_BYTES),
    '`RATE_LIMITED` with `retryAfterMs`',
  ],
  [
    'questions (`ask` without a directory) that run or wait: of a person, in all',
    `${questions('ofPerson')}, ${questions('inAll')}`,
    '`CAPACITY`',
  ],
  [
    'a list of files',
    `${grouped(limits.MAX_LISTED_FILES)}, and ${grouped(limits.MAX_LOOKED_AT_FILES)} examined`,
    '`truncated: true`',
  ],
  ['an event frame', sizeOf(limits.MAX_EVENT_FRAME_BYTES), 'long strings lose their middle, `truncated: true`'],
  ['`finalResult`', `its last ${sizeOf(limits.MAX_FINAL_RESULT_BYTES)}`, '`truncated: true`'],
  ['a page of history', sizeOf(limits.MAX_HISTORY_PAGE_BYTES), 'fewer messages'],
];

export const sizeTable = (): string => tableOf(['what', 'at most', 'otherwise'], SIZES);

type LimitSetting = Extract<keyof typeof settingsSchema.shape, `LIMIT_${string}`>;
const defaultOf = (setting: LimitSetting): string =>
  grouped(Number(presenceOf(settingsSchema.shape[setting]).fallback));

export function rateLimitTable(): string {
  const rows: [what: string, setting: LimitSetting, period: string, who: string][] = [
    [
      'wrong credentials',
      'LIMIT_FAILED',
      'in 15 minutes; then the daemon refuses all of them for 15 minutes, and twice as long after each further block, up to a day',
      'the address (IPv6: the /64) and the kind: bearer, ticket, pairing, login with the e-mail address, refresh, action token of a push. The first wrong one is answered at once, each further one after a longer delay',
    ],
    ['prompts', 'LIMIT_PROMPTS', 'a minute', 'the person'],
    ['requests for files', 'LIMIT_FILES', 'a minute', 'the person'],
    [
      'other requests, including upgrades to a WebSocket',
      'LIMIT_READS',
      'a minute',
      'the person; the address without a credential, for a wrong `Host` or `Origin`, for a preflight and for a body that cannot be parsed',
    ],
    ['frames, except an accepted `ack`', 'LIMIT_FRAMES', 'a minute', 'the person'],
    ['new sessions', 'LIMIT_SESSIONS', 'an hour', 'the person'],
    ['connections', 'LIMIT_CONNECTIONS', 'devices and event streams at a time', 'the person'],
  ];
  return tableOf(
    ['what', 'setting', 'default limit', 'counted for'],
    rows.map(([what, setting, period, who]) => [what, `\`${setting}\``, `${defaultOf(setting)} ${period}`, who]),
  );
}
