import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TextAssembler, type TextPiece } from '../../client/text-assembler.js';
import { anyCharacter } from '../support/any-character.js';

const place = { messageId: 'm', blockIndex: 0 };
const delta = (offset: number, text: string, isComplete = false) => ({
  sessionId: 's',
  streamType: 'assistant_message' as const,
  content: { type: 'text' as const, text },
  ...place,
  offset,
  isComplete,
});
const message = (text: string, more: { truncated?: boolean; partial?: boolean } = {}) => ({
  type: 'assistant' as const,
  ...place,
  content: [{ type: 'text' as const, text }],
  timestamp: '2025-01-01T00:00:00.000Z',
  ...more,
});

function assemble() {
  const pieces: TextPiece[] = [];
  const assembler = new TextAssembler((piece) => pieces.push(piece));
  const changes = () => pieces.map(({ change }) => change);
  const shown = () =>
    changes().reduce((text, change) => (change.kind === 'append' ? text + change.text : change.text), '');
  return { assembler, pieces, changes, shown, text: () => assembler.text('m', 0) };
}

/** Stretches of a text that together cover it from the start: each may begin anywhere in what came before it. */
const cutText = fc.string({ unit: anyCharacter, maxLength: 200 }).chain((text) =>
  fc
    .array(
      fc.record({ back: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat({ max: 40 }), again: fc.nat(3) }),
    )
    .map((steps) => {
      const stretches: { offset: number; text: string }[] = [];
      let known = 0;
      for (const { back, length, again } of steps) {
        const offset = Math.floor(known * back);
        const stretch = { offset, text: text.slice(offset, Math.max(offset, known) + length) };
        for (let times = 0; times <= again; times += 1) stretches.push(stretch);
        known = Math.max(known, offset + stretch.text.length);
      }
      return { text, stretches: [...stretches, { offset: known, text: text.slice(known) }] };
    }),
);

describe('text put together from deltas', () => {
  test('D4: any cutting into overlapping, repeated and so-far deltas ends in exactly the text', () => {
    fc.assert(
      fc.property(cutText, ({ text, stretches }) => {
        const { assembler, changes, text: known } = assemble();
        for (const stretch of stretches) assembler.delta(delta(stretch.offset, stretch.text));
        expect(known()).toBe(text);
        const appended = changes().map((change) => (change.kind === 'append' ? change.text : '(replaced)'));
        expect(appended.join('')).toBe(text);
      }),
    );
  });

  test('D4: whatever deltas are lost, what is shown is a beginning of the text, and all of it after the event', () => {
    fc.assert(
      fc.property(cutText, fc.infiniteStream(fc.boolean()), ({ text, stretches }, kept) => {
        const { assembler, shown } = assemble();
        for (const stretch of stretches) {
          if (kept.next().value) assembler.delta(delta(stretch.offset, stretch.text));
          expect(text.startsWith(shown())).toBe(true);
        }
        assembler.message(message(text));
        expect(shown()).toBe(text);
      }),
    );
  });

  test('a delta behind a hole waits for a frame from the start', () => {
    const { assembler, changes, text } = assemble();
    assembler.delta(delta(0, 'ab'));
    assembler.delta(delta(4, 'ef'));
    expect(text()).toBe('ab');
    assembler.delta(delta(0, 'abcdef'));
    assembler.delta(delta(6, 'g'));
    expect(changes()).toEqual(['ab', 'cdef', 'g'].map((added) => ({ kind: 'append', text: added })));
  });

  test('a frame from the start that is shorter than what is known takes nothing back', () => {
    const { assembler, text } = assemble();
    assembler.delta(delta(0, 'abcdef'));
    assembler.delta(delta(0, 'abc'));
    assembler.delta(delta(0, 'xyz'));
    expect(text()).toBe('abcdef');
  });

  test('a frame from the start that says something else replaces what was known', () => {
    const { assembler, changes } = assemble();
    assembler.delta(delta(0, 'abc'));
    assembler.delta(delta(0, 'xyz!'));
    expect(changes().at(-1)).toEqual({ kind: 'replace', text: 'xyz!', previous: 'abc' });
  });

  test('the event of the block supersedes its deltas, and late ones change nothing', () => {
    const { assembler, changes, pieces, text } = assemble();
    assembler.delta(delta(0, 'abc'));
    assembler.message(message('abcdef'));
    assembler.delta(delta(6, 'ghi'));
    assembler.message(message('something else'));
    expect(text()).toBe('abcdef');
    expect(changes()).toEqual([
      { kind: 'append', text: 'abc' },
      { kind: 'append', text: 'def' },
    ]);
    expect(pieces.map(({ complete }) => complete)).toEqual([false, true]);
  });

  test('a block that was cut short ends as its event says', () => {
    const { assembler, changes, text } = assemble();
    assembler.delta(delta(0, 'abcdef'));
    assembler.message(message('abcd', { partial: true }));
    expect(text()).toBe('abcd');
    expect(changes().at(-1)).toEqual({ kind: 'replace', text: 'abcd', previous: 'abcdef' });
  });

  test('an event that had to be cut to fit its frame does not replace a text that is known in whole', () => {
    const { assembler, text } = assemble();
    assembler.delta(delta(0, 'a very long text'));
    assembler.delta(delta(16, '', true));
    assembler.message(message('a … text', { truncated: true }));
    expect(text()).toBe('a very long text');
  });

  test('the end of a block is told once, also when it brings no text', () => {
    const { assembler, pieces } = assemble();
    assembler.delta(delta(0, 'abc'));
    assembler.delta(delta(3, '', true));
    assembler.delta(delta(3, '', true));
    assembler.message(message('abc'));
    expect(pieces.map(({ change, complete }) => [change.text, complete])).toEqual([
      ['abc', false],
      ['', true],
    ]);
  });

  test('the end of a block whose middle is missing is not its end', () => {
    const { assembler, pieces } = assemble();
    assembler.delta(delta(0, 'abc'));
    assembler.delta(delta(6, '', true));
    assembler.message(message('abcdef'));
    expect(pieces.map(({ complete }) => complete)).toEqual([false, true]);
  });

  test('blocks are kept apart by message and index', () => {
    const { assembler } = assemble();
    assembler.delta({ ...delta(0, 'one'), blockIndex: 1 });
    assembler.delta({ ...delta(0, 'two'), messageId: 'n' });
    expect([assembler.text('m', 1), assembler.text('n', 0), assembler.text('m', 0)]).toEqual(['one', 'two', undefined]);
  });
});
