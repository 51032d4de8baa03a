import { useState } from 'react';
import { keepAmong, readKept } from './kept-record.js';

const KEY = 'answers';
/** Of so many requests: that of an answered one has no use, and goes at last. */
const MOST = 20;

type Fields = Readonly<Record<string, unknown>>;

/** What is written into one field of a request that is not answered yet, as `useState`. It outlives the page. */
export function useKeptAnswer<Value>(
  permissionId: string,
  field: string,
  first: () => Value,
): [Value, (value: Value) => void] {
  const [value, setValue] = useState(() => (readKept<Fields>(KEY, permissionId)?.[field] as Value) ?? first());
  const write = (next: Value) => {
    setValue(next);
    const fields = { ...readKept<Fields>(KEY, permissionId), [field]: next };
    keepAmong(KEY, { id: permissionId, value: fields, most: MOST });
  };
  return [value, write];
}
