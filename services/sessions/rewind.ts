import { CompanionError } from '../../protocol/error-codes.js';
import type { Rewound } from '../../protocol/events.js';
import type { ClaudeChild, ClaudeLauncher } from '../ports/claude.js';
import type { PromptRecord } from '../ports/records.js';
import type { CurrentChild } from './child/current-child.js';
import { beginRewind, cancelRewind, onRewound, type RewindPoint } from './machine/decide-rewind.js';
import type { SessionCore } from './session-core.js';

export interface RewindOptions {
  core: SessionCore;
  current: Pick<CurrentChild, 'held'>;
  launcher: Pick<ClaudeLauncher, 'findBefore'>;
}

export interface RewindRequest {
  prompt: PromptRecord;
  what: Rewound['what'];
  dryRun: boolean;
  byDeviceId: string;
}

type Files = Pick<Rewound, 'canRewind' | 'reason' | 'filesChanged' | 'insertions' | 'deletions'>;

const NO_FILES: Files = { canRewind: true, filesChanged: [], insertions: 0, deletions: 0 };
const refused = (reason: string): Files => ({ ...NO_FILES, canRewind: false, reason });

/** Time for the CLI to compare or restore files, in milliseconds. */
const RESTORE_MS = 60_000;
const MAX_SHOWN_FILES = 1000;

/**
 * Puts files and conversation back to where they were before a prompt. Calls `reply` with what was done, would be done,
 * or why nothing can be; nothing has changed in the last case. Rejects with `CONFLICT` while the session is busy, and
 * without a running CLI when files are wanted. Prompts that arrive meanwhile wait.
 */
export async function rewind(
  { core, current, launcher }: RewindOptions,
  { prompt, what, dryRun, byDeviceId }: RewindRequest,
  reply: (rewound: Rewound) => void,
): Promise<void> {
  const about = { sessionId: core.sessionId, promptId: prompt.promptId, what };
  await core.inTurn(async () => core.note(beginRewind(core.state)));
  const cancel = () => core.inTurn(() => core.command(cancelRewind));
  try {
    const point = what === 'files' ? undefined : await findPoint({ core, launcher }, prompt.uuid);
    const child = what === 'conversation' ? undefined : requireChild(current.held);
    const files = point === 'gone' ? refused(GONE) : await previewFiles(child, prompt.uuid);
    if (point === 'gone' || dryRun || !files.canRewind) {
      await cancel();
      reply({ ...about, ...files, ...(dryRun && { dryRun }) });
      return;
    }
    const restored = { ...about, ...(await restoreFiles(child, { uuid: prompt.uuid, files })), byDeviceId };
    await core.inTurn(() =>
      core.command(
        (state, now) => onRewound(state, { rewound: restored, point }, now),
        () => reply(restored),
      ),
    );
  } finally {
    if (core.state.rewinding) await cancel();
  }
}

const GONE = 'The conversation of the session no longer contains this prompt.';

/** The message before the prompt. `gone`: the conversation does not contain the prompt. */
async function findPoint(
  { core, launcher }: Pick<RewindOptions, 'core' | 'launcher'>,
  uuid: string,
): Promise<RewindPoint | 'gone'> {
  const { directory: workingDirectory, claudeSessionId } = core.record;
  if (claudeSessionId === undefined) return 'gone';
  return (await launcher.findBefore({ workingDirectory, claudeSessionId, uuid })) ?? 'gone';
}

function requireChild(child: ClaudeChild | undefined): ClaudeChild {
  if (child) return child;
  throw new CompanionError('CONFLICT', 'Files can be restored only while the Claude CLI of the session runs.', {
    field: 'sessionId',
    rule: 'must be a session whose Claude CLI runs',
    suggestion: 'Open the session with an empty prompt, and try again.',
  });
}

/** What the CLI would restore; it refuses where it has no checkpoint. */
async function previewFiles(child: ClaudeChild | undefined, uuid: string): Promise<Files> {
  if (!child) return NO_FILES;
  try {
    return readFiles(await child.ask({ subtype: 'rewind_files', user_message_id: uuid, dry_run: true }, RESTORE_MS));
  } catch (error) {
    if (error instanceof CompanionError && error.code === 'INVALID_REQUEST') return refused(error.message);
    throw error;
  }
}

/** The CLI lists the files only before it restores them (2.1.197 to 2.1.332). */
async function restoreFiles(
  child: ClaudeChild | undefined,
  { uuid, files }: { uuid: string; files: Files },
): Promise<Files> {
  if (!child) return files;
  const answer = await child.ask({ subtype: 'rewind_files', user_message_id: uuid, dry_run: false }, RESTORE_MS);
  const { canRewind, reason } = readFiles(answer);
  if (!canRewind) throw new CompanionError('CONFLICT', reason ?? 'The Claude CLI could not restore the files.');
  const { skippedLinks } = answer;
  return typeof skippedLinks === 'number' && skippedLinks > 0
    ? { ...files, reason: `${skippedLinks} files behind links were left as they are.` }
    : files;
}

function readFiles(answer: Record<string, unknown>): Files {
  const { canRewind, error, filesChanged, insertions, deletions } = answer;
  const paths = Array.isArray(filesChanged) ? filesChanged.filter((path) => typeof path === 'string') : [];
  return {
    canRewind: canRewind === true,
    ...(typeof error === 'string' && { reason: error }),
    filesChanged: paths.slice(0, MAX_SHOWN_FILES),
    insertions: countOf(insertions),
    deletions: countOf(deletions),
  };
}

const countOf = (value: unknown): number => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0);
