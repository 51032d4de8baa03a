/** Messages to a person that are not from Claude. */

import { createHash } from 'node:crypto';
import { plainLine } from '../../../protocol/plain-text.js';
import type { CliNotice } from '../../ports/claude.js';
import type { ObeyedState } from '../../ports/workspace.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

/** Publishes a durable notice. */
export function sayNotice(builder: StepBuilder, notice: CliNotice): void {
  builder.event('notice', { sessionId: builder.state.record.sessionId, ...notice, timestamp: builder.timestamp });
}

/** Minimum interval between notices about an ongoing condition, in milliseconds. */
const NOISE_MS = 60_000;

/** Collects lines outside the protocol: a CLI that logs to stdout writes a hundred in a turn. `bytes`: of one line. */
export function addNoise(builder: StepBuilder, bytes: number): void {
  const { noise, ticks } = builder.state;
  const { lines, bytes: before, since } = noise ?? { lines: 0, bytes: 0, since: ticks };
  builder.update({ noise: { lines: lines + 1, bytes: before + bytes, since } });
}

/** Reports the collected lines once, at the end of the turn, and every minute while they continue. */
export function tellNoise(builder: StepBuilder, { isOver }: { isOver: boolean }): void {
  const { noise, ticks, record } = builder.state;
  if (!noise || noise.lines === 0 || (!isOver && ticks - noise.since < NOISE_MS)) return;
  const { lines, bytes } = noise;
  const what = lines === 1 ? `a line of ${bytes} bytes that is` : `${lines} lines (${bytes} bytes) that are`;
  const message = `The Claude CLI wrote ${what} not its protocol.`;
  builder.update({ noise: { lines: 0, bytes: 0, since: ticks } });
  builder.frame({
    type: 'progress',
    data: { sessionId: record.sessionId, stage: 'warning', message, timestamp: builder.timestamp },
  });
}

// Workspace trust: reports when files that programs obey have changed since the person last opened the session.

const MAX_NAMED = 10;
const MAX_NAME = 200;

/** The first opening only records the files. */
export function tellChangedFiles(state: SessionState, found: ObeyedState, now: number): Step | undefined {
  const { obeyed: before } = state.record;
  const files = [...found.files].map(([path, digest]) => ({ path, key: keyOf(path), digest }));
  const seen = Object.fromEntries(files.map(({ key, digest }) => [key, digest]));
  // Files that an incomplete scan did not reach count as unchanged.
  const obeyed = found.isWhole ? seen : { ...before, ...seen };
  if (before && JSON.stringify(sorted(before)) === JSON.stringify(sorted(obeyed))) return undefined;
  const builder = new StepBuilder(state, now);
  builder.updateRecord({ obeyed });
  const changed = before ? files.filter(({ key, digest }) => before[key] !== digest).map(({ path }) => path) : [];
  const gone = before ? Object.keys(before).filter((key) => !(key in obeyed)).length : 0;
  if (changed.length + gone > 0) {
    sayNotice(builder, { kind: 'obeyed_files_changed', level: 'warning', message: wordsFor(changed, gone) });
  }
  return builder.finish();
}

function wordsFor(changed: readonly string[], gone: number): string {
  const named = changed.slice(0, MAX_NAMED).map((path) => plainLine(path, MAX_NAME));
  const more = changed.length - named.length;
  const parts = [...named, ...(more > 0 ? [`${more} more`] : []), ...(gone > 0 ? [`${gone} removed`] : [])];
  return `Files that Claude Code, git or a shell obey by themselves have changed since you last opened this directory: ${parts.join(', ')}. Look at them before you go on if you did not change them.`;
}

const sorted = (digests: Readonly<Record<string, string>>) =>
  Object.entries(digests).sort(([a], [b]) => (a < b ? -1 : 1));

const KEY_BYTES = 6;

/** The record is written often, and paths are long. */
const keyOf = (path: string): string =>
  createHash('sha256').update(path).digest().subarray(0, KEY_BYTES).toString('base64url');
