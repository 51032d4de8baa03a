import type { CliLine } from '../ports/claude.js';
import { decideLines } from './decide-fact.js';
import type { SessionState } from './session-state.js';
import type { Step } from './step-builder.js';

/**
 * Decides on the child's lines in one step. A line that triggers a bug in this daemon counts as garbage; the lines
 * beside it and the session are not affected. Throws only for garbage.
 */
export function decideReadable(
  state: SessionState,
  lines: readonly CliLine[],
  { now, onFault }: { now: number; onFault: (error: unknown) => void },
): Step {
  try {
    return decideLines(state, lines, now);
  } catch {
    // The lines are tried one by one, where each error is reported.
    return decideLines(state, withoutFaults(state, lines, { now, onFault }), now);
  }
}

type Basis = Parameters<typeof decideReadable>[2];

function withoutFaults(state: SessionState, lines: readonly CliLine[], { now, onFault }: Basis): CliLine[] {
  let before = state;
  return lines.map((line) => {
    try {
      before = decideLines(before, [line], now).state;
      return line;
    } catch (error) {
      onFault(error);
      return { ...line, facts: [{ kind: 'garbage', bytes: line.end - line.offset - 1 }] };
    }
  });
}
