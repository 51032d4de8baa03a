import { plainLine } from '../protocol/plain-text.js';
import { type SearchResult, searchResultsSchema } from '../protocol/search.js';
import type { AddOptions } from './add-commands.js';
import { type CommandContext, get, type Report, say } from './commands.js';

interface SearchFlags {
  session?: string;
  project?: string;
  role?: string;
  tool?: string;
  since?: string;
  until?: string;
  limit?: string;
}

const MAX_TEXT = 300;

export function addSearchCommand({ program, execute, add }: AddOptions): void {
  add(program, 'search <words...>', 'find what was said: words, "phrases", beginnings* and, after --, -exclusions')
    .option('--session <sessionId>', 'in this session')
    .option('--project <directory>', 'in the sessions of this folder')
    .option('--role <role>', 'said by user, assistant or tool')
    .option('--tool <name>', 'said to or by this tool')
    .option('--since <date>', 'on this day (2027-01-31) or later')
    .option('--until <date>', 'on this day or earlier')
    .option('--limit <number>', 'at most so many (default: 50)')
    .action((words: string[], flags: SearchFlags & { json?: boolean }) =>
      execute((context) => searchCommand(context, words, flags), flags),
    );
}

/** Finds what was said in all sessions, and in the conversations of terminals. */
async function searchCommand(
  context: CommandContext,
  words: readonly string[],
  { session: sessionId, project, role, tool, since, until, limit }: SearchFlags,
): Promise<Report> {
  const named = { q: words.join(' '), sessionId, project, role, tool, since, until, limit };
  const given = Object.entries(named).filter((field): field is [string, string] => typeof field[1] === 'string');
  const answer = await get(context, `/api/search?${new URLSearchParams(given).toString()}`);
  const { results, hasMore, complete } = searchResultsSchema.parse(answer);
  if (!complete && !context.json) context.io.stderr.write('The index is being filled: something can be missing.\n');
  if (results.length === 0) return say(answer, 'Nothing was found.');
  const more = hasMore ? ['', 'There is more. Add words, or name a session, a role or a time.'] : [];
  return say(answer, [...results.flatMap(linesOf), ...more].join('\n'));
}

function linesOf({
  timestamp,
  role,
  toolName,
  directory,
  sessionId,
  claudeSessionId,
  snippet,
}: SearchResult): string[] {
  const who = toolName === undefined ? role : plainLine(toolName, 60);
  const where = sessionId ?? `terminal ${claudeSessionId ?? ''}`;
  const head = `${timestamp}  ${who}  ${plainLine(directory, 200)}  ${plainLine(where, 60)}`;
  return [head, `  ${plainLine(snippet.text, MAX_TEXT)}`];
}
