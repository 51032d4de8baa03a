/** Values by id in one place of this browser's storage, of which the newest are kept. */
import { keepText } from './kept-text.js';

type Kept<Value> = Readonly<Record<string, Value>>;

function read<Value>(key: string): Kept<Value> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}') as Kept<Value>;
  } catch {
    // It was altered by hand.
    return {};
  }
}

export const readKept = <Value>(key: string, id: string): Value | undefined => read<Value>(key)[id];

/** Without room for it, it is not kept. */
export function keepAmong<Value>(key: string, { id, value, most }: { id: string; value: Value; most: number }): void {
  const { [id]: _, ...others } = read<Value>(key);
  // What was written last comes last.
  const all = Object.entries({ ...others, [id]: value });
  keepText(key, JSON.stringify(Object.fromEntries(all.slice(-most))));
}
