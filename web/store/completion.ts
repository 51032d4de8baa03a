/** What can complete a message that is being written: files after `@`, commands after `/`. Pure. */
export interface Asked {
  kind: 'files' | 'commands';
  /** Behind the mark. */
  query: string;
  /** Where the mark is. */
  from: number;
}

const FILE = /(?:^|\s)@(\S*)$/;
const COMMAND = /^\/(\S*)$/;

/** What the text before the cursor asks for. */
export function askedIn(before: string): Asked | undefined {
  const command = COMMAND.exec(before)?.[1];
  if (command !== undefined) return { kind: 'commands', query: command, from: 0 };
  const file = FILE.exec(before)?.[1];
  return file === undefined ? undefined : { kind: 'files', query: file, from: before.length - file.length - 1 };
}

/** The text with the choice in the place of what was asked, and where the cursor is then. A folder is asked into. */
export function completed(text: string, { kind, query, from }: Asked, choice: string): { text: string; caret: number } {
  const mark = kind === 'files' ? '@' : '/';
  const end = choice.endsWith('/') ? '' : ' ';
  const inserted = `${mark}${choice}${end}`;
  const rest = text.slice(from + 1 + query.length).replace(/^ /, '');
  return { text: text.slice(0, from) + inserted + rest, caret: from + inserted.length };
}
