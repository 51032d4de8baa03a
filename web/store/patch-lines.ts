/** The lines of a unified diff with their places in the files. Pure. */

export interface PatchLine {
  text: string;
  /** `path:line` of the file as it is now, or of a removed line as it was. Undefined for what is no line of a file. */
  place: string | undefined;
}

/** The number of a line in its place. */
export const lineIn = (place: string): string => place.slice(place.lastIndexOf(':') + 1);

export const pathIn = (place: string): string => place.slice(0, Math.max(0, place.lastIndexOf(':')));

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** `path`: where the diff does not name its file itself. */
export function patchLines(patch: string, path: string): readonly PatchLine[] {
  const reader = new PatchReader(path);
  return patch.split('\n').map((text) => ({ text, place: reader.placeOf(text) }));
}

class PatchReader {
  #path: string;
  #before = { next: 0, left: 0 };
  #after = { next: 0, left: 0 };

  constructor(path: string) {
    this.#path = path;
  }

  placeOf(text: string): string | undefined {
    // Within a hunk, a line that begins with `---` is a removed one.
    if (this.#before.left <= 0 && this.#after.left <= 0) {
      this.#readHead(text);
      return undefined;
    }
    if (text.startsWith('\\')) return undefined;
    const isRemoved = text.startsWith('-');
    const line = isRemoved ? this.#before.next : this.#after.next;
    if (!text.startsWith('+')) step(this.#before);
    if (!isRemoved) step(this.#after);
    return `${this.#path}:${line}`;
  }

  #readHead(text: string): void {
    const name = /^(?:---|\+\+\+) (.+?)\t?$/.exec(text)?.[1];
    if (name !== undefined && name !== '/dev/null') this.#path = name.replace(/^("?)[ab]\//, '$1');
    const hunk = HUNK.exec(text);
    if (!hunk) return;
    this.#before = { next: Number(hunk[1]), left: Number(hunk[2] ?? 1) };
    this.#after = { next: Number(hunk[3]), left: Number(hunk[4] ?? 1) };
  }
}

const step = (side: { next: number; left: number }): void => {
  side.next += 1;
  side.left -= 1;
};
