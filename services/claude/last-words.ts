import { plainText } from '../../protocol/plain-text.js';

const MAX_LINES = 8;
const MAX_LINE_BYTES = 500;
const MAX_WORDS = 4000;

/** The last lines that a CLI wrote outside its protocol. */
export class LastWords {
  readonly #lines: string[] = [];

  get text(): string {
    return this.#lines.join('\n');
  }

  add(line: Buffer): void {
    const text = textOf(line);
    if (text === '') return;
    this.#lines.push(text);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }
}

/** A torn line of the protocol does not help a person. */
function textOf(line: Buffer): string {
  const text = plainText(line.subarray(0, MAX_LINE_BYTES).toString('utf8')).trim();
  return text.startsWith('{') || text.startsWith('"') ? '' : text;
}

/** The last output of a CLI for display: plain, at most 4,000 characters, without credentials. */
export function lastWordsOf(parts: readonly (string | Buffer)[]): string {
  const texts = parts.map((part) => (typeof part === 'string' ? plainText(part).trim() : textOf(part)));
  const words = texts.filter((text) => text !== '').join('\n');
  // The cut can fall into a surrogate pair.
  return withoutSecrets(words)
    .slice(-MAX_WORDS)
    .replace(/^\p{Cs}/u, '');
}

const KEYS = /\bsk-[\w-]{8,}/g;
const NAMED =
  /((?:authorization|api[-_]?key|auth[-_]?token|bearer|secret|password|cookie)["']?\s*[:=\s]\s*["']?(?:bearer\s+)?)[^\s"',;]{4,}/gi;

/** Output with parts of the environment or of requests can contain credentials. */
const withoutSecrets = (text: string): string => text.replace(KEYS, '(not shown)').replace(NAMED, '$1(not shown)');
