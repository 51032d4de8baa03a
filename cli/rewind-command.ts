import { createCompanionClient } from '../client/node-client.js';
import { CompanionError } from '../protocol/error-codes.js';
import { EVENTS, type Rewound } from '../protocol/events.js';
import { plainLine } from '../protocol/plain-text.js';
import type { HistoryMessage } from '../protocol/server-frames.js';
import { since } from './amounts.js';
import { InterruptedError } from './cli-errors.js';
import { type CommandContext, post, type Report, say } from './commands.js';
import type { DirectoryFlags } from './queue-commands.js';
import { pick, readText } from './read-text.js';
import { requireSession } from './waiting-sessions.js';

export interface RewindFlags extends DirectoryFlags {
  what?: string;
  dryRun?: boolean;
  yes?: boolean;
}

/**
 * Puts files and conversation of a folder's session back to before a prompt, when the person has seen what would
 * change. Without an id the person picks one of the last prompts.
 */
export async function rewindCommand(
  context: CommandContext,
  promptId: string | undefined,
  { dir, what = 'both', dryRun = false, yes = false }: RewindFlags,
): Promise<Report> {
  const { sessionId } = await requireSession(context.socketPath, dir);
  const id = promptId ?? (await pickPrompt(context, sessionId));
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/rewind`;
  const ask = async (isDry: boolean) => {
    const answer = await post(context, { path, body: { promptId: id, what, ...(isDry && { dryRun: true }) } });
    return { answer, rewound: EVENTS.rewound.parse(answer) };
  };
  const preview = await ask(true);
  const { canRewind, reason = 'the Claude CLI gives no reason' } = preview.rewound;
  if (!canRewind) return say(preview.answer, `It cannot be rewound: ${plainLine(reason, 500)}`, 1);
  if (dryRun) return say(preview.answer, inWords(preview.rewound));
  if (!yes) await confirm(context, preview.rewound);
  const { answer, rewound } = await ask(false);
  return say(
    answer,
    rewound.canRewind ? inWords(rewound) : plainLine(rewound.reason ?? '', 500),
    rewound.canRewind ? 0 : 1,
  );
}

/** As many as a person reads. */
const MAX_SHOWN = 20;
const NEWEST = Number.MAX_SAFE_INTEGER;

async function pickPrompt({ socketPath, io, hints }: CommandContext, sessionId: string): Promise<string> {
  const messages = await newestMessages(socketPath, sessionId);
  const items = messages.filter(({ promptId }) => promptId !== undefined).slice(-MAX_SHOWN);
  if (items.length === 0) throw new CompanionError('NOT_FOUND', 'No prompt was sent in this session.');
  const otherwise = `Name a prompt: ${hints.companion('rewind <promptId>')}`;
  const { promptId = '' } = await pick({ io, items, lineOf, what: 'Prompt', otherwise });
  return promptId;
}

async function newestMessages(socketPath: string, sessionId: string): Promise<HistoryMessage[]> {
  const client = createCompanionClient({ socketPath });
  try {
    return (await client.getMessageHistory({ sessionId, before: NEWEST, limit: 1000 })).messages;
  } finally {
    await client.close();
  }
}

function lineOf({ content, timestamp }: HistoryMessage): string {
  const words = content.map((block) => ('text' in block ? block.text : `[${block.type}]`)).join(' ');
  return `“${plainLine(words, 60)}”${timestamp === undefined ? '' : ` (${since(timestamp)} ago)`}`;
}

const MAX_NAMED = 10;

function inWords({ what, filesChanged, insertions, deletions, dryRun, reason }: Rewound): string {
  const [would, has] = dryRun ? ['would be', ''] : ['is', 'now '];
  const more = filesChanged.length - MAX_NAMED;
  return [
    ...(what === 'files' ? [] : [`The conversation ${would} ${has}where it was before the prompt.`]),
    ...(what === 'conversation' ? [] : [filesLine(filesChanged.length, { insertions, deletions, would })]),
    ...filesChanged.slice(0, MAX_NAMED).map((path) => `  ${plainLine(path, 500)}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...(reason === undefined ? [] : [plainLine(reason, 500)]),
  ].join('\n');
}

function filesLine(
  count: number,
  { insertions, deletions, would }: { insertions: number; deletions: number; would: string },
) {
  if (count === 0) return `No file ${would} changed.`;
  const files = count === 1 ? '1 file' : `${count} files`;
  return `${files} ${would === 'is' && count > 1 ? 'are' : would} restored (+${insertions} -${deletions}):`;
}

/** Rejects with `INVALID_REQUEST` where there is no terminal, and with `InterruptedError` when the person declines. */
async function confirm({ io, hints }: CommandContext, preview: Rewound): Promise<void> {
  if (!io.stdin.isTTY) {
    const rule = 'must be confirmed in a terminal, or with --yes';
    throw new CompanionError('INVALID_REQUEST', `The rewind ${rule}.`, {
      rule,
      suggestion: `To see what would change: ${hints.companion('rewind <promptId> --dry-run')}`,
    });
  }
  io.stderr.write(`${inWords(preview)}\n`);
  const left = new AbortController();
  const prompt = 'Rewind? (y/N): ';
  const text = await readText({ io, prompt, signal: left.signal, onInterrupt: () => left.abort() });
  if (!/^\s*y(es)?\s*$/i.test(text ?? '')) throw new InterruptedError('SIGINT');
}
