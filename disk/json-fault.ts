/** Locates syntax errors in JSON files that a person edits. */

/** The daemon cannot use the file at this path. The message names the file and the remedy, and quotes no content. */
export class BrokenFileError extends Error {}

/** Parses JSON, with or without a byte order mark. Throws `BrokenFileError` with line and column, without content. */
export function parseJsonFile(text: string, path: string, remedy = 'Mend it'): unknown {
  const json = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(json);
  } catch {
    // The engine's message varies with its version, often has no position, and quotes the file.
    throw new BrokenFileError(`${path} is not valid JSON: ${faultOf(json)}. ${remedy}.`);
  }
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR =
  /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const NAME = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

class Fault {
  readonly at: number;
  readonly expected: string;

  constructor(at: number, expected: string) {
    this.at = at;
    this.expected = expected;
  }
}

/** For people: `line 3, column 5: a comma or } is missing`. */
function faultOf(text: string): string {
  const { at, expected } = new Scanner(text).fault();
  const before = text.slice(0, at).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
  return at >= text.length ? `it ends at ${place}, where ${expected} must stand` : `${expected} must stand at ${place}`;
}

/** Scans JSON for the first invalid character (RFC 8259). */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fault(): Fault {
    try {
      this.#value();
      if (this.#at === this.#text.length) return new Fault(this.#at, 'something else');
      return new Fault(this.#at, 'the end of the file');
    } catch (error) {
      if (error instanceof Fault) return error;
      throw error;
    }
  }

  #value(): void {
    this.#skip();
    if (this.#takes('{')) this.#members('}', 'a setting or }', () => this.#member());
    else if (this.#takes('[')) this.#members(']', 'a value or ]', () => this.#value());
    else this.#match(SCALAR, 'a value');
    this.#skip();
  }

  #members(end: string, first: string, member: () => void): void {
    this.#skip();
    if (this.#takes(end)) return;
    if (this.#at >= this.#text.length) throw new Fault(this.#at, first);
    for (;;) {
      member();
      this.#skip();
      if (this.#takes(end)) return;
      if (!this.#takes(',')) throw new Fault(this.#at, `a comma or ${end}`);
    }
  }

  #member(): void {
    this.#skip();
    this.#match(NAME, 'a name in double quotes');
    this.#skip();
    if (!this.#takes(':')) throw new Fault(this.#at, 'a colon');
    this.#value();
  }

  #match(pattern: RegExp, expected: string): void {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) throw new Fault(this.#at, expected);
    this.#at = pattern.lastIndex;
  }

  #skip(): void {
    this.#match(SPACE, 'a space');
  }

  #takes(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }
}
