/** What Apple is given, as data. */
import { createDecipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { wellFormed } from '../../protocol/plain-text.js';
import type { PushKind, PushMessage } from '../../services/ports/push.js';
import { type ApnsNotification, composeApns, MAX_PAYLOAD_BYTES } from '../../services/push/apns/apns-payload.js';
import { fitText, jsonBytes } from '../../services/push/message/fit-content.js';
import { anyCharacter } from '../support/any-character.js';
import { countOf } from '../support/counts.js';
import { message, registration } from './support/push-samples.js';

const KEY = randomBytes(32);
const encryptionKey = KEY.toString('base64');

function composed(one: PushMessage, key?: string, actions: 'encrypted' | 'clear' = 'encrypted'): ApnsNotification {
  const made = composeApns(registration(key === undefined ? {} : { encryptionKey: key }), one, actions);
  if ('problem' in made) throw new Error(made.problem);
  return made;
}

/** What the app's extension does, with nothing of the daemon's code. */
function unseal(payload: Record<string, unknown>): PushMessage {
  const sealed = Buffer.from(String(payload.enc), 'base64');
  const decipher = createDecipheriv('aes-256-gcm', KEY, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(-16));
  const text = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  return JSON.parse(text.toString()) as PushMessage;
}

const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3000 }) },
  { weight: 2, arbitrary: fc.string({ unit: anyCharacter, maxLength: 3000 }) },
  // Halves of surrogate pairs among them.
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 3000 })
      .map((units) => String.fromCharCode(...units)),
  },
  { weight: 1, arbitrary: fc.nat(3000).map((count) => '👩‍👩‍👧‍👦'.repeat(count)) },
  { weight: 1, arbitrary: fc.nat(9000).map((count) => `e${'\u0301'.repeat(count)}`) },
);

const KINDS: PushKind[] = [
  'permission',
  'question',
  'plan',
  'turn_complete',
  'turn_failed',
  'limit',
  'given_up',
  'budget',
  'digest',
  'withdrawal',
  'test',
];
const anyMessage = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    title: anyText,
    subtitle: anyText,
    body: anyText,
    options: fc.array(anyText, { maxLength: 4 }),
  })
  .map((fields) => message(fields));

const graphemesOf = (text: string): string[] =>
  [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map(({ segment }) => segment);

describe('a payload', () => {
  test('never has more than 4,096 bytes, and is JSON with whole characters, whatever the texts are', () => {
    fc.assert(
      fc.property(anyMessage, fc.boolean(), (one, isSealed) => {
        const { payload } = composed(one, isSealed ? encryptionKey : undefined, 'clear');
        const text = JSON.stringify(payload);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
        expect(JSON.parse(text)).toEqual(payload);
        expect(text).not.toMatch(/\p{Surrogate}|\\ud[89a-f]/u);
      }),
      { numRuns: countOf({ full: 200, fast: 6 }) },
    );
  });

  test('has a body that is the text itself or whole graphemes of its beginning', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (body, isSealed) => {
        const { payload, note } = composed(
          message({ body, kind: 'turn_complete' }),
          isSealed ? encryptionKey : undefined,
        );
        const alert = (payload.aps as { alert: { body?: string } }).alert;
        const shown = (isSealed ? unseal(payload).body : alert.body) ?? '';
        const whole = wellFormed(body);
        if (shown === whole) return;
        expect(note).toMatch(/the body was cut|left out|only the title/);
        const kept = shown.replace(/…$/, '');
        expect(graphemesOf(whole).slice(0, graphemesOf(kept).length).join('')).toBe(kept);
      }),
      { numRuns: countOf({ full: 200, fast: 6 }) },
    );
  });

  test('that is too long loses its body first, and says so', () => {
    const { payload, note } = composed(message({ body: 'word '.repeat(5000) }), undefined, 'clear');
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeGreaterThan(MAX_PAYLOAD_BYTES - 8);
    expect(note).toBe('the body was cut');
    expect(payload).toMatchObject({ options: ['Yes', 'No'], actionTokens: { allow: 'token-that-allows' } });
    const other = composed(message({ options: ['x'.repeat(5000)] }));
    expect(other.note).toBe('the options were left out');
    expect(other.payload).not.toHaveProperty('options');
  });

  test.each<[PushKind, string | undefined, string]>([
    ['permission', 'PERMISSION_REQUEST', 'time-sensitive'],
    ['plan', 'PERMISSION_REQUEST', 'time-sensitive'],
    ['question', 'QUESTION', 'time-sensitive'],
    ['turn_complete', 'TURN_COMPLETE', 'active'],
    ['turn_failed', 'TURN_COMPLETE', 'active'],
    ['limit', 'TURN_COMPLETE', 'active'],
    ['given_up', undefined, 'active'],
    ['budget', undefined, 'active'],
    ['digest', undefined, 'active'],
    ['test', undefined, 'active'],
  ])('of %s has category %s and interruption level %s', (kind, category, level) => {
    const { payload, pushType, priority } = composed(message({ kind }));
    const aps = payload.aps as Record<string, unknown>;
    expect([pushType, priority, aps.category, aps['interruption-level']]).toEqual(['alert', 10, category, level]);
    expect(aps['relevance-score']).toBeGreaterThanOrEqual(0);
    expect(aps['relevance-score']).toBeLessThanOrEqual(1);
  });

  test('links to the event in its session; a digest links nowhere', () => {
    expect(composed(message()).payload.url).toBe('claude-companion://session/session-1?seq=7');
    expect(composed(message({ seq: undefined })).payload.url).toBe('claude-companion://session/session-1');
    const digest = composed(message({ kind: 'digest', sessionId: undefined, seq: undefined })).payload;
    expect(digest).not.toHaveProperty('url');
    expect(digest.aps).not.toHaveProperty('thread-id');
  });
});

