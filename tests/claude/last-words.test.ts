import { expect, test } from '@jest/globals';
import { lastWordsOf } from '../../services/claude/stream/fact-reader.js';

test('the last words of a CLI begin with a whole character, wherever they are cut', () => {
  for (const before of ['', 'x']) {
    const words = lastWordsOf([`${'😀'.repeat(3000)}${before}`]);
    expect(words).toBe(`${'😀'.repeat(before === '' ? 2000 : 1999)}${before}`);
  }
});
