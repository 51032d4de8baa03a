import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainLine, plainText, visibleText, wellFormed } from '../../protocol/plain-text.js';
import { anyCharacter } from '../support/any-character.js';

const ESC = '\u001b';
const FAMILY = '👨‍👩‍👧';
const ENGLAND = '\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}';

describe('text for a person', () => {
  test.each([
    ['colours', `${ESC}[1;31mred${ESC}[0m`, 'red'],
    ['cursor movement and modes', `a${ESC}[2J${ESC}[1A${ESC}[?25lb`, 'ab'],
    ['the control characters of a title, not its text', `${ESC}]0;pwned\u0007ok`, ']0;pwnedok'],
    ['C0 controls', 'a\u0000b\bc\u007fd\re', 'abcde'],
    ['C1 controls', 'a\u009b1Ab\u0085c', 'a1Abc'],
    ['marks of direction', 'a\u061cb\u200ec\u200fd\u202ae\u202ef\u2066g\u2069h', 'abcdefgh'],
    ['what takes no room', 'a\u200bb\u2060c\ufeffd\u00ade\u180ef\u3164g\u{e0041}h', 'abcdefgh'],
    ['half characters', 'a\ud83db\udc4dc', 'a\ufffdb\ufffdc'],
  ])('loses %s', (_, text, shown) => {
    expect(plainText(text)).toBe(shown);
    expect(plainLine(text.replaceAll(/[\r\u0085]/g, ''))).toBe(shown);
  });

  test.each([
    ['line ends and tabs', 'a\n\tb'],
    ['emoji that are joined', FAMILY],
    ['emoji with a tone or a variation', '👍🏽 ❤️'],
    ['flags, of regions too', `🇫🇷 ${ENGLAND}`],
    ['scripts with joiners', 'می\u200cخواهم क्\u200dष'],
    ['text from right to left', 'שלום عربي'],
  ])('keeps %s', (_, text) => expect(plainText(text)).toBe(text));

  test.each([`echo ${ESC}[;mkfs x`, `echo ${ESC}[rm -rf ~`, `echo ${ESC}]8;;rm -rf ~${ESC}\\`])(
    'shows what stands in a sequence that is none: %j',
    (text) => expect(plainText(text)).toMatch(/mkfs|rm -rf/),
  );

  test('stands on one line, and is cut between characters', () => {
    expect(plainLine(' a\r\n\tb\u2028c\u0085d ')).toBe('a b c d');
    expect(plainLine('👍👍👍', 2)).toBe('👍…');
    expect(plainLine('x'.repeat(10_000_000), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(plainText('a\u2028b')).toBe('a\nb');
  });

  test('holds nothing that is obeyed, whatever it was made of, and is the same when it is cleaned again', () => {
    const parts = fc.array(
      fc.oneof(
        fc.string({ unit: anyCharacter }),
        fc.constantFrom(ESC, '[', '31m', '\u202e', '\ud83d', '\udc4d', ENGLAND),
      ),
    );
    fc.assert(
      fc.property(parts, (texts) => {
        const shown = plainText(texts.join(''));
        expect(shown).not.toMatch(/(?![\n\t])\p{Cc}|\p{Cs}|[\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\ufeff]/u);
        expect(plainText(shown)).toBe(shown);
        expect(plainLine(texts.join(''), 20)).not.toMatch(/\p{Cc}|\p{Cs}/u);
        expect(Buffer.from(wellFormed(texts.join(''))).toString()).toBe(wellFormed(texts.join('')));
      }),
      { numRuns: 1000 },
    );
  });
});

test('everything that a person would not see is seen as its code, and the rest stays', () => {
  const shown = visibleText('rm -rf \u202Egnp.exe\u202C\u200b \u001b[31mred\u0007\r\n\ttab 👩\u200d🚀 café\udc00');
  expect(shown).toBe('rm -rf ⟨U+202E⟩gnp.exe⟨U+202C⟩⟨U+200B⟩ ⟨U+001B⟩[31mred⟨U+0007⟩\n\ttab 👩\u200d🚀 café\ufffd');
  expect(visibleText('a\rb')).toBe('a⟨U+000D⟩b');
});