describe('what Apple can read', () => {
  test('S1: with a key is that Claude needs somebody; the app decrypts the rest', () => {
    const one = message({ title: 'my-project' });
    const { payload } = composed(one, encryptionKey);
    expect((payload.aps as { alert: unknown }).alert).toEqual({ body: 'Claude needs you' });
    for (const secret of [one.title, one.subtitle, one.body, 'token-that-allows', 'token-that-denies', 'Yes'])
      expect(JSON.stringify(payload)).not.toContain(secret);
    const { title, subtitle, body, options, actionTokens } = one;
    expect(unseal(payload)).toEqual({ title, subtitle, body, options, actionTokens });
    expect(composed(one, encryptionKey).payload.enc).not.toBe(payload.enc);
  });

  test('S1: without a key holds no token that allows', () => {
    const { payload } = composed(message());
    expect(payload.actionTokens).toEqual({ deny: 'token-that-denies' });
    expect(composed(message({ actionTokens: { allow: 'x', always: 'y' } })).payload).not.toHaveProperty('actionTokens');
  });

  test('with PUSH_ACTIONS=clear holds them all', () => {
    expect(composed(message(), undefined, 'clear').payload.actionTokens).toEqual(message().actionTokens);
  });

  test.each(['', 'short', 'A'.repeat(42), `${'A'.repeat(43)}=AAAA`, 'not base64 at all, but as long as a key'])(
    'S1: with %j for a key is nothing at all',
    (key) => {
      const made = composeApns(registration({ encryptionKey: key }), message(), 'encrypted');
      expect(made).toEqual({ problem: 'encryptionKey is not 32 bytes in base64' });
    },
  );
});

describe('a text that is cut', () => {
  test('fits, keeps whole graphemes, and is as long as it can be', () => {
    fc.assert(
      fc.property(anyText.map(wellFormed), fc.integer({ min: -5, max: 4000 }), (text, room) => {
        const cut = fitText(text, room);
        expect(jsonBytes(cut)).toBeLessThanOrEqual(Math.max(0, room));
        if (cut === text) return;
        const kept = graphemesOf(cut.replace(/…$/, ''));
        const all = graphemesOf(text);
        expect(all.slice(0, kept.length).join('')).toBe(kept.join(''));
        expect(jsonBytes(`${all.slice(0, kept.length + 1).join('')}…`)).toBeGreaterThan(room);
      }),
      { numRuns: countOf({ full: 300, fast: 25 }) },
    );
  });
});
