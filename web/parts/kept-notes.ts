import { keepText } from './kept-text.js';

/** Comments on lines that are not added to the message yet, by the line. They outlive the page where there is room. */
export class KeptNotes extends Map<number, string> {
  readonly #key: string;
  /** The browser had room for the newest one. */
  isKept = true;

  constructor(key: string) {
    super();
    this.#key = key;
    for (const [line, words] of read(key)) super.set(line, words);
  }

  override set(line: number, words: string): this {
    if (words.trim() === '') super.delete(line);
    else super.set(line, words);
    this.#keep();
    return this;
  }

  override delete(line: number): boolean {
    const had = super.delete(line);
    this.#keep();
    return had;
  }

  #keep(): void {
    this.isKept = keepText(this.#key, this.size === 0 ? '' : JSON.stringify([...this]));
  }
}

function read(key: string): [number, string][] {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '[]') as [number, string][];
  } catch {
    // It was altered by hand.
    return [];
  }
}

const FACTOR = 31;

/** Enough to tell the diffs of a session apart. */
function hashOf(text: string): string {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = (hash * FACTOR + text.charCodeAt(index)) >>> 0;
  return `${text.length}-${hash}`;
}

/** Where the browser has no room, they are there until the page ends. */
const loaded = new Map<string, KeptNotes>();

/** `of`: the path of a file, or the text of a diff. The same object for the same lines. */
export function keptNotes(sessionId: string, of: { path: string } | { patch: string }): KeptNotes {
  const key = `notes-${sessionId}-${'path' in of ? of.path : `diff-${hashOf(of.patch)}`}`;
  const notes = loaded.get(key) ?? new KeptNotes(key);
  loaded.set(key, notes);
  return notes;
}
