/** A change as recorded with the result of its tool. */
interface RecordedChange {
  /** Relative to the session's directory, where it is below that. */
  path: string;
  /** The hunks of a unified diff. */
  patch: string;
  isNew?: boolean | undefined;
}

/**
 * The change as git writes it in a patch. Without its first line it would be read as a part of the change before it,
 * where that has no lines of its own.
 */
export function patchText({ path, patch, isNew }: RecordedChange): string {
  const name = path.startsWith('/') ? path.slice(1) : path;
  const [old, now] = [quotedName(`a/${name}`), quotedName(`b/${name}`)];
  const head = `diff --git ${old} ${now}\n${isNew ? NEW_FILE : ''}`;
  return `${head}--- ${isNew ? '/dev/null' : old}\n+++ ${now}\n${patch}`;
}

/** Tools make files that no program may be started from. */
const NEW_FILE = 'new file mode 100644\n';

const SPECIAL = /["\\\p{Cc}]/u;
const LETTERS: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '\n': 'n', '\t': 't', '\r': 'r' };
const OCTAL = 8;
const DIGITS = 3;

/** A name as git writes it in a patch: one with a quote, a backslash or a control character cannot forge a line. */
export function quotedName(name: string): string {
  return SPECIAL.test(name) ? `"${Array.from(name, quoted).join('')}"` : name;
}

function quoted(character: string): string {
  if (!SPECIAL.test(character)) return character;
  const letter = LETTERS[character];
  if (letter !== undefined) return `\\${letter}`;
  const bytes = Array.from(new TextEncoder().encode(character));
  return bytes.map((byte) => `\\${byte.toString(OCTAL).padStart(DIGITS, '0')}`).join('');
}
