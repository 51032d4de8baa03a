import type { Usage } from '../../../protocol/content.js';
import type { TurnTotals } from '../../ports/records.js';

const NONE: TurnTotals = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

/** The totals with one more turn, whose usage can be unknown. */
export function withTurn(totals: TurnTotals = NONE, usage: Usage = {}): TurnTotals {
  const count = (name: string): number => (typeof usage[name] === 'number' ? Math.trunc(usage[name]) : 0);
  return {
    turns: totals.turns + 1,
    input: totals.input + count('input_tokens'),
    output: totals.output + count('output_tokens'),
    cacheRead: totals.cacheRead + count('cache_read_input_tokens'),
    cacheWrite: totals.cacheWrite + count('cache_creation_input_tokens'),
  };
}
