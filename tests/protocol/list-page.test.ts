import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pageOf } from '../../services/model/list-page.js';

interface Item {
  number: number;
  key: string;
}
const LIST = { name: 'items', placeOf: ({ number, key }: Item) => ({ number, key }) };

const items = fc.uniqueArray(fc.record({ number: fc.integer({ min: 0, max: 5 }), key: fc.string({ maxLength: 3 }) }), {
  selector: ({ number, key }) => `${number} ${key}`,
  maxLength: 30,
});

test('pages by cursor and by offset are the same list in one order', () => {
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 7 }), (all, limit) => {
      const whole = pageOf(all, { ...LIST, limit: 200 }).items;
      expect(whole).toHaveLength(all.length);
      const shown: Item[] = [];
      for (let query: { cursor?: string } | undefined = {}; query; ) {
        const { items: some, page }: ReturnType<typeof pageOf<Item>> = pageOf(all, { ...LIST, ...query, limit });
        expect(some).toEqual(whole.slice(shown.length, shown.length + limit));
        expect(page).toMatchObject({ total: all.length, limit, hasMore: page.nextCursor !== undefined });
        shown.push(...some);
        query = page.nextCursor === undefined ? undefined : { cursor: page.nextCursor };
      }
      expect(shown).toEqual(whole);
    }),
  );
});

test('what is added or removed before a cursor, its own item too, shifts nothing behind it', () => {
  fc.assert(
    fc.property(items, items, fc.integer({ min: 1, max: 7 }), (before, after, limit) => {
      const { items: first, page } = pageOf(before, { ...LIST, limit });
      if (page.nextCursor === undefined) return;
      const rest = pageOf(before, { ...LIST, limit: 200, offset: limit }).items;
      // Others stand where the first page stood.
      const others = after.map(({ number, key }) => ({ number: number + 6, key }));
      const kept = before.filter((item) => !first.includes(item));
      const next = pageOf([...others, ...kept], { ...LIST, limit: 200, cursor: page.nextCursor });
      expect(next.items).toEqual(rest);
    }),
  );
});
