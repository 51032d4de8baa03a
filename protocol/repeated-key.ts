/** Keys that an object of a JSON text has twice: parsers differ in which value counts. */
import { endOfString, parseJson } from './json.js';

interface Open {
  isList: boolean;
  /** Most objects of a deep text have one key. */
  first: string | undefined;
  others: Set<string> | undefined;
  /** The key, or the index, at which the scan is. */
  at: string | number;
}

/**
 * The path of the first key that an object of this text has twice; undefined without one, and where that cannot be said
 * of a text that is no JSON. The time is linear, and mostly that of the text outside of strings.
 */
export function findRepeatedKey(text: string): string | undefined {
  const open: Open[] = [];
  let isKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      if (end === -1) return undefined;
      if (isKey && isRepeated(open.at(-1), text.slice(at, end + 1))) return open.map((one) => one.at).join('.');
      isKey = false;
      at = end;
    } else isKey = step(open, character) ?? isKey;
  }
  return undefined;
}

/** Whether a key follows; undefined where that stays as it is. */
function step(open: Open[], character: string | undefined): boolean | undefined {
  if (character === '{') open.push({ isList: false, first: undefined, others: undefined, at: '' });
  else if (character === '[') open.push({ isList: true, first: undefined, others: undefined, at: 0 });
  else if (character === ',') return moveOn(open.at(-1));
  else if (character === '}' || character === ']') open.pop();
  else return undefined;
  return character === '{';
}

function moveOn(inside: Open | undefined): boolean {
  if (typeof inside?.at === 'number') inside.at += 1;
  return inside?.isList === false;
}

/** `quoted`: the key as it is written. */
function isRepeated(inside: Open | undefined, quoted: string): boolean {
  if (!inside || inside.isList) return false;
  const key = quoted.includes('\\') ? String(parseJson(quoted)) : quoted.slice(1, -1);
  inside.at = key;
  if (inside.first === undefined) inside.first = key;
  else if (inside.first === key || inside.others?.has(key)) return true;
  else {
    inside.others ??= new Set();
    inside.others.add(key);
  }
  return false;
}
