/** The names of forks. Pure. */

/** `pattern` has a line break where the name is, which no name has. */
const partsOf = (pattern: string): readonly [string, string] => {
  const [before = '', after = ''] = pattern.split('\n');
  return [before, after];
};

const isFork = (name: string, [before, after]: readonly [string, string]): boolean =>
  name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after);

/** A fork of a fork has the name of the fork. */
export function nameOfFork(name: string, pattern: string): string {
  const parts = partsOf(pattern);
  return isFork(name, parts) ? name : parts.join(name);
}

/** What the conversation was called before there was a fork of it. */
export function nameBefore(name: string, pattern: string): string {
  const parts = partsOf(pattern);
  return isFork(name, parts) ? name.slice(parts[0].length, name.length - parts[1].length) : name;
}
