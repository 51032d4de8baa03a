import { expect, test } from '@jest/globals';
import { newId } from '../../services/model/new-id.js';

test('an id begins with nothing that a command takes for an option, and is another each time', () => {
  const ids = Array.from({ length: 5000 }, newId);
  expect(ids.filter((id) => !/^[A-Za-z0-9]{21}$/.test(id))).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
});
